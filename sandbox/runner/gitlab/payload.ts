/** A job's definition, filled in as GitLab hands it to a runner. */
import { createHash, randomBytes } from 'node:crypto';
import { gitRef, isBranchPipeline, USER } from '../pipeline/facts';
import type { JobDefinition } from '../pipeline/job-definition';
import type { JobArtifact, JobCache, JobImage, JobPayload, JobStep } from '../payload';
import { jobVariables, repositoryUrl, timeoutSeconds, variable, type PayloadSources } from './job-variables';

/** What GitLab takes as a runner's reason; another is `unknown_failure` to it. */
export const FAILURE_REASONS: readonly string[] = [
  'unknown_failure',
  'script_failure',
  'api_failure',
  'stuck_or_timeout_failure',
  'runner_system_failure',
  'job_execution_timeout',
  'runner_unsupported',
  'runner_interrupted',
];
const DEFAULT_DEPTH = 20;
const NAMESPACE_ID = 2;

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
    ...(one.docker ? { executor_opts: { docker: one.docker } } : {}),
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

async function caches(
  { job, facts, lastChange }: PayloadSources,
  expand: (text: string) => string,
): Promise<JobCache[]> {
  return Promise.all(
    job.cache.map(async (one): Promise<JobCache> => {
      const suffix = one.unprotect ? '' : facts.protectedRef ? '-protected' : '-non_protected';
      const key = await cacheKey(one.key, lastChange);
      return {
        key: `${key}${suffix}`,
        untracked: one.untracked ?? false,
        paths: one.paths ?? null,
        policy: one.policy === undefined ? 'pull-push' : expand(one.policy),
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

/**
 * What the runner fetches: the pipeline's own ref, and its branch or tag; without a depth all
 * branches and tags.
 */
function refspecs(facts: PayloadSources['facts'], depth: number): string[] {
  const pipeline = `refs/pipelines/${facts.pipelineId}`;
  const branch = (name: string) => `+refs/heads/${name}:refs/remotes/origin/${name}`;
  const tag = (name: string) => `+refs/tags/${name}:refs/tags/${name}`;
  const own = facts.refType === 'tag' ? [tag(facts.ref)] : isBranchPipeline(facts) ? [branch(facts.ref)] : [];
  return [`+${pipeline}:${pipeline}`, ...(depth > 0 ? own : [branch('*'), tag('*')])];
}

export async function jobPayload(sources: PayloadSources): Promise<JobPayload> {
  const { id, job, facts } = sources;
  const token = `glcbt-${id}_${randomBytes(12).toString('base64url')}`;
  const [projectName = ''] = facts.projectPath.split('/').slice(-1);
  const { variables, expand, last } = jobVariables(sources, token);
  const depth = Math.trunc(Number(last('GIT_DEPTH') ?? DEFAULT_DEPTH)) || 0;
  return {
    id,
    token,
    allow_git_fetch: true,
    job_info: {
      id,
      name: job.name,
      stage: job.stage,
      pipeline_id: facts.pipelineId,
      project_id: facts.projectId,
      project_name: projectName,
      project_full_path: facts.projectPath,
      namespace_id: NAMESPACE_ID,
      root_namespace_id: NAMESPACE_ID,
      organization_id: 1,
      instance_id: 'sandbox',
      instance_uuid: 'sandbox',
      user_id: USER.id,
      time_in_queue_seconds: 0,
      project_jobs_running_on_instance_runners_count: '0',
      queue_size: 0,
      queue_depth: 0,
    },
    git_info: {
      repo_url: repositoryUrl(facts, token),
      ref: gitRef(facts),
      sha: facts.sha,
      before_sha: facts.beforeSha,
      ref_type: facts.refType,
      refspecs: refspecs(facts, depth),
      depth,
      repo_object_format: 'sha1',
      protected: facts.protectedRef,
    },
    runner_info: { timeout: timeoutSeconds(job), runner_session_url: '' },
    inputs: [],
    variables,
    steps: steps(job),
    image: job.image ? image(job.image) : null,
    services: job.services.map(image),
    artifacts: artifacts(job),
    cache: await caches(sources, expand),
    credentials: [],
    dependencies: sources.dependencies,
    features: {
      trace_sections: true,
      token_mask_prefixes: ['glpat-'],
      failure_reasons: [...FAILURE_REASONS],
      trace_reset: true,
      cancel_gracefully: true,
    },
    hooks:
      job.preGetSourcesScript.length > 0 ? [{ name: 'pre_get_sources_script', script: job.preGetSourcesScript }] : [],
  };
}
