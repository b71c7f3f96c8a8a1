import { limitOf, WARN_SHARE } from '../billing/budget';
import { goneMs, hourlyYuan, yuanSoFar } from '../billing/cost';
import { projectIdIn } from '../billing/ledger-lines';
import { causeOfEntry, outcomeOf } from '../billing/outcome';
import type { ProjectSpend } from '../billing/project-spend';
import type { LedgerEntry } from '../billing/types';
import { millionths } from '../billing/money';
import { unitOf } from '../currency';
import { jobUrl } from '../gitlab/job-url';
import { isSpareName } from '../jobs/identity';
import { stageOf } from '../jobs/stage-of';
import { instanceOf } from '../jobs/transitions';
import type { JobRecord } from '../jobs/types';
import { useText } from '../jobs/use';
import type { HeldBack } from '../placement/held-back';
import type { ReapRun } from '../reaper/last-run';
import type { BudgetSettings } from '../settings/types';
import type { BoardDay, BoardEnded, BoardHeld, BoardJob, BoardMonth, BoardSnapshot, BoardSpare } from './types';

/** What a snapshot is made from. */
export interface BoardFacts {
  readonly host: string;
  readonly records: readonly JobRecord[];
  /** Spare machines that a job has taken, by the name of their stack. */
  readonly taken: ReadonlySet<string>;
  readonly maxTries: number;
  readonly heldBack: readonly HeldBack[];
  readonly reaper: ReapRun | undefined;
  /** In the account's currency where nothing is limited (asBilled). */
  readonly budget: BudgetSettings;
  /** What running jobs may still cost. */
  readonly reservedYuan: number;
  /** GITLAB_SPOT_GITLAB_URL. */
  readonly gitlabUrl: string | undefined;
  readonly unreadable: readonly string[];
  readonly refusedEdits: readonly string[];
  readonly drainedSince: string | undefined;
  /** Undefined: the ledger has not been read yet. */
  readonly ledger: LedgerFacts | undefined;
}

export interface LedgerFacts {
  /** The beginning of today (ISO). */
  readonly since: string;
  /** Entries of instances that went since then. */
  readonly ended: readonly LedgerEntry[];
  /** This month, in the currency of `budget`; undefined: not summed up yet. */
  readonly spent: readonly ProjectSpend[] | undefined;
  readonly month: string;
  readonly failures: readonly { readonly cause: string }[];
}

/** So many of today's jobs are listed one by one. */
export const MOST_ENDED = 100;
const MOST_PROJECTS = 8;

/** All that the board shows, as of `nowMs`. Pure: neither a clock nor a disk. */
export function boardSnapshot(facts: BoardFacts, nowMs: number): BoardSnapshot {
  const { records, budget, ledger } = facts;
  const [spares, jobs] = [records.filter(isSpare), records.filter((record) => !isSpare(record))];
  const urlOf = urls(records, facts.gitlabUrl);
  return {
    version: 1,
    host: facts.host,
    at: iso(nowMs),
    currency: budget.currency,
    unit: unitOf(budget.currency),
    jobs: jobs.map((record) => jobOf(record, nowMs)).sort(bySince),
    spares: spares.map((record) => spareOf(record, facts.taken, nowMs)).sort(bySince),
    yuanPerHour: millionths(sum(records, (record) => perHour(record))),
    today: ledger && dayOf(ledger, urlOf),
    month: ledger?.spent && monthOf(ledger.month, ledger.spent, facts),
    heldBack: facts.heldBack.map(heldOf),
    reaper: facts.reaper,
    leftovers: records.flatMap((record) =>
      record.phase === 'destroying' && record.tries >= facts.maxTries ? record.identity.stackName : [],
    ),
    unreadable: facts.unreadable,
    refusedEdits: facts.refusedEdits,
    drainedSince: facts.drainedSince,
  };
}

function jobOf(record: JobRecord, nowMs: number): BoardJob {
  const { identity, serverUrl, project } = record;
  const pool = instanceOf(record)?.pool;
  return {
    stack: identity.stackName,
    jobId: identity.jobId,
    name: record.jobName,
    project,
    ref: record.ref,
    user: record.userLogin,
    url: jobUrl(serverUrl, project, identity.jobId),
    state: stateOf(record, nowMs),
    stage: record.phase === 'running' ? (record.stageNow?.stage ?? '') : '',
    profile: record.profile,
    instanceType: pool?.instanceType ?? '',
    zoneId: pool?.zoneId ?? '',
    market: pool?.market ?? '',
    since: record.startedAt,
    ...costOf(record, nowMs),
  };
}

function stateOf(record: JobRecord, nowMs: number): BoardJob['state'] {
  switch (record.phase) {
    case 'preparing':
      return stageOf(record) as 'queued' | 'creating' | 'booting';
    case 'running':
      return record.interruptedAt === undefined ? 'running' : 'interrupted';
    case 'lost':
      return 'lost';
    default:
      return record.phase === 'destroying' && Date.parse(record.notBefore ?? '') > nowMs ? 'kept' : 'ending';
  }
}

