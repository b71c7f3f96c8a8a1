import { dayOf, type DayRange } from '../billing/ledger';
import { byCurrency } from '../billing/report';
import type { LedgerEntry } from '../billing/types';
import { unitOf } from '../currency';
import { counted } from '../plural';
import type { Notice } from './formats';

const DAY_MS = 86_400_000;
const MOST_PROJECTS = 5;

export interface Period extends DayRange {
  readonly key: string;
}

/** The last day, or the last week from Monday to Sunday, that is over (UTC: 08:00 in China). */
export function lastPeriod(summary: 'daily' | 'weekly', nowMs: number): Period {
  const day = (ms: number): string => dayOf(new Date(ms));
  if (summary === 'daily') {
    const from = day(nowMs - DAY_MS);
    return { from, to: from, key: `summary/day/${from}` };
  }
  const sinceMonday = (new Date(nowMs).getUTCDay() + 6) % 7;
  const from = day(nowMs - (sinceMonday + 7) * DAY_MS);
  return { from, to: day(nowMs - (sinceMonday + 1) * DAY_MS), key: `summary/week/${from}` };
}

/** What the instances of these days did and cost. Pure. */
export function summaryNotice({ from, to, key }: Period, entries: readonly LedgerEntry[]): Notice {
  const jobs = entries.filter(({ spare }) => !spare);
  const count = (is: (entry: LedgerEntry) => boolean): number => jobs.filter(is).length;
  const paid = byCurrency(entries).map((group) => ({
    unit: unitOf(group.currency),
    yuan: sum(group.entries, ({ yuan }) => yuan),
    spare: sum(group.entries, ({ spare, yuan }) => (spare ? yuan : 0)),
    projects: dearest(group.entries),
  }));
  return {
    key,
    title: from === to ? `summary of ${from}` : `summary of ${from} to ${to}`,
    lines:
      entries.length === 0
        ? ['No job ran.']
        : [
            `${counted(jobs.length, 'instance')} for jobs: ${[
              `${count(({ result }) => result === 'success')} succeeded`,
              `${count(({ result }) => result === 'failed')} failed`,
              `${count(({ interrupted }) => interrupted)} interrupted`,
              counted(
                count(({ result, interrupted }) => result === 'system-failure' && !interrupted),
                'system failure',
              ),
            ].join(', ')}.`,
            ...paid.flatMap(({ unit, yuan, spare, projects }) => [
              `${yuan.toFixed(2)} ${unit}${spare > 0 ? `, of it ${spare.toFixed(2)} for spare machines` : ''}.`,
              ...projects.map(([project, share]) => `  ${project}: ${share.toFixed(2)} ${unit}`),
            ]),
          ],
  };
}

function dearest(entries: readonly LedgerEntry[]): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>();
  for (const { spare, project, yuan } of entries)
    if (!spare) sums.set(project || '(unknown project)', (sums.get(project || '(unknown project)') ?? 0) + yuan);
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, MOST_PROJECTS);
}

function sum(entries: readonly LedgerEntry[], of: (entry: LedgerEntry) => number): number {
  return entries.reduce((total, entry) => total + of(entry), 0);
}
