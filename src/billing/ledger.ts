import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';
import { CNY, type Currency } from '../currency';
import { trySlot } from '../host/queue';
import { fileName, parsed, sumName, sumOf, type Line, type SumName } from './ledger-lines';
import { byProject, type ProjectSpend } from './project-spend';
import type { LedgerEntry } from './types';

/** One day as it was last summed up: what it consisted of then, and what was spent. */
const daySumSchema = z.object({
  /** Size and time of the day's file; '' where there is none. */
  file: z.string(),
  /** The files in the day's folder. */
  names: z.array(z.string()),
  yuan: z.record(z.string(), z.number()),
  /** Entries that can't be read, each with its place and why. */
  unreadable: z.array(z.string()),
});
type DaySum = z.infer<typeof daySumSchema>;
const SUMS_VERSION = 4;
const sumsSchema = z.object({ version: z.literal(SUMS_VERSION), days: z.record(z.string(), daySumSchema) });

/**
 * Sums of days, so that a budget's question does not read every instance of the month again. Only a
 * cache: it may go at any time.
 */
const SUMS_FILE = 'sums.json';

/** Of so many days the sums are kept, beside those that were asked for last. */
const MOST_SUMS = 100;

/** What was spent on a day. */
export interface DaySpend {
  /** `2026-11-24`, in UTC. */
  readonly day: string;
  readonly yuan: number;
}

/** What a reader of the ledger's news has had of one day. */
export interface DaySeen {
  /** Of the day's one file, which folding replaces: when and how long; '' for none. */
  readonly file: string;
  /** Short names of the entries. */
  readonly names: ReadonlySet<string>;
}

/** Holds the one who folds. */
const FOLDING_FOLDER = 'folding';

/** No entry takes that long to write. */
const DRAFT_MS = 3_600_000;

/** Inclusive days, `2026-11-24`, in UTC. */
export interface DayRange {
  readonly from: string;
  readonly to: string;
}

/**
 * What every instance cost: `DIRECTORY/2026-11-24/INSTANCE.json`, one file an instance, in the
 * folder of the day its billing began. A process that dies between writing an entry and removing
 * the job's record simply writes it again: each instance is counted once, and no lock is needed to
 * write or read. `fold` turns the folders of past days into one file each, so that the number of
 * files stays bounded.
 */
export class Ledger {
  constructor(private readonly directory: string) {}

