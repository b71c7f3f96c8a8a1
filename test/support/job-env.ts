import { ATTEMPT_VARIABLE, FACTS_VARIABLE } from '../../src/gitlab/contract';
import type { JobFacts } from '../../src/gitlab/types';

/** A job's facts as config finds them out. */
export function jobFacts(change: Partial<JobFacts> = {}): JobFacts {
  return {
    verified: true,
    serverUrl: 'https://gitlab.example.com',
    jobId: 1001,
    jobName: 'build',
    projectId: 42,
    projectPath: 'root/demo',
    refName: 'main',
    protectedRef: false,
    timeoutSeconds: 3600,
    ...change,
  };
}

/** What config hands on to the later hooks in job_env. */
export function jobEnv(change: Partial<JobFacts> = {}, attempt = 1): Record<string, string> {
  return { [ATTEMPT_VARIABLE]: String(attempt), [FACTS_VARIABLE]: JSON.stringify(jobFacts(change)) };
}

/** The same job as GitLab hands it out: what the runner writes into JOB_RESPONSE_FILE. */
export function ownFields({ jobId = 1001, projectId = 42, projectPath = 'root/demo' }: Partial<JobFacts> = {}) {
  return {
    id: jobId,
    job_info: { name: 'build', project_id: projectId, project_full_path: projectPath },
    git_info: { repo_url: `https://gitlab-ci-token:secret@gitlab.example.com/${projectPath}.git`, ref: 'main' },
    runner_info: { timeout: 3600 },
  };
}
