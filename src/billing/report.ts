import { CNY, unitOf, type Currency } from '../currency';
import { counted } from '../plural';
import type { DaySpend } from './ledger';
import { projectKey } from './ledger-lines';
import { Tally, type CostRow } from './tally';
import type { LedgerEntry } from './types';

/** What was paid in one currency. */
export interface Paid {
  readonly currency: Currency;
  readonly entries: readonly LedgerEntry[];
}

/** Amounts of two currencies have no sum. Most entries first; one of `otherwise` where there are none. */
export function byCurrency(entries: readonly LedgerEntry[], otherwise: Currency = CNY): readonly [Paid, ...Paid[]] {
  const groups = new Map<Currency, LedgerEntry[]>();
  for (const entry of entries) at(groups, entry.currency ?? CNY, () => []).push(entry);
  const [first, ...rest] = [...groups]
    .map(([currency, own]) => ({ currency, entries: own }))
    .sort((a, b) => b.entries.length - a.entries.length);
  return [first ?? { currency: otherwise, entries: [] }, ...rest];
}

/** How `gitlab-spot cost` sums the ledger. */
export const GROUPS = ['day', 'project', 'profile', 'job', 'branch', 'user', 'market', 'host'] as const;
export type GroupBy = (typeof GROUPS)[number];

/** Some entries that belong together, under the name that people know them by. */
export interface Group {
  readonly name: string;
  readonly entries: readonly LedgerEntry[];
}

/** The sums of such entries. */
export interface Sums {
  readonly row: CostRow;
  readonly newest: LedgerEntry;
  /** What was spent on each day on which anything was. */
  readonly spends: readonly DaySpend[];
}

/** What stands for the project of machines that waited for a job: no project's, but paid for. */
export const SPARES = '(spares)';
/** Only GitLab's own number says who somebody is; the login before it is the job's word. */
const USER_ID = /\(user (\d+)\)$/;

/** What makes entries one row: by GitLab's own numbers where it gave them. */
const keyOf: Readonly<Record<GroupBy, (entry: LedgerEntry, project: string) => string>> = {
  day: ({ from }) => from.slice(0, 10),
  project: ({ spare }, project) => (spare ? SPARES : project),
  profile: ({ profile }) => profile,
  job: ({ spare }, project) => (spare ? SPARES : project),
  branch: ({ spare }, project) => (spare ? SPARES : project),
  user: ({ spare, userLogin }) => (spare ? SPARES : (USER_ID.exec(userLogin)?.[0] ?? userLogin)),
  market: ({ market }) => market,
  host: ({ executorId }) => executorId,
};

/**
 * What tells rows of one project apart. A key of its own, since to put the two together for each
 * entry takes longer than all the sums.
 */
const innerKeyOf: Readonly<Partial<Record<GroupBy, (entry: LedgerEntry) => string>>> = {
  job: ({ spare, jobName }) => (spare ? '' : jobName),
  branch: ({ spare, ref }) => (spare ? '' : ref),
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

/** Entries by what they have in common; in a group in the order in which they come. */
export function groupsOf(entries: readonly LedgerEntry[], by: GroupBy): readonly Group[] {
  const groups = new Grouping<LedgerEntry[]>(by, () => []);
  for (const entry of entries) groups.of(entry, projectOf(entry)).push(entry);
  return groups.all().map(([key, own]) => ({ name: called(key, own[own.length - 1]!, by), entries: own }));
}

/**
 * Sums by several kinds at once: a ledger of a month is larger than what a processor keeps at
 * hand, so each entry is looked at once.
 * @param entries oldest first
 */
export function sumsBy<By extends GroupBy>(
  entries: readonly LedgerEntry[],
  kinds: readonly By[],
): Readonly<Record<By, readonly Sums[]>> {
  const groupings = kinds.map((by) => ({ by, groups: new Grouping(by, () => new Tally()) }));
  for (const entry of entries) {
    const [project, day] = [projectOf(entry), keyOf.day(entry, '')];
    for (const { groups } of groupings) groups.of(entry, project).add(entry, day);
  }
  const sums = groupings.map(({ by, groups }) => {
    const rows = groups.all().map(([key, tally]) => {
      const newest = tally.newest!;
      return { newest, row: tally.row(called(key, newest, by)), spends: tally.spends };
    });
    return [by, rows] as const;
  });
  return Object.fromEntries(sums) as unknown as Record<By, readonly Sums[]>;
}

function called(key: string, newest: LedgerEntry, by: GroupBy): string {
  const name = newest.spare ? undefined : nameOf[by]?.(newest);
  if (name === undefined) return key;
  // Of a user the number is told, and with it who says so.
  return newest.verified === false && by !== 'user' ? `${name} (unverified)` : name;
}

/** Something for each group of entries, made when its first entry comes. */
class Grouping<T> {
  private readonly groups = new Map<string, Map<string, T>>();
  private readonly keyOf: (entry: LedgerEntry, project: string) => string;
  private readonly innerKeyOf: (entry: LedgerEntry) => string;

  constructor(
    by: GroupBy,
    private readonly make: () => T,
  ) {
    this.keyOf = keyOf[by];
    this.innerKeyOf = innerKeyOf[by] ?? (() => '');
  }

  of(entry: LedgerEntry, project: string): T {
    return at(at(this.groups, this.keyOf(entry, project), newMap<T>), this.innerKeyOf(entry), this.make);
  }

  all(): readonly (readonly [key: string, group: T])[] {
    return [...this.groups].flatMap(([key, inner]) => [...inner.values()].map((group) => [key, group] as const));
  }
}

function newMap<T>(): Map<string, T> {
  return new Map();
}

function at<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** One row a key: days in their order, everything else by what it cost, dearest first. */
export function summarize(entries: readonly LedgerEntry[], by: GroupBy): readonly CostRow[] {
  const rows = sumsBy(entries, [by])[by].map(({ row }) => row);
  return rows.sort(by === 'day' ? (a, b) => a.key.localeCompare(b.key) : dearestFirst);
}

export function dearestFirst(a: CostRow, b: CostRow): number {
  return b.yuan - a.yuan || a.key.localeCompare(b.key);
}

/** What the sums hold, for people. */
export function whatIsCounted(entries: readonly LedgerEntry[]): string {
  const without = entries.filter(({ diskYuan }) => diskYuan === undefined).length;
  const missing = without === 0 ? '' : ` The disks of ${counted(without, 'instance')} are not known.`;
  return `Instances and their disks; public traffic is billed apart.${missing}${publicTraffic(entries)}`;
}

function publicTraffic(entries: readonly LedgerEntry[]): string {
  const open = entries.filter((entry) => entry.trafficYuanPerGiB !== undefined);
  const [first] = open;
  if (first === undefined) return '';
  const what = `${counted(open.length, 'instance')} had a public address`;
  return ` ${what}: what they sent is on top, some ${first.trafficYuanPerGiB} ${unitOf(first.currency)} a GiB (list price).`;
}
