import path from 'node:path';
import * as z from 'zod/mini';
import { failuresSince } from '../hooks/failures';
import { readMarker, writeMarker, type MarkerKind } from '../host/marker';
import { oldestDay, type DaySeen, type Ledger } from '../billing/ledger';
import { millionths } from '../billing/money';
import { SPARES } from '../billing/report';
import type { LedgerEntry } from '../billing/types';

/**
 * Everything that was ever counted on this host: the ledger and the failures, added up. Reads only
 * what came since the last time, and never takes back what was counted, so that counters only rise.
 */
export interface Totals {
  /** By `profile` and `result`. */
  readonly ended: Counts;
  /** By `profile`. */
  readonly interrupted: Counts;
  /** Of these, the ones that the cloud itself has told of; by `profile`. */
  readonly confirmed: Counts;
  /** By `profile`, `project`, and currency where that is not yuan. */
  readonly spent: Counts;
  /** The disks' part of it. */
  readonly disks?: Counts | undefined;
  /** Billed seconds, by `profile` and `market`. */
  readonly seconds: Counts;
  /** By `hook` and `cause`. */
  readonly failures: Counts;
  /** Seconds to ready, by profile. */
  readonly ready: Readonly<Record<string, Ready>>;
}

/** By the labels' values, joined with line ends. */
export type Counts = Readonly<Record<string, number>>;

export interface Ready {
  /** One for each of READY_BUCKETS: how many were at most that. */
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Seconds. An instance of today is ready after 20 to 40. */
export const READY_BUCKETS = [10, 15, 20, 25, 30, 40, 60, 90, 120, 180, 300, 600] as const;

/** So many different values a label may have; what comes later is `other`. */
const MOST = { project: 100, profile: 30, cause: 60 } as const;

const counts = z.record(z.string(), z.number());
const schema = z.object({
  known: z.object({
    project: z.array(z.string()),
    profile: z.array(z.string()),
    cause: z.array(z.string()),
  }),
  ledger: z.record(z.string(), z.object({ file: z.string(), names: z.array(z.string()) })),
  failuresRead: counts,
  totals: z.object({
    ended: counts,
    interrupted: counts,
    /** Version 1 did not tell them apart. */
    confirmed: z._default(counts, {}),
    spent: counts,
    disks: z.optional(counts),
    seconds: counts,
    failures: counts,
    ready: z.record(z.string(), z.object({ buckets: z.array(z.number()), sum: z.number(), count: z.number() })),
  }),
});
type State = z.output<typeof schema>;

/** 2: tells apart which interruptions the cloud confirmed. */
const kind: MarkerKind<State> = { version: 2, schema };

const nothing = (): State => ({
  known: { project: [], profile: [], cause: [] },
  ledger: {},
  failuresRead: {},
  totals: { ended: {}, interrupted: {}, confirmed: {}, spent: {}, seconds: {}, failures: {}, ready: {} },
});

export class Tally {
  private readonly file: string;

  constructor(
    private readonly stateDir: string,
    private readonly ledger: Pick<Ledger, 'news'>,
  ) {
    this.file = path.join(stateDir, 'metrics.json');
  }

  /**
   * Everything until now. If the result can't be written down, the next call reads more.
   * @throws MarkerNewer: counting anew beside the note of a later version would make counters fall
   */
  async totals(nowMs: number): Promise<Totals> {
    const state = readMarker(this.file, kind) ?? nothing();
    const before = JSON.stringify(state);
    const from = oldestDay(nowMs);
    const news = await this.ledger.news(from, seenOf(state));
    state.ledger = Object.fromEntries(
      Object.entries(news.seen).map(([day, { file, names }]) => [day, { file, names: [...names] }]),
    );
    news.entries.forEach((entry) => add(state, entry));
    const { failures, offsets } = failuresSince(this.stateDir, from, state.failuresRead);
    state.failuresRead = offsets;
    for (const { hook, cause } of failures) raise(state.totals.failures, [hook, label(state, 'cause', cause)], 1);
    const after = JSON.stringify(state);
    if (after !== before) this.write(state);
    return state.totals;
  }

  private write(state: State): void {
    try {
      writeMarker(this.file, kind, state);
    } catch {
      // A full disk, or a state folder of somebody else: counted again next time, from the same
      // point.
    }
  }
}

function seenOf({ ledger }: State): Readonly<Record<string, DaySeen>> {
  return Object.fromEntries(
    Object.entries(ledger).map(([day, { file, names }]) => [day, { file, names: new Set(names) }]),
  );
}

function add(state: State, entry: LedgerEntry): void {
  const { totals } = state;
  const profile = label(state, 'profile', entry.profile);
  const project = label(state, 'project', entry.spare ? SPARES : entry.project);
  if (!entry.spare) raise(totals.ended, [profile, entry.result], 1);
  const money = [profile, project, ...(entry.currency === undefined ? [] : [entry.currency])];
  raise(totals.spent, money, entry.yuan);
  if (entry.diskYuan !== undefined) raise((totals.disks ??= {}), money, entry.diskYuan);
  raise(totals.seconds, [profile, entry.market], entry.seconds);
  // Always there, so that a first interruption is a rise.
  raise(totals.interrupted, [profile], entry.interrupted ? 1 : 0);
  raise(totals.confirmed, [profile], entry.interrupted && entry.confirmed ? 1 : 0);
  if (entry.readySeconds !== undefined && entry.readySeconds >= 0) observe(totals.ready, profile, entry.readySeconds);
}

function observe(ready: State['totals']['ready'], profile: string, seconds: number): void {
  const one = (ready[profile] ??= { buckets: READY_BUCKETS.map(() => 0), sum: 0, count: 0 });
  READY_BUCKETS.forEach((bound, index) => {
    if (seconds <= bound) one.buckets[index] = (one.buckets[index] ?? 0) + 1;
  });
  one.sum += seconds;
  one.count += 1;
}

function raise(counts: Record<string, number>, labels: readonly string[], by: number): void {
  const key = labels.join('\n');
  counts[key] = millionths((counts[key] ?? 0) + by);
}

/** The value itself for the first so many; a value that had a series once keeps it. */
function label(state: State, kind: keyof typeof MOST, value: string): string {
  const name = value.replace(/\n/g, ' ') || 'unknown';
  const known = state.known[kind];
  if (known.includes(name)) return name;
  if (known.length >= MOST[kind]) return 'other';
  known.push(name);
  return name;
}
