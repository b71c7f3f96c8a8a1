/** A job's definition, filled in as GitLab hands it to a runner. */
import { createHash, randomBytes } from 'node:crypto';
import { expand } from '../driver/variables';
import { pipelineVariables, slug, type PipelineFacts } from '../pipeline/facts';
import type { JobDefinition } from '../pipeline/job-definition';
import type { JobArtifact, JobCache, JobDependency, JobImage, JobPayload, JobStep, JobVariable } from '../payload';

const DEFAULT_TIMEOUT_SECONDS = 3600;
const DEFAULT_DEPTH = 20;

export interface PayloadSources {
  readonly id: number;
  readonly job: JobDefinition;
  readonly facts: PipelineFacts;
  readonly dependencies: readonly JobDependency[];
  /** From the dotenv reports of earlier jobs. */
  readonly handedOn: Readonly<Record<string, string>>;
  /** The newest commit that touched any of these files. */
  readonly lastChange: (files: readonly string[]) => Promise<string>;
  readonly nowMs: number;
}

function variable(key: string, value: string, more: Partial<JobVariable> = {}): JobVariable {
  return { key, value, public: true, masked: false, file: false, raw: false, ...more };
}

const secret = { public: false, masked: true };

function variables({ id, job, facts, handedOn, nowMs }: PayloadSources, token: string): JobVariable[] {
  const ofPipeline = pipelineVariables(facts);
  const plain = (values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([key, value]) => variable(key, value));
  return expandNested([
    ...plain({
      CI_JOB_ID: String(id),
      CI_JOB_URL: `${facts.serverUrl}/${facts.projectPath}/-/jobs/${id}`,
      CI_JOB_STARTED_AT: new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z'),
      CI_BUILD_ID: String(id),
    }),
    variable('CI_JOB_TOKEN', token, secret),
    variable('CI_REGISTRY_USER', 'gitlab-ci-token'),
    variable('CI_REGISTRY_PASSWORD', token, secret),
    variable('CI_REPOSITORY_URL', repositoryUrl(facts, token), { public: false }),
    ...plain({
      CI_JOB_NAME: job.name,
      CI_JOB_NAME_SLUG: slug(job.name),
      CI_JOB_STAGE: job.stage,
      CI_NODE_TOTAL: String(job.node.total),
      ...(job.node.index === undefined ? {} : { CI_NODE_INDEX: String(job.node.index) }),
      ...(job.when === 'manual' ? { CI_JOB_MANUAL: 'true' } : {}),
    }),
    ...Object.entries(ofPipeline).map(([key, value]) => variable(key, value, { raw: key.startsWith('CI_COMMIT_') })),
    variable('CI_RUNNER_DESCRIPTION', 'sandbox'),
    variable('CI_RUNNER_TAGS', JSON.stringify(job.tags)),
    ...environmentVariables(job),
    ...job.variables.map(({ key, value, raw }) => variable(key, value, { raw })),
    ...plain(handedOn),
    variable('CI_JOB_TIMEOUT', String(timeoutSeconds(job))),
  ]);
}

/**
 * Variables within variables, as GitLab replaces them before a runner sees the job: one that nobody knows stays as it is, `$$` too,
 * and so does what refers to itself.
 */
function expandNested(variables: readonly JobVariable[]): JobVariable[] {
  const byKey = new Map(variables.map((one) => [one.key, one]));
  const value = (one: JobVariable, within: readonly string[]): string =>
    one.raw
      ? one.value
      : expand(one.value, (name, written) => {
          const inner = byKey.get(name);
          return !inner || within.includes(name) ? written : value(inner, [...within, name]);
        });
  return variables.map((one) => ({ ...one, value: value(one, [one.key]) }));
}

function environmentVariables({ environment }: JobDefinition): JobVariable[] {
  if (!environment) return [];
  return Object.entries({
    CI_ENVIRONMENT_NAME: environment.name,
    CI_ENVIRONMENT_SLUG: slug(environment.name).slice(0, 24),
    CI_ENVIRONMENT_ACTION: environment.action ?? 'start',
    CI_ENVIRONMENT_TIER: environment.tier ?? 'other',
    ...(environment.url ? { CI_ENVIRONMENT_URL: environment.url } : {}),
  }).map(([key, value]) => variable(key, value));
}

function repositoryUrl(facts: PipelineFacts, token: string): string {
  return `${facts.serverUrl.replace('://', `://gitlab-ci-token:${token}@`)}/${facts.projectPath}.git`;
}

function timeoutSeconds(job: JobDefinition): number {
  return job.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
}

function steps(job: JobDefinition): JobStep[] {
  const timeout = timeoutSeconds(job);
  const step = (name: string, script: readonly string[], when: JobStep['when'], allowFailure: boolean): JobStep => ({
    name,
    script,
    timeout,
    when,
    allow_failure: allowFailure,
  });
  return [
    step('script', job.script, 'on_success', false),
    ...(job.releaseScript ? [step('release', job.releaseScript, 'on_success', false)] : []),
    ...(job.afterScript.length > 0 ? [step('after_script', job.afterScript, 'always', true)] : []),
  ];
}