function spareOf(record: JobRecord, taken: ReadonlySet<string>, nowMs: number): BoardSpare {
  const { stackName } = record.identity;
  const pool = instanceOf(record)?.pool;
  const states = { preparing: 'creating', spare: 'waiting', running: 'taken', lost: 'ending', destroying: 'ending' };
  return {
    stack: stackName,
    profile: record.profile,
    state: (taken.has(stackName) && record.phase === 'spare' ? 'taken' : states[record.phase]) as BoardSpare['state'],
    instanceType: pool?.instanceType ?? '',
    zoneId: pool?.zoneId ?? '',
    since: record.startedAt,
    until: record.phase === 'spare' ? record.until : undefined,
    ...costOf(record, nowMs),
  };
}

function costOf(record: JobRecord, nowMs: number): { readonly yuan: number; readonly yuanPerHour: number } {
  return { yuan: yuanSoFar(record, nowMs) ?? 0, yuanPerHour: perHour(record) };
}

function perHour(record: JobRecord): number {
  const instance = instanceOf(record);
  return instance && goneMs(record) === undefined ? hourlyYuan(instance) : 0;
}

function dayOf({ since, ended, failures }: LedgerFacts, urlOf: (entry: LedgerEntry) => string | undefined): BoardDay {
  const jobs = ended.filter(({ spare }) => !spare).sort((a, b) => b.to.localeCompare(a.to));
  const counts = { success: 0, failed: 0, 'system-failure': 0, canceled: 0, interrupted: 0, unknown: 0 };
  for (const entry of jobs) counts[outcomeOf(entry)]++;
  const causes = new Map<string, number>();
  for (const { cause } of failures) causes.set(cause, (causes.get(cause) ?? 0) + 1);
  return {
    since,
    counts,
    yuan: millionths(sum(ended, ({ yuan }) => yuan)),
    ended: jobs.slice(0, MOST_ENDED).map((entry) => endedOf(entry, urlOf(entry))),
    failures: [...causes].map(([cause, count]) => ({ cause, count })).sort((a, b) => b.count - a.count),
  };
}

function endedOf(entry: LedgerEntry, url: string | undefined): BoardEnded {
  const { stack, jobId, jobName: name, project, instanceType, zoneId, seconds, yuan, to: at } = entry;
  const use = entry.use ? useText(entry.use) : '';
  const outcome = outcomeOf(entry);
  // The outcome says it already.
  const cause = outcome === 'interrupted' ? '' : causeOfEntry(entry);
  return { stack, jobId, name, project, url, outcome, cause, use, instanceType, zoneId, seconds, yuan, at };
}

function monthOf(month: string, spent: readonly ProjectSpend[], { budget, reservedYuan }: BoardFacts): BoardMonth {
  const { perProjectYuan: limits, monthlyYuan, action } = budget;
  const paths = new Set(spent.map(({ project }) => project));
  const named = Object.keys(limits).filter((name) => name !== '*' && !paths.has(name) && !/^\d+$/.test(name));
  const all = [...spent, ...named.map((name) => ({ key: name, project: name, yuan: 0 }))]
    .map(({ key, project, yuan }) => ({
      project,
      yuan: millionths(yuan),
      limitYuan: limitOf(budget, project, projectIdIn(key)),
    }))
    .sort((a, b) => b.yuan - a.yuan || a.project.localeCompare(b.project));
  // Notices are made from these, so none that is near its limit may be missing.
  const isWatched = ({ yuan, limitYuan }: (typeof all)[number]): boolean =>
    limitYuan !== undefined && (limitYuan !== limits['*'] || yuan >= limitYuan * WARN_SHARE);
  return {
    month,
    yuan: millionths(sum(spent, ({ yuan }) => yuan)),
    reservedYuan: millionths(reservedYuan),
    limitYuan: monthlyYuan,
    action,
    projects: all.filter((one, index) => index < MOST_PROJECTS || isWatched(one)),
  };
}

function heldOf({ instanceType = '', zoneId, market, why, sinceMs, untilMs }: HeldBack): BoardHeld {
  return { instanceType, zoneId, market: market ?? '', why, since: iso(sinceMs), until: iso(untilMs) };
}

/**
 * The ledger names a GitLab by its host: its address is that of a job which runs, or the setting's.
 */
function urls(
  records: readonly JobRecord[],
  gitlabUrl: string | undefined,
): (entry: LedgerEntry) => string | undefined {
  const known = new Map<string, string>();
  if (gitlabUrl !== undefined) known.set(hostOf(gitlabUrl), gitlabUrl);
  for (const { identity, serverUrl } of records) known.set(identity.serverHost, serverUrl);
  return ({ server, project, jobId }) => jobUrl(known.get(server) ?? '', project, jobId);
}

function hostOf(url: string): string {
  return url
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .toLowerCase();
}

const isSpare = ({ identity }: JobRecord): boolean => isSpareName(identity.stackName);
const bySince = (a: { since: string }, b: { since: string }): number => a.since.localeCompare(b.since);
const iso = (ms: number): string => new Date(ms).toISOString();
function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}
