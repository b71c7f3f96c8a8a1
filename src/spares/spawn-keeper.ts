import path from 'node:path';
import type { JobLog } from '../gitlab/job-log';
import { keeperQueue } from '../host/slots';
import { detachedStarted, spawnDetached } from '../host/spawn-detached';
import type { Variables } from '../settings/environment';
import type { Profile, ProfilesPage, Settings } from '../settings/types';
import { wantsForecast } from './decide';

const NAME = 'keeper';

type Log = Pick<JobLog, 'warn'>;

/**
 * After a job has its machine: another spare takes the place of the one that it took, or there was
 * none; or other jobs are expected after this one. Where none can be started the job goes on, and the
 * reaper's next round does it.
 * @param folder dist/executor
 */
export function keepAfter(
  { spares }: Profile,
  page: ProfilesPage,
  settings: Settings,
  { folder, variables, log }: { readonly folder: string; readonly variables: Variables; readonly log: Log },
): void {
  if (!spares && !wantsForecast(page)) return;
  const program = path.join(folder, `${NAME}.js`);
  try {
    spawnDetached(settings, { name: NAME, program, variables, queue: keeperQueue(settings) });
  } catch (error) {
    log.warn(`The keeper of spare machines can't be started: ${(error as Error).message}`);
  }
}

/** Said by the keeper before it looks for work. */
export function keeperStarted(settings: Settings): void {
  detachedStarted(settings, NAME);
}
