/**
 * The two ways in which the real provider waits: a call is tried again, or a state is asked for
 * until it is the right one.
 */
import type { Sleeps } from './sleeps';

export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

export interface RetryOptions {
  readonly timeoutMs: number;
  /**
   * Seconds before the second try, and before each further one; on top comes a pause that doubles
   * from 0.5 to 10.
   */
  readonly pauseSeconds?: readonly [first: number, further: number];
  readonly retryable: (error: unknown) => boolean;
}

/** Calls until it succeeds, fails for good, or the time is up: then the last error is thrown. */
export async function retry<T>(
  call: () => Promise<T>,
  options: RetryOptions,
  { clock, sleeps }: { readonly clock: Clock; readonly sleeps: Sleeps },
): Promise<T> {
  const [first, further] = options.pauseSeconds ?? [3, 5];
  const deadline = clock.now() + options.timeoutMs;
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      const pause = ((tries === 1 ? first : further) + Math.min(10, 0.25 * 2 ** tries)) * sleeps.retry;
      if (!options.retryable(error) || clock.now() + pause > deadline) throw error;
      await clock.sleep(pause);
    }
  }
}

export interface StateWait {
  readonly delayMs: number;
  readonly timeoutMs: number;
  readonly pending: readonly string[];
  /** Undefined: until it is gone. */
  readonly target: string | undefined;
  /** The state now; undefined: not found. */
  readonly state: () => Promise<string | undefined>;
}

/**
 * How often in a row "not found" is believed to be a delay of the cloud. With 10 s between two it
 * takes 199 s to give up.
 */
const NOT_FOUND_CHECKS = 20;

/**
 * Notes that it waits, as the real one does, and then: @throws Error in the words of the real
 * provider: unexpected state, not found, or timeout
 */
export async function waitForState(
  wait: StateWait,
  { clock, sleeps, log }: { readonly clock: Clock; readonly sleeps: Sleeps; readonly log: (message: string) => void },
): Promise<void> {
  log(`[DEBUG] Waiting for state to become: [${wait.target ?? ''}]\n`);
  const deadline = clock.now() + wait.timeoutMs;
  await clock.sleep(wait.delayMs);
  let notFound = 0;
  let last = '';
  for (let pause = sleeps.poll; ; pause = Math.min(pause * 2, (sleeps.poll * 10) / 3)) {
    const state = await wait.state();
    if (state === wait.target) return;
    if (state === undefined) {
      notFound += 1;
      if (notFound > NOT_FOUND_CHECKS) throw new Error(`couldn't find resource (${notFound} retries)`);
    } else {
      notFound = 0;
      last = state;
      if (!wait.pending.includes(state)) {
        throw new Error(`unexpected state '${state}', wanted target '${wait.target ?? ''}'. last error: %!s(<nil>)`);
      }
    }
    if (clock.now() + pause > deadline) {
      const wanted = wait.target === undefined ? 'resource to be gone' : `state to become '${wait.target}'`;
      const info = [...(last === '' ? [] : [`last state: '${last}'`]), `timeout: ${formatDuration(wait.timeoutMs)}`];
      throw new Error(`timeout while waiting for ${wanted} (${info.join(', ')})`);
    }
    await clock.sleep(pause);
  }
}

function formatDuration(ms: number): string {
  return `${Math.floor(ms / 60_000)}m${Math.round((ms % 60_000) / 1000)}s`;
}
