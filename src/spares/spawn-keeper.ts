import path from 'node:path';
import { keeperQueue } from '../host/slots';
import { detachedStarted, spawnDetached } from '../host/spawn-detached';
import type { Variables } from '../settings/environment';
import type { Profile, ProfilesPage, Settings } from '../settings/types';
import { wantsForecast } from './decide';

const NAME = 'keeper';

/**
 * After a job has its machine: another spare takes the place of the one that it took, or there was
 * none; or other jobs are expected after this one.
 * @param folder dist/executor
 */
export function keepAfter(
  { spares }: Profile,
  page: ProfilesPage,
  settings: Settings,
  { folder, variables }: { readonly folder: string; readonly variables: Variables },
): void {
  if (!spares && !wantsForecast(page)) return;
  const program = path.join(folder, `${NAME}.js`);
  spawnDetached(settings, { name: NAME, program, variables, queue: keeperQueue(settings) });
}

/** Said by the keeper before it looks for work. */
export function keeperStarted(settings: Settings): void {
  detachedStarted(settings, NAME);
}
