import { parseDurationMs } from '../duration';
import { ConfigurationError } from '../errors';
import type { ProfilesPage } from '../settings/types';

/** GitLab takes no less: https://docs.gitlab.com/api/users/#create-a-runner-linked-to-a-user */
const LEAST_MS = 10 * 60_000;
/** A job that takes longer than a day is one that hangs. */
const DEFAULT_MS = 24 * 3_600_000;

/**
 * What GitLab holds every job of the runner to, milliseconds: as asked for, or as long as any
 * profile lets a job take.
 * @throws ConfigurationError
 */
export function maximumTimeout(asked: string | undefined, profiles: () => ProfilesPage): number {
  if (asked === undefined) return Math.max(LEAST_MS, longest(profiles) ?? DEFAULT_MS);
  const ms = parseDurationMs(asked);
  if (ms !== undefined && ms >= LEAST_MS) return ms;
  throw new ConfigurationError(`--maximum-timeout takes a duration of ten minutes or more, such as 2h, not "${asked}"`);
}

/**
 * Undefined: a profile lets jobs take any time, or the page can't be read, which is doctor's
 * matter.
 */
function longest(profiles: () => ProfilesPage): number | undefined {
  try {
    const all = Object.values(profiles().profiles).map(({ maxTimeoutMs }) => maxTimeoutMs ?? Infinity);
    return Number.isFinite(Math.max(...all)) ? Math.max(...all) : undefined;
  } catch {
    return undefined;
  }
}
