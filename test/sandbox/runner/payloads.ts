import type { JobPayload, JobVariable } from '../../../sandbox/runner/payload';

export function variable(key: string, value: string, more: Partial<JobVariable> = {}): JobVariable {
  return { key, value, public: true, masked: false, file: false, raw: false, ...more };
}

/** A job without a repository; what a test is about is given. */
export function payload(script: readonly string[], more: Partial<JobPayload> = {}): JobPayload {
  return {
    id: 1,
    token: 'glcbt-1',
    allow_git_fetch: true,
    job_info: {
      id: 1,
      name: 'job',
      stage: 'test',
      project_id: 42,
      project_name: 'demo',
      project_full_path: 'root/demo',
    },
    git_info: {
      repo_url: 'http://gitlab-ci-token:glcbt-1@127.0.0.1:1/root/demo.git',
      ref: 'main',
      sha: '360d664fad7b49c84bbb4a8c5f4bf3b1995db415',
      before_sha: '0'.repeat(40),
      ref_type: 'branch',
      refspecs: [],
      depth: 20,
    },
    runner_info: { timeout: 3600 },
    steps: [{ name: 'script', script, timeout: 3600, when: 'on_success', allow_failure: false }],
    image: null,
    services: [],
    artifacts: null,
    cache: [],
    credentials: [],
    dependencies: [],
    features: {},
    ...more,
    variables: [
      variable('GIT_STRATEGY', 'none'),
      variable('CI_JOB_TOKEN', 'glcbt-1', { masked: true }),
      ...(more.variables ?? []),
    ],
  };
}

export const afterScript = (script: readonly string[]) =>
  ({ name: 'after_script', script, timeout: 3600, when: 'always', allow_failure: true }) as const;
