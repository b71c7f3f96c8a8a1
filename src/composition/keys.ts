import { setTimeout as sleep } from 'node:timers/promises';
import { isQuiet } from '../host/slots';
import type { Settings } from '../settings/types';
import { fillKeys } from '../ssh/key-reserve';

/**
 * Keys to make during one `up`: one for the next job, and some for a burst. So a host whose reaper
 * does not run has a reserve, too.
 */
const KEYS_OF_AN_UP = 4;
/** Before each key: others come first. */
const EVERY_MS = 1_000;

/**
 * Enough for some ten keys, and short enough that a person who runs `reap` by hand does not notice.
 */
const ROUND_MS = 2_000;

/** In a round of the reaper: as many as there is room and time for. */
export async function fillInRound(settings: Settings, ended: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([ended, AbortSignal.timeout(ROUND_MS)]);
  await fillKeys(settings.stateDir, { isQuiet: () => isQuiet(settings), signal });
}

/** Keys that are made while an `up` waits for its instance. */
export interface KeysBesideUp {
  /** The cloud has accepted the instance: from now on the provider sleeps. */
  begin(): void;
  /** Resolves after the key in work. */
  end(): Promise<void>;
}

export function keysBesideUp(
  settings: Settings,
  fill = (signal: AbortSignal) => fillKeys(settings.stateDir, { most: 1, isQuiet: () => isQuiet(settings), signal }),
  everyMs = EVERY_MS,
): KeysBesideUp {
  const ended = new AbortController();
  const { signal } = ended;
  const work = async (): Promise<void> => {
    for (let made = 0; made < KEYS_OF_AN_UP; made += 1) {
      await sleep(everyMs, undefined, { signal });
      // The reserve is full, or the host is busy. No retry: with fifty hooks, even looking again
      // costs CPU.
      if ((await fill(signal)) === 0) return;
    }
  };
  let working: Promise<void> | undefined;
  return {
    // Its only failure is its end.
    begin: () => void (working ??= work().catch(() => undefined)),
    end: async () => {
      ended.abort();
      await working;
    },
  };
}
