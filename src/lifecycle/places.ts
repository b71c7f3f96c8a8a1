import path from 'node:path';
import { formatDuration } from '../duration';
import { HostError } from '../errors';
import { takePlace, type Place, type Queue } from '../host/queue';
import type { Settings } from '../settings/types';

type Needs = Pick<Settings, 'stateDir' | 'limits'>;

/** How many `up`s run side by side on this host: each holds 480 MB while it does (design.md, decision 10). */
export function engineQueue({ stateDir, limits }: Needs): Queue {
  return { directory: path.join(stateDir, 'places', 'up'), places: limits.concurrentUps };
}

/** One destroyer at a time; it works on several stacks side by side itself. */
export function destroyerQueue({ stateDir }: Needs): Queue {
  return { directory: path.join(stateDir, 'places', 'destroyer'), places: 1 };
}

export interface PlaceWait {
  readonly settings: Needs;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** Behind many others it may take long, but the runner's own limit (3600 s) must not end a prepare in the middle of an `up`. */
const LIMIT_MS = 40 * 60_000;

/** Waits for a place to create an instance, first come, first served. @throws HostError at the limit. */
export async function waitForPlace({ settings, log, signal, now }: PlaceWait): Promise<Place> {
  const startMs = now();
  const limit = AbortSignal.timeout(LIMIT_MS);
  let waited = false;
  try {
    const place = await takePlace(engineQueue(settings), {
      signal: AbortSignal.any([signal, limit]),
      onWait: (ahead) => {
        if (waited) return;
        waited = true;
        log(
          `Waiting for a place: this host creates ${settings.limits.concurrentUps} instances at a time (GITLAB_SPOT_CONCURRENT_UPS); ` +
            `jobs before this one: ${ahead}; limit ${formatDuration(LIMIT_MS)}`,
        );
      },
    });
    if (waited) log(`Got a place after ${formatDuration(now() - startMs)}`);
    return place;
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    throw new HostError(`No place to create an instance came free within ${formatDuration(LIMIT_MS)}`, {
      remedy:
        'Raise GITLAB_SPOT_CONCURRENT_UPS if the host has memory for it (0.5 GB each), or lower the runner’s concurrency.',
      retryable: true,
    });
  }
}
