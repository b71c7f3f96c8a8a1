/** From a repository's `.gitlab-ci.yml` to the jobs of one pipeline. */
import type { z } from 'zod';
import { Candidate, definedVariables, expandAll, type Globals } from './candidate';
import { BROKEN, compose, leftOut, notAwaited, type Files } from './compose';
import { pipelineVariables, type PipelineFacts } from './facts';
import type { Pipeline } from './job-definition';
import { GLOBAL_DEFAULTS, GLOBAL_KEYS, nearest } from './keywords';
import { resolveNeeds } from './needs';
import { InvalidPipeline, invalid, Problems } from './problem';
import {
  defaultSchema,
  jobSchema,
  rulesSchema,
  stagesSchema,
  variablesSchema,
  workflowSchema,
  type JobConfig,
  type Rule,
} from './schema';
import { problemsOf } from './schema-problems';
import { matchingRule } from './selection';
import { isMapping, type Mapping } from './values';

const IGNORED = ['secrets', 'identity', 'dast_configuration', 'publish'] as const;
const FILE = '.gitlab-ci.yml';

/** What the sandbox can't do of a whole job, by the keyword that asks for it. */
const SKIPPED: Readonly<Record<string, string>> = {
  trigger: 'the sandbox starts no other pipelines',
  run: 'the sandbox knows no CI steps',
};

/**
 * @throws InvalidPipeline with every problem found and all that the sandbox leaves out, each of
 * which begins with the file's name.
 */
export function readPipeline(files: Files, facts: PipelineFacts): Pipeline {
  const reader = new Reader(files, facts);
  try {
    return reader.read(FILE);
  } catch (error) {
    if (!(error instanceof InvalidPipeline)) throw error;
    const names = [FILE, ...files.list()];
    const inFile = (problem: string) => names.some((name) => problem.startsWith(`${name}:`));
    const all = [...error.problems, ...reader.warnings];
    throw new InvalidPipeline(all.map((one) => (inFile(one) ? one : `${FILE}: ${one}`)));
  }
}

/** Reads on past what is wrong, as far as it can, so that all of it is told in one run. */
class Reader {
  /** What the sandbox does without, so far. */
  readonly warnings: string[] = [];
  private readonly problems = new Problems();
  private readonly early: Readonly<Record<string, string>>;

  constructor(
    private readonly files: Files,
    private readonly facts: PipelineFacts,
  ) {
    this.early = { ...pipelineVariables(facts), ...facts.given };
  }

  read(file: string): Pipeline {
    const { facts, problems, warnings } = this;
    const { config, warnings: notIncluded } = compose(file, this.files, problems, (rules, place) =>
      Boolean(this.lets(parse(rulesSchema, rules, `${place}: rules`), this.early, `${place}: rules`)),
    );
    warnings.push(...notIncluded);
    // What is missing then may stand in a file that is left out.
    const partial = notIncluded.length > 0;
    const [missing, absent] = partial ? [new Problems(), new Problems()] : [problems, problems];
    const globals = this.globals(config);
    problems.collect(() => this.workflow(globals), undefined);
    const skipped = skippedJobs(config);
    warnings.push(...byMessage([...skipped].map(([job, keyword]) => ({ job, message: skips(keyword) }))));
    const all = parseJobs(config, skipped, problems).map(
      ([name, job]) => new Candidate(name, inherit(job, globals), globals, facts, this.files),
    );
    const incomplete = all.flatMap((candidate) => candidate.problems());
    missing.add(...incomplete);
    const candidates = partial ? all.filter((candidate) => candidate.problems().length === 0) : all;
    warnings.push(...byMessage(candidates.flatMap(({ name, job }) => passedOver(name, job))));
    const chosen = candidates.flatMap((candidate) => problems.collect(() => candidate.choose(), []));
    const broken = jobsOf(config).flatMap(([name]) => (candidates.some((one) => one.name === name) ? [] : [name]));
    const known = { candidates, stages: globals.stages, skipped: broken };
    const jobs = resolveNeeds(chosen, known, problems, absent);
    if (partial) warnings.push(...missing.found.map(leftOut), ...new Set(absent.found.map(notAwaited)));
    problems.throwIfAny();
    if (candidates.length === 0 && skipped.size === 0)
      throw invalid('jobs', 'the pipeline has no job that is not hidden');
    if (chosen.length === 0) throw invalid('jobs', noJob(facts));
    if (chosen.every(({ job }) => job.stage === '.pre' || job.stage === '.post'))
      throw invalid('jobs', 'only jobs of .pre and .post would run, and GitLab makes no pipeline of these alone');
    return { stages: globals.stages.filter((stage) => jobs.some((job) => job.stage === stage)), jobs, warnings };
  }

  private lets(rules: readonly Rule[], variables: Readonly<Record<string, string>>, place: string): Rule | undefined {
    const rule = matchingRule(rules, { facts: this.facts, files: this.files, variables }, place);
    return rule && rule.when !== 'never' ? rule : undefined;
  }

