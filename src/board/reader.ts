import { statSync } from 'node:fs';
import { asBilled } from '../billing/budget';
import { ledgerOf, reserved } from '../billing/budget-check';
import { dayOf, monthOf, oldestDay, type DaySeen } from '../billing/ledger';
import type { LedgerEntry } from '../billing/types';
import type { Currency } from '../currency';
import { failuresSince } from '../hooks/failures';
import { drainedSince } from '../jobs/drain';
import { isSpareName } from '../jobs/identity';
import { RecordStore, type FoundRecord } from '../jobs/record-store';
import { placementDirectory, PlacementMemory } from '../placement';
import { heldBack } from '../placement/held-back';
import { lastReap } from '../reaper/last-run';
import type { Settings } from '../settings/types';
import { MAX_TRIES } from '../teardown/destroyer';
import { EditWatch } from './edits';
import { boardSnapshot, type BoardFacts, type LedgerFacts } from './snapshot';
import type { BoardSnapshot } from './types';

type BoardSettings = Pick<Settings, 'stateDir' | 'profilesFile' | 'executorId' | 'budget' | 'gitlab' | 'cloud'>;

/**
 * Keeps a host's snapshot up to date. A look costs a `stat` for each job and for each day of the
 * ledger; only what has changed is read. Writes nothing of the host's state.
 */
export class BoardReader {
  private readonly store: RecordStore;
  private readonly memory: PlacementMemory;
  private readonly found = new Map<string, { readonly stamp: string; readonly found: FoundRecord }>();
  private readonly ledger: LedgerWatch;
  private readonly edits: EditWatch;
  private facts: BoardFacts | undefined;
  private before = '';
  private version = 0;

  constructor(
    private readonly settings: BoardSettings,
    private readonly now: () => number = Date.now,
  ) {
    this.store = new RecordStore(settings.stateDir);
    this.memory = new PlacementMemory(placementDirectory(settings), now);
    this.ledger = new LedgerWatch(settings, now);
    this.edits = new EditWatch(settings);
  }

  /**
   * Looks again.
   * @param whole also waits for the ledger, whose first reading takes a second for 100,000 entries
   * @returns the version of what there is now: another one once anything has changed
   */
  async refresh({ whole = false } = {}): Promise<number> {
    const looking = this.ledger.look();
    if (whole) await looking;
    const { settings, now } = this;
    const isNew = this.readRecords();
    const held = heldBack(await this.memory.seenFailures(), now());
    const rest = {
      heldBack: held,
      reaper: noted(() => lastReap(settings.stateDir)),
      drainedSince: noted(() => drainedSince(settings.stateDir)),
      refusedEdits: this.edits.look(),
    };
    const after = `${JSON.stringify(rest)} ${this.ledger.version}`;
    if (this.facts && !isNew && after === this.before) return this.version;
    this.before = after;
    const all = [...this.found.values()].map(({ found }) => found);
    const records = all.flatMap(({ record }) => record ?? []);
    const { facts: today, spent } = this.ledger;
    const budget = asBilled(settings.budget, records, spent ?? new Map());
    this.facts = {
      ...rest,
      host: settings.executorId,
      records,
      taken: new Set(all.map(({ stackName }) => stackName).filter((name) => this.isTaken(name))),
      maxTries: MAX_TRIES,
      budget,
      reservedYuan: reserved({ list: () => all }, now()).reduce((sum, { yuan }) => sum + yuan, 0),
      gitlabUrl: settings.gitlab.url,
      unreadable: [
        ...all.flatMap(({ stackName, problem }) => (problem ? `jobs/${stackName} (${problem})` : [])),
        ...this.ledger.unreadable,
      ],
      ledger: today && { ...today, spent: spent && (spent.get(budget.currency) ?? []) },
    };
    return ++this.version;
  }

  /** As of now, from what the last look found. */
  snapshot(): BoardSnapshot {
    if (!this.facts) throw new Error('nothing has been read yet');
    return boardSnapshot(this.facts, this.now());
  }

  private isTaken(stackName: string): boolean {
    return isSpareName(stackName) && this.store.takerOf(stackName) !== undefined;
  }

  /** @returns whether any has changed */
  private readRecords(): boolean {
    const names = new Set(this.store.names());
    let changed = false;
    for (const known of this.found.keys()) if (!names.has(known)) changed = this.found.delete(known) || changed;
    for (const name of names) {
      const stamp = stampOf(this.store.files(name).record);
      if (this.found.get(name)?.stamp === stamp) continue;
      this.found.set(name, { stamp, found: this.store.find(name) });
      changed = true;
    }
    return changed;
  }
}

/** What the ledger says of today and of this month. */
class LedgerWatch {
  facts: Omit<LedgerFacts, 'spent'> | undefined;
  /** This month; undefined: not summed up yet. */
  spent: ReadonlyMap<Currency, LedgerFacts['spent']> | undefined;
  unreadable: readonly string[] = [];
  /** Another one once `facts` has changed. */
  version = 0;
  private looking: Promise<void> | undefined;
  private stamp = '';
  private since = '';
  private seen: Readonly<Record<string, DaySeen>> = {};
  private ended: LedgerEntry[] = [];
  private failures: { readonly cause: string }[] = [];
  private offsets: Readonly<Record<string, number>> = {};

  constructor(
    private readonly settings: BoardSettings,
    private readonly now: () => number,
  ) {}

  /** One reading at a time. Never rejects: what can't be read is told as that. */
  look(): Promise<void> {
    this.looking ??= this.read()
      .catch((error: Error) => {
        this.stamp = '';
        this.unreadable = [`ledger (${error.message})`];
        this.version++;
      })
      .finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async read(): Promise<void> {
    const ledger = ledgerOf(this.settings);
    const now = new Date(this.now());
    const since = new Date(now.getFullYear(), now.getMonth(), now.getDate()).toISOString();
    const from = oldestDay(Date.parse(since));
    const { failures, offsets } = failuresSince(this.settings.stateDir, dayOf(now), this.offsets);
    const stamp = `${since} ${dayOf(now)} ${JSON.stringify(offsets)} ${await ledger.stamp(from)}`;
    if (stamp === this.stamp) return;
    if (since !== this.since) [this.since, this.seen, this.ended] = [since, {}, []];
    const month = monthOf(now);
    const news = await ledger.news(from, this.seen, since);
    this.seen = news.seen;
    for (const entry of news.entries) this.ended.push(entry);
    this.failures = Object.keys(offsets).join() === Object.keys(this.offsets).join() ? this.failures : [];
    this.failures.push(...failures);
    this.offsets = offsets;
    const today = { since, ended: this.ended, month: month.from.slice(0, 7), failures: this.failures };
    // Today is shown while a month that nobody has summed up yet is still being read.
    if (this.spent === undefined) {
      this.facts = today;
      this.version++;
    }
    const spent = await ledger.spentOn(month);
    this.unreadable = (await ledger.unreadable(month)).map((place) => `ledger/${place}`);
    [this.facts, this.spent] = [today, spent];
    this.stamp = stamp;
    this.version++;
  }
}

/** A note written by a later version counts as none. */
function noted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.ino} ${found.size} ${found.mtimeMs}` : '';
}
