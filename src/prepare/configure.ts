import path from 'node:path';
import { version } from '../../package.json';
import { ATTEMPT_VARIABLE, FACTS_VARIABLE } from '../gitlab/contract';
import type { JobFacts } from '../gitlab/types';
import { countAttempt } from '../jobs/attempts';
import { jobIdentity } from '../jobs/identity';
import { makePrivate } from '../host/private-folder';
import type { Settings } from '../settings/types';
import { engineQueue, SLOTS_VARIABLE, QUEUE_VARIABLE } from '../host/slots';

/** What the config hook prints. https://docs.gitlab.com/runner/executors/custom/#config */
export interface HookConfiguration {
  readonly builds_dir: string;
  readonly cache_dir: string;
  readonly builds_dir_is_shared: boolean;
  readonly hostname: string;
  readonly driver: { readonly name: string; readonly version: string };
  readonly job_env: Readonly<Record<string, string>>;
}

/**
 * Counts the attempt and tells the runner where the job will live. The machine does not exist yet.
 */
export function configure(job: JobFacts, settings: Settings, nowMs: number): HookConfiguration {
  const attempt = countAttempt(settings.stateDir, job, nowMs);
  const { stackName } = jobIdentity(job.serverUrl, job.jobId, attempt);
  const queue = engineQueue(settings);
  makePrivate(queue.directory);
  const place = (directory: string): string => directory.replaceAll('{job}', stackName);
  return {
    builds_dir: place(settings.buildsDir),
    cache_dir: place(settings.cacheDir),
    builds_dir_is_shared: false,
    hostname: settings.executorId,
    driver: { name: 'gitlab-spot', version: `v${version}` },
    job_env: {
      [ATTEMPT_VARIABLE]: String(attempt),
      [FACTS_VARIABLE]: JSON.stringify(job),
      [QUEUE_VARIABLE]: queue.directory,
      [SLOTS_VARIABLE]: String(queue.slots),
      // From Node 22 on the later hooks, and the SDK, are compiled once for each version of node:
      // https://nodejs.org/api/module.html#module-compile-cache
      NODE_COMPILE_CACHE: path.join(settings.stateDir, 'node-cache'),
    },
  };
}
