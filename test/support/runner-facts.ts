/**
 * What real runners do with nine jobs, as data: test/fixtures/gitlab-runner (its README says where
 * each fact comes from).
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { JobPayload, JobVariable } from '../../sandbox/runner/payload';
import type { RunnerVersionName } from '../../sandbox/runner/versions';

/** A hook's call: `config`, `prepare`, `cleanup`, or a stage of `run`. */
export interface HookFact {
  readonly hook: string;
  readonly exit: number;
  /** CI_JOB_STATUS as the hook sees it. */
  readonly status: string;
  /** The script's own exit status, where it failed. */
  readonly scriptExit?: number;
  /** The runner sent SIGTERM while it ran. */
  readonly stopped?: boolean;
}

export interface RunFacts {
  readonly hooks: readonly HookFact[];
  /** A section with the runner's own lines in it, or such a line outside any section. */
  readonly log: readonly (string | readonly string[])[];
  readonly end: { readonly state: string; readonly failure_reason?: string; readonly exit_code?: number };
}

interface EnvironmentFacts {
  readonly contract: Readonly<Record<string, string>>;
  readonly runner: Readonly<Record<string, string>>;
  readonly flagsOn: readonly string[];
  readonly flagsOff: readonly string[];
  readonly services: unknown;
}

type JobFields = Pick<JobPayload, 'image' | 'services' | 'artifacts' | 'cache' | 'dependencies' | 'credentials'>;

interface JobFacts extends Partial<JobFields> {
  readonly id: number;
  readonly name: string;
  readonly stage: string;
  readonly steps: Readonly<Record<string, readonly string[]>>;
  readonly timeoutSeconds?: number;
  readonly variables?: readonly (Pick<JobVariable, 'key' | 'value'> & Partial<JobVariable>)[];
  /** Left out: the demo project's, with the job's token. */
  readonly repository?: string;
  /** Besides those of every job. */
  readonly features?: Readonly<Record<string, unknown>>;
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(path.join(__dirname, '../fixtures/gitlab-runner', `${name}.json`), 'utf8')) as T;
}

export const RUNNER_VERSIONS: Readonly<Record<string, RunnerVersionName>> = { '19.3.0': '19.3', '17.4.0': '17.4' };

const jobs = read<{ variables: [string, string, ('masked' | 'hidden')?][]; jobs: Record<string, JobFacts> }>('jobs');
const runs = read<{ runs: Record<string, Record<string, RunFacts>> }>('runs').runs;
const environments = read<{
  beforeConfig: Record<string, string>;
  versions: Record<string, EnvironmentFacts>;
}>('environment');
export const responseFacts = read<{ versions: Record<string, Record<string, unknown>> }>('job-response').versions;
export const scriptFacts = read<{
  exports: Record<'beforeTheJobs' | 'afterTheJobs' | 'get_sources', string[]>;
  withoutExports: string[];
  helperCalls: Record<string, string[]>;
}>('scripts');

/** The jobs that a runner of this version was seen with. */
export function jobNames(version: string): string[] {
  return Object.keys(runs[version] ?? {});
}

export function runFacts(version: string, name: string): RunFacts {
  return runs[version]![name]!;
}

/** The names of the feature flags and their values. */
export function featureFlags(version: string): Record<string, string> {
  const { flagsOn, flagsOff } = environments.versions[version]!;
  const named = (flags: readonly string[], value: string) => flags.map((flag) => [`FF_${flag}`, value]);
  return Object.fromEntries([...named(flagsOn, 'true'), ...named(flagsOff, 'false')]) as Record<string, string>;
}

const SHA = '360d664fad7b49c84bbb4a8c5f4bf3b1995db415';
const TIMEOUT_S = 3600;

