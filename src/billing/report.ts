import { CNY, unitOf, type Currency } from '../currency';
import { projectKey } from './ledger-lines';
import type { LedgerEntry } from './types';

/** What was paid in one currency. */
export interface Paid {
  readonly currency: Currency;
  readonly entries: readonly LedgerEntry[];
}

/** Amounts of two currencies have no sum. Most entries first; one of yuan where there are none. */
export function byCurrency(entries: readonly LedgerEntry[]): readonly [Paid, ...Paid[]] {
  const groups = grouped(entries, ({ currency = CNY }) => currency);
  const [first, ...rest] = [...groups]
    .map(([currency, own]) => ({ currency, entries: own }))
    .sort((a, b) => b.entries.length - a.entries.length);
  return [first ?? { currency: CNY, entries: [] }, ...rest];
}

/** How `gitlab-spot cost` sums the ledger. */
export const GROUPS = ['day', 'project', 'profile', 'job', 'branch', 'user', 'market', 'host'] as const;
export type GroupBy = (typeof GROUPS)[number];

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
  /** Of `yuan`: runs that failed or were interrupted. */
  readonly wasteYuan: number;
  /** One run on average; undefined: there is none. */
  readonly yuanPerRun: number | undefined;
  /** Median seconds from the job's start to a ready instance. */
  readonly readySeconds: number | undefined;
  /** Nineteen of twenty were ready by then. */
  readonly readyP95Seconds: number | undefined;
}

/** Some entries that belong together, under the name that people know them by. */
export interface Group {
  readonly name: string;
  readonly entries: readonly LedgerEntry[];
}

/** The line of machines that waited for a job: nobody's job, and somebody's money. */
const SPARES = '(spares)';
/** Only GitLab's own number says who somebody is; the login before it is the job's word. */
const USER_ID = /\(user (\d+)\)$/;

/** What makes entries one row: by GitLab's own numbers where it gave them. */
const keyOf: Readonly<Record<GroupBy, (entry: LedgerEntry) => string>> = {
  day: ({ from }) => from.slice(0, 10),
  project: (entry) => (entry.spare ? SPARES : projectOf(entry)),
  profile: ({ profile }) => profile,
  job: (entry) => (entry.spare ? SPARES : `${projectOf(entry)} ${entry.jobName}`),
  branch: (entry) => (entry.spare ? SPARES : `${projectOf(entry)} ${entry.ref}`),
  user: ({ spare, userLogin }) => (spare ? SPARES : (USER_ID.exec(userLogin)?.[0] ?? userLogin)),
  market: ({ market }) => market,
  host: ({ executorId }) => executorId,
};

/** What the row is called, by its newest entry. */
const nameOf: Readonly<Partial<Record<GroupBy, (entry: LedgerEntry) => string>>> = {
  project: ({ project }) => project,
  job: ({ project, jobName }) => `${project} ${jobName}`,
  branch: ({ project, ref }) => `${project} ${ref}`,
  user: ({ userLogin }) => (userLogin === '' ? '(not known)' : userLogin),
};

function projectOf({ server, projectId, project, verified }: LedgerEntry): string {
  const key = projectKey(server, projectId, project);
  return verified === false ? `${key} ?` : key;
}

/** Entries by what they have in common, in the order in which they come. */
export function groupsOf(entries: readonly LedgerEntry[], by: GroupBy): readonly Group[] {
  return [...grouped(entries, keyOf[by])].map(([key, own]) => {
    const newest = own[own.length - 1]!;
    const name = newest.spare ? undefined : nameOf[by]?.(newest);
    // Of a user the number is told, and with it who says so.
    const doubt = newest.verified === false && name !== undefined && by !== 'user' ? ' (unverified)' : '';
    return { name: name === undefined ? key : `${name}${doubt}`, entries: own };
  });
}

function grouped<T>(values: readonly T[], keyOfOne: (value: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOfOne(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}

/** One row a key: days in their order, everything else by what it cost, dearest first. */
export function summarize(entries: readonly LedgerEntry[], by: GroupBy): readonly CostRow[] {
  const rows = groupsOf(entries, by).map(({ name, entries: own }) => total(name, own));
  return rows.sort(by === 'day' ? (a, b) => a.key.localeCompare(b.key) : dearestFirst);
}

export function dearestFirst(a: CostRow, b: CostRow): number {
  return b.yuan - a.yuan || a.key.localeCompare(b.key);
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

/** Failed by its own fault, the machine's or the cloud's, or taken back: paid for in vain. */
export function isWaste({ result, interrupted }: LedgerEntry): boolean {
  return interrupted || result === 'failed' || result === 'system-failure';
}

/** All entries as one row. */
export function total(key: string, entries: readonly LedgerEntry[]): CostRow {
  const sum = { jobs: 0, spareYuan: 0, seconds: 0, yuan: 0, diskYuan: 0, onDemandYuan: 0, wasteYuan: 0 };
  let interrupted = 0;
  let failed = 0;
  const ready: number[] = [];
  for (const entry of entries) {
    const { spare, yuan, seconds, diskYuan = 0, onDemandYuanPerHour, readySeconds, result } = entry;
    if (spare) sum.spareYuan += yuan;
    else sum.jobs += 1;
    sum.seconds += seconds;
    sum.yuan += yuan;
    sum.diskYuan += diskYuan;
    sum.onDemandYuan += (seconds * onDemandYuanPerHour) / 3600 + diskYuan;
    if (isWaste(entry)) sum.wasteYuan += yuan;
    if (entry.interrupted) interrupted += 1;
    if (result === 'failed' || result === 'system-failure') failed += 1;
    if (readySeconds !== undefined) ready.push(readySeconds);
  }
  ready.sort((a, b) => a - b);
  return {
    key,
    jobs: sum.jobs,
    spareYuan: round(sum.spareYuan),
    hours: round(sum.seconds / 3600),
    yuan: round(sum.yuan),
    diskYuan: round(sum.diskYuan),
    onDemandYuan: round(sum.onDemandYuan),
    interrupted,
    failed,
    wasteYuan: round(sum.wasteYuan),
    yuanPerRun: sum.jobs === 0 ? undefined : round((sum.yuan - sum.spareYuan) / sum.jobs),
    readySeconds: median(ready),
    readyP95Seconds: ready[Math.ceil(ready.length * 0.95) - 1],
  };
}

function median(sorted: readonly number[]): number | undefined {
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
