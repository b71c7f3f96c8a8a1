import { statSync } from 'node:fs';
import path from 'node:path';
import type { Currency } from '../currency';
import { ConfigurationError } from '../errors';
import { previousOf } from './forecast';
import { Ledger, type DayRange } from './ledger';
import type { LedgerEntry } from './types';

/** The ledger of a host, or of several hosts together. */
export type Ledgers = readonly [Ledger, ...Ledger[]];

/** This host's, or those of the folders that were named. @throws ConfigurationError */
export function ledgersOf(folders: readonly string[], { stateDir }: { readonly stateDir: string }): Ledgers {
  const [first, ...others] = folders.map((folder) => {
    const inside = path.join(folder, 'ledger');
    const found = [inside, folder].find((one) => statSync(one, { throwIfNoEntry: false })?.isDirectory());
    if (found !== undefined) return new Ledger(found);
    throw new ConfigurationError(`There is no folder ${folder}`, {
      remedy: 'Give --ledger a host’s state folder, or a copy of the folder `ledger` in it.',
    });
  });
  return first ? [first, ...others] : [new Ledger(path.join(stateDir, 'ledger'))];
}

/** Of all hosts, oldest first; a line that two of them have counts once. */
export async function readAll(
  ledgers: Ledgers,
  range: DayRange,
): Promise<{ readonly entries: readonly LedgerEntry[]; readonly unreadable: number }> {
  const [first, ...others] = await Promise.all(ledgers.map((ledger) => ledger.entries(range)));
  if (others.length === 0) return first!;
  const all = [first!, ...others];
  const once = new Map<string, LedgerEntry>();
  for (const entry of all.flatMap(({ entries }) => entries)) {
    const key = `${entry.stack}@${entry.instanceId}`;
    if (!once.has(key)) once.set(key, entry);
  }
  const entries = [...once.values()].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  return { entries, unreadable: all.reduce((sum, { unreadable }) => sum + unreadable, 0) };
}

/** In the time before `range`, as far as the same day; undefined: nothing was written then. */
export async function spentBefore(range: DayRange, today: string, currency: Currency, ledgers: Ledgers) {
  const { name, ...before } = previousOf(range, today);
  const days = (await Promise.all(ledgers.map((ledger) => ledger.spentADay(before, currency)))).flat();
  return days.length === 0 ? undefined : { name, currency, yuan: days.reduce((sum, { yuan }) => sum + yuan, 0) };
}