  private globals(config: Mapping): Globals {
    const { problems } = this;
    const read = <T extends z.ZodType>(schema: T, key: string, fallback: unknown): z.infer<T> =>
      problems.collect(
        () => parse(schema, config[key] ?? fallback, key),
        problems.collect(() => parse(schema, fallback, key), undefined as z.infer<T>),
      );
    if ('spec' in config)
      problems.add('spec: should be a document of its own before the rest, which begins after a line `---`');
    const old = Object.fromEntries(GLOBAL_DEFAULTS.filter((key) => key in config).map((key) => [key, config[key]]));
    const stages = read(stagesSchema, 'stages', ['build', 'test', 'deploy']);
    const defaults = config['default'] === BROKEN ? {} : (config['default'] ?? {});
    if (!isMapping(defaults)) problems.add('default: should be a mapping of keywords');
    return {
      stages: ['.pre', ...stages.filter((stage) => stage !== '.pre' && stage !== '.post'), '.post'],
      variables: read(variablesSchema, 'variables', {}),
      defaults: problems.collect(
        () => parse(defaultSchema, withoutEmpty({ ...old, ...(isMapping(defaults) ? defaults : {}) }), 'default'),
        {},
      ),
      workflow: read(workflowSchema, 'workflow', {}),
    };
  }

  /** @throws InvalidPipeline where `workflow:rules` want no pipeline */
  private workflow(globals: Globals): void {
    const { facts } = this;
    if (!globals.workflow.rules) return;
    const known = expandAll(definedVariables(globals.variables), facts.given, this.early);
    const rule = this.lets(globals.workflow.rules, known, 'workflow: rules');
    if (!rule) throw invalid('workflow: rules', `no rule lets a pipeline run for ${facts.ref}`);
    if (rule.variables) globals.variables = { ...globals.variables, ...rule.variables };
  }
}

function noJob(facts: PipelineFacts): string {
  return facts.mergeRequest
    ? 'no job is part of a merge request pipeline (a job without rules runs for branches and tags, unless there are workflow:rules)'
    : `no job is part of a pipeline for ${facts.refType} ${facts.ref}`;
}

interface JobWarning {
  readonly job: string;
  readonly message: string;
}

function skips(keyword: string): string {
  return `${keyword}: is skipped: ${SKIPPED[keyword]}`;
}

function passedOver(name: string, job: JobConfig): JobWarning[] {
  const elsewhere = job.needs?.some((need) => need.job === undefined || need.project !== undefined);
  const messages = [
    ...IGNORED.filter((key) => job[key] !== undefined).map(
      (key) => `${key}: the sandbox has none of these; the job goes without`,
    ),
    ...(elsewhere ? ['needs: of other pipelines and projects are passed over'] : []),
  ];
  return messages.map((message) => ({ job: name, message }));
}

const MOST_NAMES = 5;

/** One sentence for what is the same of several jobs. */
function byMessage(warnings: readonly JobWarning[]): string[] {
  const jobs = new Map<string, string[]>();
  for (const { job, message } of warnings) jobs.set(message, [...(jobs.get(message) ?? []), job]);
  return [...jobs].map(([message, names]) => {
    const more = names.length - MOST_NAMES;
    const shown = more > 1 ? `${names.slice(0, MOST_NAMES).join(', ')} and ${more} others` : names.join(', ');
    return `job ${shown}: ${message}`;
  });
}

function parse<T extends z.ZodType>(schema: T, value: unknown, place: string): z.infer<T> {
  const result = schema.safeParse(value, { reportInput: true });
  if (!result.success) throw new InvalidPipeline(problemsOf(result.error, place));
  return result.data;
}

/** Jobs that the sandbox can't run, with the keyword that says so. */
function skippedJobs(config: Mapping): Map<string, string> {
  return new Map(
    jobsOf(config).flatMap(([name, value]): [string, string][] => {
      const keyword = isMapping(value) ? Object.keys(SKIPPED).find((key) => key in value) : undefined;
      return keyword === undefined ? [] : [[name, keyword]];
    }),
  );
}

function jobsOf(config: Mapping): [string, unknown][] {
  return Object.entries(config).filter(([name]) => !name.startsWith('.') && !GLOBAL_KEYS.includes(name));
}

function parseJobs(config: Mapping, skipped: ReadonlyMap<string, string>, problems: Problems): [string, JobConfig][] {
  return jobsOf(config)
    .filter(([name, value]) => !skipped.has(name) && value !== BROKEN)
    .flatMap(([name, value]): [string, JobConfig][] => {
      if (!isMapping(value)) {
        problems.add(
          GLOBAL_KEYS.some((key) => nearest(name, [key]))
            ? `${name}: unknown keyword (did you mean ${nearest(name, GLOBAL_KEYS)}?)`
            : `job ${name}: should be a mapping of keywords`,
        );
        return [];
      }
      const result = jobSchema.safeParse(withoutEmpty(value), { reportInput: true });
      if (result.success) return [[name, result.data]];
      problems.add(...problemsOf(result.error, `job ${name}`));
      return [];
    });
}

/** A keyword without a value is none, at any depth; a variable without one is empty text. */
function withoutEmpty(value: Mapping): Mapping {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (inner === null) return [];
      return [[key, isMapping(inner) && key !== 'variables' ? withoutEmpty(inner) : inner]];
    }),
  );
}

/** A job's own keywords win over `default:`, whole. */
function inherit(job: JobConfig, globals: Globals): JobConfig {
  const wish = job.inherit?.default ?? true;
  const defaults = Object.entries(globals.defaults).filter(([key]) =>
    Array.isArray(wish) ? wish.includes(key) : wish,
  );
  return {
    ...Object.fromEntries(defaults),
    ...Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined)),
  };
}