function image(one: NonNullable<JobDefinition['image']> | JobDefinition['services'][number]): JobImage {
  const service = one as JobDefinition['services'][number];
  return {
    name: one.name,
    entrypoint: one.entrypoint ?? null,
    ...(service.alias ? { alias: service.alias } : {}),
    ...(service.command ? { command: service.command } : {}),
    ...(one.pull_policy ? { pull_policy: one.pull_policy } : {}),
    ...(service.variables
      ? {
          variables: Object.entries(service.variables).map(([key, { value, expand }]) =>
            variable(key, value, { raw: !expand }),
          ),
        }
      : {}),
  };
}

function artifacts(job: JobDefinition): JobArtifact[] | null {
  const { artifacts: config } = job;
  if (!config) return null;
  const common = { untracked: false, exclude: null, expire_in: config.expire_in ?? null };
  const archive: JobArtifact = {
    ...common,
    name: config.name ?? 'artifacts',
    untracked: config.untracked ?? false,
    paths: config.paths ?? null,
    exclude: config.exclude ?? null,
    when: config.when ?? 'on_success',
    artifact_type: 'archive',
    artifact_format: 'zip',
  };
  const reports = Object.entries(config.reports ?? {}).flatMap(([type, value]): JobArtifact[] => {
    const paths = [value].flat(2).filter((one): one is string => typeof one === 'string');
    if (paths.length === 0) return [];
    return [{ ...common, name: `${type}.gz`, paths, when: 'always', artifact_type: type, artifact_format: 'gzip' }];
  });
  return [...(archive.paths || archive.untracked ? [archive] : []), ...reports];
}

async function caches({ job, facts, lastChange }: PayloadSources): Promise<JobCache[]> {
  const isProtected = facts.ref === facts.defaultBranch;
  return Promise.all(
    job.cache.map(async (one): Promise<JobCache> => {
      const suffix = one.unprotect ? '' : isProtected ? '-protected' : '-non_protected';
      const key = await cacheKey(one.key, lastChange);
      return {
        key: `${key}${suffix}`,
        untracked: one.untracked ?? false,
        paths: one.paths ?? null,
        policy: one.policy === 'pull' || one.policy === 'push' ? one.policy : 'pull-push',
        when: one.when ?? 'on_success',
        fallback_keys: (one.fallback_keys ?? []).map((fallback) => `${fallback}${suffix}`),
      };
    }),
  );
}

async function cacheKey(
  key: JobDefinition['cache'][number]['key'],
  lastChange: PayloadSources['lastChange'],
): Promise<string> {
  if (key === undefined) return 'default';
  if (typeof key === 'string') return key;
  const commits = (await Promise.all(key.files.map((file) => lastChange([file])))).filter((commit) => commit !== '');
  const hash = commits.length > 0 ? createHash('sha1').update(commits.join('-')).digest('hex') : 'default';
  return key.prefix ? `${key.prefix}-${hash}` : hash;
}

export async function jobPayload(sources: PayloadSources): Promise<JobPayload> {
  const { id, job, facts } = sources;
  const token = `glcbt-${id}_${randomBytes(12).toString('base64url')}`;
  const [projectName = ''] = facts.projectPath.split('/').slice(-1);
  const remote =
    facts.refType === 'branch'
      ? `refs/heads/${facts.ref}:refs/remotes/origin/${facts.ref}`
      : `refs/tags/${facts.ref}:refs/tags/${facts.ref}`;
  return {
    id,
    token,
    allow_git_fetch: true,
    job_info: {
      id,
      name: job.name,
      stage: job.stage,
      project_id: facts.projectId,
      project_name: projectName,
      project_full_path: facts.projectPath,
      time_in_queue_seconds: 0,
      project_jobs_running_on_instance_runners_count: '0',
    },
    git_info: {
      repo_url: repositoryUrl(facts, token),
      ref: facts.ref,
      sha: facts.sha,
      before_sha: facts.beforeSha,
      ref_type: facts.refType,
      refspecs: [`+refs/pipelines/${facts.pipelineId}:refs/pipelines/${facts.pipelineId}`, `+${remote}`],
      depth: DEFAULT_DEPTH,
      repo_object_format: 'sha1',
    },
    runner_info: { timeout: timeoutSeconds(job), runner_session_url: '' },
    inputs: [],
    variables: variables(sources, token),
    steps: steps(job),
    image: job.image ? image(job.image) : null,
    services: job.services.map(image),
    artifacts: artifacts(job),
    cache: await caches(sources),
    credentials: [],
    dependencies: sources.dependencies,
    features: {
      trace_sections: true,
      token_mask_prefixes: ['glpat-'],
      failure_reasons: ['unknown_failure', 'script_failure', 'runner_system_failure', 'job_execution_timeout'],
      trace_reset: true,
      cancel_gracefully: true,
    },
    hooks:
      job.preGetSourcesScript.length > 0 ? [{ name: 'pre_get_sources_script', script: job.preGetSourcesScript }] : [],
  };
}