/** A job as GitLab hands it out. */
export function jobPayload(name: string): JobPayload {
  const job = jobs.jobs[name]!;
  const fill = (text: string) =>
    text
      .replaceAll('{id}', String(job.id))
      .replaceAll('{name}', job.name)
      .replaceAll('{slug}', job.name.toLowerCase().replace(/[^a-z0-9]+/g, '-'))
      .replaceAll('{stage}', job.stage);
  const step = ([step, script]: [string, readonly string[]]) => ({
    name: step,
    script,
    timeout: step === 'after_script' ? TIMEOUT_S : (job.timeoutSeconds ?? TIMEOUT_S),
    when: step === 'after_script' ? ('always' as const) : ('on_success' as const),
    allow_failure: step === 'after_script',
  });
  return {
    id: job.id,
    token: `glcbt-job-${job.id}`,
    allow_git_fetch: true,
    job_info: {
      id: job.id,
      name: job.name,
      stage: job.stage,
      project_id: 42,
      project_name: 'demo',
      project_full_path: 'root/demo',
      time_in_queue_seconds: 1.2,
      project_jobs_running_on_instance_runners_count: '0',
    },
    git_info: {
      repo_url: job.repository ?? `http://gitlab-ci-token:glcbt-job-${job.id}@127.0.0.1:8929/root/demo.git`,
      ref: 'main',
      sha: SHA,
      before_sha: '0'.repeat(40),
      ref_type: 'branch',
      refspecs: ['+refs/heads/main:refs/remotes/origin/main'],
      depth: 20,
      repo_object_format: 'sha1',
    },
    runner_info: { timeout: job.timeoutSeconds ?? TIMEOUT_S, runner_session_url: '' },
    inputs: [],
    variables: [
      ...jobs.variables.map(([key, value, secrecy]) => ({
        ...plainVariable(key, fill(value)),
        public: secrecy === undefined,
        masked: secrecy === 'masked',
      })),
      ...(job.variables ?? []).map((one) => ({ ...plainVariable(one.key, one.value), ...one })),
    ],
    steps: Object.entries(job.steps).map(step),
    image: job.image ?? null,
    services: job.services ?? [],
    artifacts: job.artifacts ?? null,
    cache: job.cache ?? [],
    credentials: job.credentials ?? [],
    dependencies: job.dependencies ?? [],
    features: {
      trace_sections: true,
      token_mask_prefixes: ['glpat-'],
      failure_reasons: ['unknown_failure', 'script_failure', 'runner_system_failure', 'job_execution_timeout'],
      trace_reset: true,
      ...job.features,
    },
    hooks: [],
  };
}

function plainVariable(key: string, value: string): JobVariable {
  return { key, value, public: true, masked: false, file: false, raw: false };
}

/** What no reference in a job's variables finds. */
const UNKNOWN_NAMES = /\$(dollar|HOME)\b/g;

/**
 * The environment of a job's hook, by its place in the order; `@TMPDIR@` stands for the job's own
 * folder.
 */
export function hookEnvironment(version: string, name: string, index: number): Record<string, string> {
  const facts = environments.versions[version]!;
  const { hooks } = runFacts(version, name);
  const { hook, status } = hooks[index]!;
  const payload = jobPayload(name);
  const project = /([^/]+)\.git$/.exec(payload.git_info.repo_url)?.[1] ?? '';
  const beforeFirstAnswer = index === 0 ? environments.beforeConfig : {};
  const inProject = (value: string) => value.replace('/builds/root/demo', `/builds/root/${project}`);
  const variables: Record<string, string> = {
    ...featureFlags(version),
    ...Object.fromEntries(Object.entries(facts.runner).map(([key, value]) => [key, inProject(value)])),
    ...(payload.image ? { CI_JOB_IMAGE: payload.image.name } : {}),
    ...(payload.services.length > 0 ? { CI_JOB_SERVICES: JSON.stringify(facts.services) } : {}),
    CI_JOB_STATUS: status,
    ...Object.fromEntries(payload.variables.map((one) => [one.key, one.value.replace(UNKNOWN_NAMES, '')])),
    ...beforeFirstAnswer,
  };
  return {
    ...Object.fromEntries(Object.entries(variables).map(([key, value]) => [`CUSTOM_ENV_${key}`, value])),
    ...facts.contract,
    ...(hook === 'config' ? {} : { SPOT_FROM_CONFIG: '1' }),
  };
}
