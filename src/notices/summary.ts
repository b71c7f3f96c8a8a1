import { daysBetween } from '../billing/forecast';
import { dayOf, type DayRange } from '../billing/ledger';
import { outcomeOf, type Outcome } from '../billing/outcome';
import { byCurrency } from '../billing/report';
import type { LedgerEntry } from '../billing/types';
import { unitOf } from '../currency';
import { counted } from '../plural';
import type { Notice } from './formats';

const DAY_MS = 86_400_000;
const MOST_PROJECTS = 5;

/** How long before its line was written an instance may have begun. */
const LONGEST_LIFE_MS = 31 * DAY_MS;

export interface Period extends DayRange {
  readonly key: string;
}

const day = (ms: number): string => dayOf(new Date(ms));

/** The last day, or the last week from Monday to Sunday, that is over (UTC: 08:00 in China). */
export function lastPeriod(summary: 'daily' | 'weekly', nowMs: number): Period {
  if (summary === 'daily') {
    const from = day(nowMs - DAY_MS);
    return { from, to: from, key: `summary/day/${from}` };
  }
  const sinceMonday = (new Date(nowMs).getUTCDay() + 6) % 7;
  const from = day(nowMs - (sinceMonday + 7) * DAY_MS);
  return { from, to: day(nowMs - (sinceMonday + 1) * DAY_MS), key: `summary/week/${from}` };
}

/**
 * The last period, extended back to the first day without a summary: a host that was down for days,
 * or a webhook that failed, leaves none out. Undefined: everything has been sent.
 */
export function untoldPeriod(
  summary: 'daily' | 'weekly',
  nowMs: number,
  told: Readonly<Record<string, string>>,
): Period | undefined {
  const period = lastPeriod(summary, nowMs);
  const until = Math.max(...Object.keys(told).map(endOf));
  if (until === -Infinity) return period;
  return day(until) > period.to ? undefined : { ...period, from: day(until) };
}

/** The first moment that the summary of this key has not told of. */
function endOf(key: string): number {
  const [, kind, from = ''] = /^summary\/(day|week)\/(\d{4}-\d\d-\d\d)$/.exec(key) ?? [];
  return kind === undefined ? -Infinity : Date.parse(from) + (kind === 'week' ? 7 : 1) * DAY_MS;
}

/**
 * A line of the ledger belongs to the day it was written, not to the day that billing began or
 * ended: only then is a day complete once it is over, and each job in exactly one summary.
 */
export async function recordedIn(
  { from, to }: DayRange,
  entries: (days: DayRange) => Promise<readonly LedgerEntry[]>,
): Promise<readonly LedgerEntry[]> {
  const found: LedgerEntry[] = [];
  // One day after the other: a month of entries at once would take some hundred megabytes.
  for (const began of daysBetween(day(Date.parse(from) - LONGEST_LIFE_MS), to))
    for (const entry of await entries({ from: began, to: began })) {
      const recorded = dayOf(entry.recordedAt ?? entry.to);
      if (recorded >= from && recorded <= to) found.push(entry);
    }
  return found;
}

/** What the instances of these days did and cost. Pure. */
export function summaryNotice({ from, to, key }: Period, entries: readonly LedgerEntry[]): Notice {
  const jobs = entries.filter(({ spare }) => !spare);
  const count = (outcome: Outcome): number => jobs.filter((entry) => outcomeOf(entry) === outcome).length;
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
              `${count('success')} succeeded`,
              `${count('failed')} failed`,
              `${count('interrupted')} interrupted`,
              counted(count('system-failure'), 'system failure'),
              ...(count('canceled') > 0 ? [`${count('canceled')} canceled`] : []),
              ...(count('unknown') > 0 ? [`${count('unknown')} given up`] : []),
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
