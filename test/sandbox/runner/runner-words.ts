/**
 * What tests compare of a runner's logs, scripts and job files: with the tables, and with
 * recordings where those are.
 */
import { featureFlags, scriptFacts } from '../../support/runner-facts';
import type { JobPayload } from '../../../sandbox/runner/payload';

const LANDMARK =
  /section_(start|end):\d+:(\w+)|((?:WARNING|ERROR): [^\x1b\n]*|Will be retried[^\x1b\n]*|Job succeeded)/g;

/**
 * Sections with the runner's own lines in them, without times and without what programs on the
 * machine said.
 */
export function landmarks(log: string): (string | string[])[] {
  const found: (string | string[])[] = [];
  let section: string[] | undefined;
  for (const [, edge, name = '', line] of log.matchAll(LANDMARK)) {
    if (edge === 'start') found.push((section = [name]));
    else if (edge === 'end') {
      if (section?.[0] !== name) found.push(`section ${name} ends without a beginning`);
      section = undefined;
    } else if (line !== undefined && !line.includes('Cache file')) (section ?? found).push(line.trimEnd());
  }
  return found;
}

/** A runner's own, which no job and no executor reads. */
const INTERNAL = new Set(['GLR_EXT_GIT_CONFIG_PATH']);
const FLAGS = featureFlags('19.3.0');

/**
 * The exported names in their order, but for the feature flags, which come in alphabetical order at
 * the end.
 */
export function exportedNames(script: string): string[] {
  const names = [...script.matchAll(/(?:^|eval ')export ([A-Z_]\w*)=/gm)].map(([, name = '']) => name);
  return [
    ...names.filter((one) => !(one in FLAGS) && !INTERNAL.has(one)),
    ...names.filter((one) => one in FLAGS).sort(),
  ];
}

/** The same, as the tables have it. */
export function expectedExports(stage: string, job: JobPayload): string[] {
  const { exports, withoutExports } = scriptFacts;
  if (withoutExports.includes(stage)) return [];
  return [
    ...(job.image ? ['CI_JOB_IMAGE'] : []),
    ...exports.beforeTheJobs,
    ...job.variables.map((one) => one.key),
    ...exports.afterTheJobs,
    ...(stage === 'get_sources' ? exports.get_sources : []),
    ...Object.keys(FLAGS).sort(),
  ];
}

/** Calls of the machine's gitlab-runner, by command and flags. */
export function helperCalls(script: string): string[] {
  return [...script.matchAll(/gitlab-runner ((?:cache|artifacts)-[a-z]+ [^\n;]*)/g)].map(([, call = '']) =>
    (call.match(/^\S+|--[a-z-]+/g) ?? []).sort().join(' '),
  );
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * JOB_RESPONSE_FILE as the tables have it: their fields in their order, with the job's values, or
 * what stands there without one.
 */
export function responseShape(facts: Fields, job: JobPayload): Fields {
  const zero = facts['zero'] as Fields;
  const pick = (names: unknown, from: object): Fields =>
    Object.fromEntries((names as string[]).map((name) => [name, (from as Fields)[name] ?? zero[name] ?? null]));
  /** Empty parts are left out, and ports are not read at all. */
  const present = (from: object): Fields =>
    Object.fromEntries(
      Object.entries(from).filter(([name, value]) => name !== 'ports' && value !== null && value !== ''),
    );
  const variable = (one: object) => pick(facts['variable'], one);
  const noImage = facts['no image'] as Fields;
  const image = (one: JobPayload['image']): Fields => {
    if (!one) return noImage;
    return {
      ...present(one),
      ...(one.variables ? { variables: one.variables.map(variable) } : {}),
      executor_opts: noImage['executor_opts'],
    };
  };
  const info = pick(facts['job_info'], job.job_info);
  const top: Fields = {
    ...job,
    job_info: info,
    git_info: pick(facts['git_info'], job.git_info),
    runner_info: pick(facts['runner_info'], job.runner_info),
    inputs: {},
    variables: job.variables.map(variable),
    steps: job.steps.map((one) => pick(facts['step'], one)),
    image: image(job.image),
    services: job.services.map(image),
    artifacts: job.artifacts && job.artifacts.map((one) => pick(facts['artifact'], one)),
    cache: job.cache.map((one) => pick(facts['cache'], one)),
    credentials: job.credentials.map((one) => pick(facts['credential'], one)),
    dependencies: job.dependencies.map((one) => pick(facts['dependency'], one)),
    features: pick(facts['features'], job.features),
  };
  return pick(facts['job'], top);
}
