/**
 * The file behind JOB_RESPONSE_FILE: the job as the runner read it, written out again in its own
 * form.
 */
import type { JobImage, JobPayload, JobVariable } from '../payload';
import type { RunnerVersion } from '../versions';

/** What only newer runners know of a job; where GitLab said nothing of it, they write these. */
const NEWER = {
  jobInfo: {
    pipeline_id: 0,
    namespace_id: 0,
    root_namespace_id: 0,
    organization_id: 0,
    instance_id: '',
    instance_uuid: '',
    user_id: 0,
    queue_size: 0,
    queue_depth: 0,
  },
  top: { policy_options: { execution_policy_job: false, policy_name: '' }, suspend_options: {} },
  executor: { kubernetes: { user: '' } },
};

function orderedVariable({ key, value, public: open, file, masked, raw }: JobVariable) {
  return { key, value, public: open, file, masked, raw };
}

/** These fields as GitLab sent them, else as they stand here. */
function known<T extends object>(fields: T, sent: Partial<T>): T {
  const names = Object.keys(fields) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, sent[name] ?? fields[name]])) as T;
}

/** Empty parts are left out, as the runner does. */
function image(one: JobImage | null, newer: boolean) {
  return {
    name: one?.name ?? '',
    ...(one?.alias ? { alias: one.alias } : {}),
    ...(one?.command ? { command: one.command } : {}),
    ...(one?.entrypoint ? { entrypoint: one.entrypoint } : {}),
    ...(one?.pull_policy ? { pull_policy: one.pull_policy } : {}),
    ...(one?.variables ? { variables: one.variables.map(orderedVariable) } : {}),
    executor_opts: {
      docker: { platform: one?.executor_opts?.docker?.platform ?? '', user: one?.executor_opts?.docker?.user ?? '' },
      ...(newer ? NEWER.executor : {}),
    },
  };
}

/** The features that a runner reads; it forgets the others. */
function features({ features: all }: JobPayload, newer: boolean) {
  const known = ['trace_sections', 'token_mask_prefixes', 'failure_reasons'].filter((name) => name in all);
  return { ...Object.fromEntries(known.map((name) => [name, all[name]])), ...(newer ? { tracing: null } : {}) };
}

export function jobResponse(payload: JobPayload, version: RunnerVersion) {
  const newer = version.writesFullJobResponse;
  const { job_info: info, git_info: git } = payload;
  return {
    id: payload.id,
    token: payload.token,
    allow_git_fetch: payload.allow_git_fetch,
    job_info: {
      name: info.name,
      stage: info.stage,
      project_id: info.project_id,
      project_name: info.project_name,
      ...(newer ? { project_full_path: info.project_full_path, ...known(NEWER.jobInfo, info) } : {}),
      time_in_queue_seconds: info.time_in_queue_seconds ?? 0,
      project_jobs_running_on_instance_runners_count: info.project_jobs_running_on_instance_runners_count ?? '0',
    },
    git_info: {
      repo_url: git.repo_url,
      repo_object_format: git.repo_object_format ?? 'sha1',
      ref: git.ref,
      sha: git.sha,
      before_sha: git.before_sha,
      ref_type: git.ref_type,
      refspecs: git.refspecs,
      depth: git.depth,
      ...(newer ? { protected: git.protected ?? null } : {}),
    },
    runner_info: { ...(newer ? { uuid: '' } : {}), timeout: payload.runner_info.timeout },
    ...(newer ? { inputs: {} } : {}),
    variables: payload.variables.map(orderedVariable),
    steps: payload.steps,
    image: image(payload.image, newer),
    services: payload.services.map((one) => image(one, newer)),
    artifacts: payload.artifacts,
    cache: payload.cache.map(({ key, untracked, policy, paths, when, fallback_keys }) => ({
      key,
      untracked,
      policy,
      paths,
      when,
      fallback_keys,
    })),
    credentials: payload.credentials,
    dependencies: payload.dependencies.map(({ id, token, name, artifacts_file: file }) => ({
      id,
      token,
      name,
      artifacts_file: file ?? { filename: '', size: 0 },
    })),
    features: features(payload, newer),
    ...(newer ? NEWER.top : { run: '' }),
  };
}
