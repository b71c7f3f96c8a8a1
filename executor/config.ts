/**
 * config_exec: finds out who the job is, and tells the runner where it will live. stdout is for the
 * answer alone.
 */
import { findOutJob } from '../src/gitlab/contract';
import { createJobLog } from '../src/gitlab/job-log';
import { configure } from '../src/prepare/configure';
import { runHook } from '../src/hooks/run-hook';

void runHook(async ({ settings, variables }) => {
  const job = findOutJob(variables, settings.gitlab.url);
  if (job.timeoutAssumed)
    createJobLog(process.stderr).warn('GitLab did not say how long the job may take: an hour is assumed');
  const answer = configure(job, settings, Date.now());
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
