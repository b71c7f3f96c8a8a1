/** Time as the cloud knows it: handed in, so that tests move it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs the task once after `ms`; the function returned calls it off. */
  after(ms: number, task: () => void): () => void;
}

/** A longer timer fires at once in Node: sleep at most this long, then look again. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    let timer: NodeJS.Timeout;
    const sleep = (left: number): void => {
      const step = Math.min(Math.max(left, 0), LONGEST_TIMER_MS);
      timer = setTimeout(() => (left > step ? sleep(left - step) : task()), step);
    };
    sleep(ms);
    return () => clearTimeout(timer);
  },
};

/** `2026-11-24T15:13:00Z`, as the API writes full times. */
export function utcSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** `2026-11-24T15:13Z`, as the API writes creation and start times. */
export function utcMinutes(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}
