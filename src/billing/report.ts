import { CNY, unitOf, type Currency } from '../currency';
import type { LedgerEntry } from './types';

/** What was paid in one currency. */
export interface Paid {
  readonly currency: Currency;
  readonly entries: readonly LedgerEntry[];
}

/** Amounts of two currencies have no sum. Most entries first; one of yuan where there are none. */
export function byCurrency(entries: readonly LedgerEntry[]): readonly [Paid, ...Paid[]] {
  const groups = new Map<Currency, LedgerEntry[]>();
  for (const entry of entries) {
    const { currency = CNY } = entry;
    const group = groups.get(currency);
    if (group) group.push(entry);
    else groups.set(currency, [entry]);
  }
  const [first, ...rest] = [...groups]
    .map(([currency, own]) => ({ currency, entries: own }))
    .sort((a, b) => b.entries.length - a.entries.length);
  return [first ?? { currency: CNY, entries: [] }, ...rest];
}

/** How `gitlab-spot cost` sums the ledger. */
export type GroupBy = 'day' | 'project' | 'profile' | 'job';

/** Sums over some entries. Money in yuan. */
export interface CostRow {
  readonly key: string;
  readonly jobs: number;
  /** Of `yuan`: for the time in which spare machines waited for a job. */
  readonly spareYuan: number;
  readonly hours: number;
  /** All of it. */
  readonly yuan: number;
  /** The part of it that was for disks. */
  readonly diskYuan: number;
  /** The same seconds at the pay-as-you-go price, with the same disks. */
  readonly onDemandYuan: number;
  readonly interrupted: number;
  readonly failed: number;
  /** Median seconds from the job's start to a ready instance. */
  readonly readySeconds: number | undefined;
}

/** The line of machines that waited for a job: nobody's job, and somebody's money. */
const SPARES = '(spares)';

const keyOf: Readonly<Record<GroupBy, (entry: LedgerEntry) => string>> = {
  day: ({ from }) => from.slice(0, 10),
  project: ({ project, spare }) => (spare ? SPARES : project),
  profile: ({ profile }) => profile,
  job: ({ project, jobName, spare }) => (spare ? SPARES : `${project} ${jobName}`),
};

/** One row a key: days in their order, everything else by what it cost, dearest first. */
export function summarize(entries: readonly LedgerEntry[], by: GroupBy): readonly CostRow[] {
  const groups = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    const key = keyOf[by](entry);
    const group = groups.get(key);
    if (group) group.push(entry);
    else groups.set(key, [entry]);
  }
  const rows = [...groups].map(([key, group]) => total(key, group));
  return rows.sort(
    by === 'day' ? (a, b) => a.key.localeCompare(b.key) : (a, b) => b.yuan - a.yuan || a.key.localeCompare(b.key),
  );
}

/** What the sums hold, for people. */
export function whatIsCounted(entries: readonly LedgerEntry[]): string {
  const without = entries.filter(({ diskYuan }) => diskYuan === undefined).length;
  const missing =
    without === 0 ? '' : ` The disks of ${without} ${without === 1 ? 'instance are' : 'instances are'} not known.`;
  return `Instances and their disks; public traffic is billed apart.${missing}${publicTraffic(entries)}`;
}

function publicTraffic(entries: readonly LedgerEntry[]): string {
  const open = entries.filter((entry) => entry.trafficYuanPerGiB !== undefined);
  const [first] = open;
  if (first === undefined) return '';
  const what = `${open.length} ${open.length === 1 ? 'instance' : 'instances'} had a public address`;
  return ` ${what}: what they sent is on top, some ${first.trafficYuanPerGiB} ${unitOf(first.currency)} a GiB (list price).`;
}

/** All entries as one row. */
export function total(key: string, entries: readonly LedgerEntry[]): CostRow {
  const sum = (value: (entry: LedgerEntry) => number) => entries.reduce((all, entry) => all + value(entry), 0);
  return {
    key,
    jobs: entries.filter(({ spare }) => !spare).length,
    spareYuan: round(entries.reduce((all, { spare, yuan }) => all + (spare ? yuan : 0), 0)),
    hours: round(sum(({ seconds }) => seconds) / 3600),
    yuan: round(sum(({ yuan }) => yuan)),
    diskYuan: round(sum(({ diskYuan = 0 }) => diskYuan)),
    onDemandYuan: round(
      sum(({ seconds, onDemandYuanPerHour, diskYuan = 0 }) => (seconds * onDemandYuanPerHour) / 3600 + diskYuan),
    ),
    interrupted: entries.filter(({ interrupted }) => interrupted).length,
    failed: entries.filter(({ result }) => result === 'failed' || result === 'system-failure').length,
    readySeconds: median(entries.flatMap(({ readySeconds }) => readySeconds ?? [])),
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : sorted.length === 0
      ? undefined
      : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
