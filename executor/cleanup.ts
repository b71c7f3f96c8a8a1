/** cleanup_exec: marks the job's instance, and everything made with it, for destruction. */
import path from 'node:path';
import { HostError } from '../src/errors';
import { readEndedJob } from '../src/gitlab/contract';
import { RecordStore } from '../src/jobs/record-store';
import { markForDestroy } from '../src/teardown/clean-up';
import { runHook } from '../src/hooks/run-hook';
import { spawnDestroyer, waitForDestroyer } from '../src/teardown/spawn-destroyer';
import { EXECUTOR } from './programs';

void runHook(async ({ settings, variables }) => {
  const store = new RecordStore(settings.stateDir);
  const status = variables.CUSTOM_ENV_CI_JOB_STATUS;
  const job = readEndedJob(variables, settings.gitlab.url);
  if (!job) {
    process.stderr.write('It is unknown which job this is: config failed, so there is nothing of it to destroy\n');
    return;
  }
  const stacks = markForDestroy(job, { settings, store, now: Date.now, status });
  if (stacks.length === 0) return;
  const destroyer = { program: path.join(EXECUTOR, 'destroyer.js'), variables };
  if (settings.cleanup === 'detached') spawnDestroyer(settings, destroyer);
  else if ((await waitForDestroyer(settings, destroyer, stacks)) !== 0)
    throw new HostError('The job’s instance is not destroyed yet', { remedy: '`gitlab-spot reap` tries again.' });
});
