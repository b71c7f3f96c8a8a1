import { bad, good, warning, type Finding } from './finding';

/**
 * The API refuses a call that was signed 15 minutes earlier or later; with less left than half of
 * that it soon will.
 */
const REFUSED_MS = 15 * 60_000;
const FAR_OFF_MS = REFUSED_MS / 2;
/** Ages and release times are reckoned from it. */
const OFF_MS = 30_000;

/**
 * This host's clock, held against another's. `aheadMs`: how far the other is ahead; undefined: it
 * did not say.
 */
export function clock(whose: string, aheadMs: number | undefined): Finding {
  const condition = `clock against ${whose}`;
  if (aheadMs === undefined) return good(condition, 'its answer has no date');
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) < OFF_MS) return good(condition, seconds <= 1 ? 'the same' : `${seconds} s apart`);
  const off = `this host is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead'}`;
  const remedy = 'Set the clock, and keep it right with chrony or systemd-timesyncd.';
  if (Math.abs(aheadMs) < FAR_OFF_MS) return warning(condition, off, remedy);
  return bad(condition, `${off}; the API refuses calls that are ${REFUSED_MS / 60_000} min off`, remedy);
}
