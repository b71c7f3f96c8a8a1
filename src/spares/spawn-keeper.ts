import path from 'node:path';
import { keeperQueue } from '../host/slots';
import { detachedStarted, spawnDetached } from '../host/spawn-detached';
import type { Variables } from '../settings/environment';
import type { Profile, Settings } from '../settings/types';

const NAME = 'keeper';

/**
 * After a job of a profile with spares has its machine: another spare takes the place of the one
 * that it took, or there was none.
 * @param folder dist/executor
 */
export function keepAfter(
  { spares }: Profile,
  settings: Settings,
  { folder, variables }: { readonly folder: string; readonly variables: Variables },
): void {
  if (!spares) return;
  const program = path.join(folder, `${NAME}.js`);
  spawnDetached(settings, { name: NAME, program, variables, queue: keeperQueue(settings) });
}

/** Said by the keeper before it looks for work. */
export function keeperStarted(settings: Settings): void {
  detachedStarted(settings, NAME);
}
