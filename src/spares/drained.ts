import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { drainedSince } from '../jobs/drain';
import type { Settings } from '../settings/types';

/**
 * A person has stopped spare machines on this host until further notice: for an update, a change of
 * the job's stack, or to save money.
 */

type Where = Pick<Settings, 'stateDir'>;

export function isDrained(settings: Where): boolean {
  return existsSync(markOf(settings));
}

/**
 * True also while the host is drained: only jobs could use a spare.
 * @throws MarkerNewer
 */
export function wantsNone(settings: Where): boolean {
  return isDrained(settings) || drainedSince(settings.stateDir) !== undefined;
}

export function setDrained(settings: Where, drained: boolean): void {
  if (drained) writeFileSync(markOf(settings), '', { mode: 0o600 });
  else rmSync(markOf(settings), { force: true });
}

function markOf({ stateDir }: Where): string {
  return path.join(stateDir, 'spares-drained');
}