  async put(entry: LedgerEntry): Promise<void> {
    const folder = path.join(this.directory, dayOf(entry.from));
    const file = path.join(folder, `${fileName(entry)}.json`);
    const write = async (): Promise<void> => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // The first entry stays: a process that repeats it, because the first writer died, knows less
      // about when the instance went.
      if (!existsSync(file)) await writeFileAtomic(file, JSON.stringify(entry), { mode: 0o600 });
    };
    await write().catch((error: NodeJS.ErrnoException) => {
      // A fold took the empty folder away in between.
      if (error.code === 'ENOENT') return write();
      throw error;
    });
  }

  /** Entries of those days, oldest first. A line that can't be read is left out and counted. */
  async entries(range: DayRange): Promise<{ readonly entries: readonly LedgerEntry[]; readonly unreadable: number }> {
    const days = (await this.days()).filter((day) => day >= range.from && day <= range.to);
    const found = await Promise.all(days.map((day) => this.day(day)));
    const entries = found
      .flatMap(({ entries }) => entries)
      .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    return { entries, unreadable: found.reduce((sum, { unreadable }) => sum + unreadable.length, 0) };
  }

  /**
   * What was spent in those days, by project, in that currency. What has been summed up before is
   * not read again: the cost of the question does not grow with the number of instances of the
   * month.
   */
  async spent(range: DayRange, currency: Currency = CNY): Promise<ReadonlyMap<string, number>> {
    return (await this.summed(range, ({ project }) => project)).get(currency) ?? new Map<string, number>();
  }

  /** As spent, by projectKey: a renamed project is one. */
  async spentByKey(range: DayRange, currency: Currency): Promise<ReadonlyMap<string, number>> {
    return (await this.summed(range, ({ key }) => key)).get(currency) ?? new Map<string, number>();
  }

  /** As spent, with what budgets call each project, for each currency, that of the oldest day first. */
  async spentOn(range: DayRange): Promise<ReadonlyMap<Currency, readonly ProjectSpend[]>> {
    const sums = (await this.sums(range)).flatMap(([, { yuan }]) => Object.entries(yuan));
    const named = sums.map(([name, yuan]) => ({ ...sumOf(name), yuan }));
    const currencies = new Set(named.map(({ currency }) => currency));
    return new Map([...currencies].map((one) => [one, byProject(named.filter(({ currency }) => currency === one))]));
  }

  /**
   * Entries of those days that can't be read, each with its place and why: what they cost is in no
   * sum.
   */
  async unreadable(range: DayRange): Promise<readonly string[]> {
    return (await this.sums(range)).flatMap(([, { unreadable }]) => unreadable);
  }

  /** What was spent on each of those days on which anything was, in that currency. */
  async spentADay(range: DayRange, currency: Currency): Promise<readonly DaySpend[]> {
    const own = ([name]: readonly [string, number]): boolean => sumOf(name).currency === currency;
    return (await this.sums(range)).map(([day, { yuan }]) => ({
      day,
      yuan: Object.entries(yuan)
        .filter(own)
        .reduce((sum, [, amount]) => sum + amount, 0),
    }));
  }

  private async summed(range: DayRange, nameOf: (sum: SumName) => string): Promise<Map<Currency, Map<string, number>>> {
    const byCurrency = new Map<Currency, Map<string, number>>();
    for (const [text, yuan] of (await this.sums(range)).flatMap(([, day]) => Object.entries(day.yuan))) {
      const sum = sumOf(text);
      const byName = byCurrency.get(sum.currency) ?? new Map<string, number>();
      byName.set(nameOf(sum), (byName.get(nameOf(sum)) ?? 0) + yuan);
      byCurrency.set(sum.currency, byName);
    }
    return byCurrency;
  }

  private async sums(range: DayRange): Promise<readonly (readonly [day: string, sum: DaySum])[]> {
    const before = await this.readSums();
    const known = await this.days();
    const days = known.filter((day) => day >= range.from && day <= range.to);
    const sums: (readonly [day: string, sum: DaySum])[] = [];
    // One after the other: a month of entries at once would take some hundred megabytes.
    for (const day of days) sums.push([day, await this.sum(day, before[day])]);
    if (sums.some(([day, sum]) => sum !== before[day])) {
      // A question about another month leaves this one's sums alone.
      const kept = known.slice(-MOST_SUMS).flatMap((day) => (before[day] ? [[day, before[day]] as const] : []));
      const text = JSON.stringify({ version: SUMS_VERSION, days: Object.fromEntries([...kept, ...sums]) });
      // If two processes write at once, both results are right; the next question reads the rest
      // again.
      await writeFileAtomic(path.join(this.directory, SUMS_FILE), text, { mode: 0o600 }).catch(() => undefined);
    }
    return sums;
  }

  /**
   * The sum as it was, if the day is as it was; else with the new files added; all of it anew where
   * a fold may have moved some.
   */
  private async sum(day: string, before: DaySum | undefined): Promise<DaySum> {
    // The file's stamp first: a fold that comes in between shows the next time.
    const file = await stampOf(path.join(this.directory, `${day}.jsonl`));
    const names = await this.filesOf(day);
    const known = new Set(before?.names);
    const fresh = names.filter((name) => !known.has(name));
    // What could not be read may have been mended under the same name.
    const whole = before?.unreadable.length === 0;
    if (whole && before.file === file && fresh.length === 0 && names.length === known.size) return before;
    const grown = whole && before.file === '' && file === '' && names.length === known.size + fresh.length;
    const { entries, unreadable } = grown ? parsed(await this.texts(day, fresh)) : await this.day(day);
    const yuan = grown ? { ...before.yuan } : {};
    for (const entry of entries) yuan[sumName(entry)] = (yuan[sumName(entry)] ?? 0) + entry.yuan;
    return { file, names, yuan, unreadable: unreadable.map(({ place }) => place) };
  }

  private async readSums(): Promise<Readonly<Record<string, DaySum>>> {
    try {
      return sumsSchema.parse(JSON.parse(await readFile(path.join(this.directory, SUMS_FILE), 'utf8'))).days;
    } catch {
      return {};
    }
  }

  /**
   * Entries since that day which a reader has not had yet, and what it has had by then. Only what
   * has changed is read: new files of a day's folder, and a folded day that was folded again.
   * @param gone only entries whose instance went at this time or later are wanted (ISO): a day's
   * file that was last written before that is not read
   */
  async news(
    from: string,
    seen: Readonly<Record<string, DaySeen>>,
    gone = '',
  ): Promise<{ readonly entries: readonly LedgerEntry[]; readonly seen: Readonly<Record<string, DaySeen>> }> {
    const entries: LedgerEntry[] = [];
    const next: Record<string, DaySeen> = {};
    for (const day of await this.days()) {
      if (day < from) continue;
      const before = seen[day] ?? { file: '', names: new Set<string>() };
      const file = await stampOf(path.join(this.directory, `${day}.jsonl`));
      const names = new Set(before.names);
      const unread = (await this.filesOf(day)).filter((name) => !names.has(shortName(name)));
      if (file !== before.file || unread.length > 0) {
        const isOld = file === before.file || Number(file.split(' ')[1]) < (Date.parse(gone) || 0);
        for (const entry of await this.read(day, !isOld, unread)) {
          const name = shortName(`${fileName(entry)}.json`);
          if (!names.has(name) && entry.to >= gone) entries.push(entry);
          names.add(name);
        }
      }
      next[day] = { file, names };
    }
    return { entries, seen: next };
  }

  /**
   * Differs once an entry of the days from then on was written, folded or removed. A few looks at
   * files, however many entries there are.
   */
  async stamp(from: string): Promise<string> {
    const days = (await this.days()).filter((day) => day >= from);
    const files = days.flatMap((day) => [`${day}.jsonl`, day]);
    return (await Promise.all(files.map((name) => stampOf(path.join(this.directory, name))))).join();
  }

  /**
   * Folds every day before `today` that still has a folder into its file. Safe beside readers and
   * writers, and to repeat. While another process does it, there is nothing to do: of two that
   * replace a day's file, the later would undo what the earlier had put in.
   */
  async fold(today: string): Promise<void> {
    const days: string[] = [];
    for (const day of await this.days()) if (day < today && (await this.isFolder(day))) days.push(day);
    if (days.length === 0) return;
    const slot = trySlot({ directory: path.join(this.directory, FOLDING_FOLDER), slots: 1 });
    if (!slot) return;
    try {
      for (const day of days) await this.foldDay(day);
    } finally {
      slot.release();
    }
  }

  private async foldDay(day: string): Promise<void> {
    const folder = path.join(this.directory, day);
    const { entries, spoiltLines } = await this.day(day);
    const names = await readdir(folder).catch(() => []);
    // What can't be read stays as it is, for a person to look at.
    const lines = [...entries.map((entry) => JSON.stringify(entry)), ...spoiltLines]
      .map((line) => `${line}\n`)
      .join('');
    await writeFileAtomic(path.join(this.directory, `${day}.jsonl`), lines, { mode: 0o600 });
    const folded = new Set(entries.map((entry) => `${fileName(entry)}.json`));
    // What was written since the reading stays for the next fold.
    await Promise.all(
      names.filter((name) => folded.has(name)).map((name) => rm(path.join(folder, name), { force: true })),
    );
    await Promise.all(names.map((name) => this.forgetDraft(path.join(folder, name))));
    // Only where it is empty: a writer may have come in between.
    await rmdir(folder).catch(() => undefined);
  }

  /** What a killed writer has left, under a name that is nobody's entry. */
  private async forgetDraft(file: string): Promise<void> {
    if (file.endsWith('.json')) return;
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > DRAFT_MS) await rm(file, { force: true });
  }

  private async days(): Promise<readonly string[]> {
    const names = await readdir(this.directory).catch(missing<string[]>([]));
    return [
      ...new Set(names.map((name) => name.replace(/\.jsonl$/, '')).filter((name) => /^\d{4}-\d\d-\d\d$/.test(name))),
    ].sort();
  }

  private async isFolder(day: string): Promise<boolean> {
    return readdir(path.join(this.directory, day)).then(
      () => true,
      () => false,
    );
  }

  private async filesOf(day: string): Promise<string[]> {
    const names = await readdir(path.join(this.directory, day)).catch(missing<string[]>([]));
    return names.filter((name) => name.endsWith('.json'));
  }

  private async linesOf(day: string): Promise<readonly Line[]> {
    const name = `${day}.jsonl`;
    const file = await readFile(path.join(this.directory, name), 'utf8').catch(missing(''));
    return file
      .split('\n')
      .map((text, index) => ({ text, place: () => `line ${index + 1} of ${name}` }))
      .filter(({ text }) => text !== '');
  }

  /**
   * Of those that are still there: one that was folded between listing and reading stands in the
   * day's file, now or at the next reading.
   */
  private async texts(day: string, names: readonly string[]): Promise<readonly Line[]> {
    const read = async (name: string): Promise<Line[]> => {
      const place = path.join(day, name);
      const text = await readFile(path.join(this.directory, place), 'utf8').catch(missing(undefined));
      return text === undefined ? [] : [{ text, place: () => place }];
    };
    return (await Promise.all(names.map(read))).flat();
  }

  /** A day's file, where it is wanted, and these files of its folder. */
  private async read(day: string, withFile: boolean, names: readonly string[]): Promise<readonly LedgerEntry[]> {
    const lines = withFile ? await this.linesOf(day) : [];
    return parsed([...lines, ...(await this.texts(day, names))]).entries;
  }

  /**
   * A day's file and its folder together; an instance that stands in both (a fold that was cut off)
   * counts once.
   */
  private async day(day: string) {
    const names = await this.filesOf(day);
    // The folder first: what a fold takes from there meanwhile stands in the file by then.
    const single = await this.texts(day, names);
    const lines = await this.linesOf(day);
    const found = parsed([...lines, ...single]);
    const own = new Set(lines);
    const spoiltLines = found.unreadable.filter(({ line }) => own.has(line)).map(({ line }) => line.text);
    return { ...found, spoiltLines };
  }
}

/** A missing file is empty; a file that can't be read must not look like an empty ledger. */
function missing<T>(nothing: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return nothing;
    throw error;
  };
}

/** '' where there is no such file. */
async function stampOf(file: string): Promise<string> {
  return stat(file).then(
    ({ size, mtimeMs }) => `${size} ${mtimeMs}`,
    () => '',
  );
}

/** A reader remembers thousands of names: eight characters tell those of one day apart. */
function shortName(name: string): string {
  return createHash('sha256').update(name).digest('base64url').slice(0, 8);
}

/** `2026-11-24`, in UTC. */
export function dayOf(time: string | Date): string {
  return new Date(time).toISOString().slice(0, 10);
}

/**
 * The first day whose entries may still come: an entry is written at most 35 days after its billing
 * began, as jobs last a month at most.
 */
export function oldestDay(nowMs: number): string {
  return dayOf(new Date(nowMs - 35 * 86_400_000));
}

/** First to last day of the month that holds this time. */
export function monthOf(time: Date): DayRange {
  const from = new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), 1));
  const to = new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1, 0));
  return { from: dayOf(from), to: dayOf(to) };
}
