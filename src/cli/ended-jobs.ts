import { dayOf, type Ledger } from '../billing/ledger';
import { causeOfEntry, outcomeOfEntry } from '../billing/outcome';
import type { LedgerEntry } from '../billing/types';
import { unitOf } from '../currency';
import { formatDuration } from '../duration';
import { useText } from '../jobs/use';

/**
 * Jobs that have ended, from the ledger: one entry for each instance, so several for a job that was
 * tried again.
 */

const DAY_MS = 24 * 3_600_000;

/** Of so many days until now, oldest first; spare machines are no jobs. */
export async function endedJobs(ledger: Ledger, days: number, nowMs: number): Promise<readonly LedgerEntry[]> {
  const range = { from: dayOf(new Date(nowMs - (days - 1) * DAY_MS)), to: dayOf(new Date(nowMs)) };
  return (await ledger.entries(range)).entries.filter(({ spare }) => !spare);
}

/** Those that a person means by a job's number or its stack's name, oldest first. */
export function entriesNamed(entries: readonly LedgerEntry[], name: string): readonly LedgerEntry[] {
  return entries.filter(({ jobId, stack }) => String(jobId) === name || stack === name);
}

/** What `jobs show` says of one. */
export function linesOf(entry: LedgerEntry): readonly (readonly [string, string])[] {
  const { jobName, jobId, attempt, project, ref, zoneId, market, currency, diskYuan } = entry;
  const unit = unitOf(currency);
  const cause = causeOfEntry(entry);
  const disk = diskYuan === undefined ? '' : `, disk ${diskYuan.toFixed(4)} of it`;
  return [
    ['stack', entry.stack],
    ['job', `${jobName} (${jobId}, attempt ${attempt}) of ${project} at ${ref}`],
    ['for', entry.userLogin],
    ['ended', `${outcomeOfEntry(entry)}, ${entry.to}`],
    ...(cause === '' ? [] : [['cause', cause] as const]),
    ['since', entry.from],
    ['ran', formatDuration(entry.seconds * 1000)],
    ['ready', entry.readySeconds === undefined ? 'never' : `after ${formatDuration(entry.readySeconds * 1000)}`],
    ['profile', entry.profile],
    ['instance', `${entry.instanceId}, ${entry.instanceType} in ${zoneId} (${market})`],
    ['price', `${entry.priceYuanPerHour} ${unit}/h (pay-as-you-go ${entry.onDemandYuanPerHour})`],
    ['cost', `${entry.yuan.toFixed(4)} ${unit}${disk}`],
    ...(entry.use ? [['used', `${useText(entry.use)} (as the instance says)`] as const] : []),
  ];
}
