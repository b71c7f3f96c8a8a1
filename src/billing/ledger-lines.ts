import * as core from 'zod/v4/core';
import * as z from 'zod/mini';
import { CNY, type Currency } from '../currency';
import { laterVersion } from '../schema';
import type { LedgerEntry } from './types';

/** One entry as it stands in the ledger. */

/** Rule: docs/adr/0014. There is no version before the first. */
const LEDGER_VERSION = 1;

const amount = z.optional(z.number());
const use = {
  memoryPeakMiB: amount,
  memoryMiB: amount,
  cpuShare: amount,
  vcpu: amount,
  diskPeakGiB: amount,
  diskGiB: amount,
};

const fields = {
  version: z.literal(LEDGER_VERSION),
  spare: z.optional(z.boolean()),
  stack: z.string(),
  executorId: z.string(),
  server: z.string(),
  jobId: z.number(),
  attempt: z.number(),
  project: z.string(),
  projectId: z.optional(z.int()),
  ref: z.string(),
  jobName: z.string(),
  userLogin: z.string(),
  profile: z.string(),
  instanceId: z.string(),
  instanceType: z.string(),
  zoneId: z.string(),
  market: z.enum(['spot', 'on-demand']),
  currency: z.optional(z.string()),
  priceYuanPerHour: z.number(),
  onDemandYuanPerHour: z.number(),
  from: z.string(),
  to: z.string(),
  recordedAt: z.optional(z.string()),
  seconds: z.number(),
  yuan: z.number(),
  diskYuan: amount,
  trafficYuanPerGiB: amount,
  readySeconds: z.optional(z.number()),
  result: z.enum(['success', 'failed', 'system-failure', 'canceled', 'unknown']),
  failedStage: z.optional(z.object({ stage: z.string(), exitCode: z.optional(z.int()) })),
  loss: z.optional(z.enum(['interrupted', 'released', 'deleted', 'unreachable', 'vanished'])),
  interrupted: z.boolean(),
  confirmed: z.optional(z.boolean()),
  use: z.optional(new core.$ZodObjectJIT({ type: 'object', shape: use })),
  verified: z.optional(z.boolean()),
};
/**
 * Compiled, and with the bounds apart (`isPossible`): a ledger of 100,000 lines is read in a third
 * of the time.
 */
const entrySchema = new core.$ZodObjectJIT({ type: 'object', shape: fields });

/** A negative amount would make room in a budget. */
function isPossible(entry: LedgerEntry): boolean {
  const { from, to, recordedAt = to, seconds, yuan, diskYuan = 0, trafficYuanPerGiB = 0, use } = entry;
  return (
    !Number.isNaN(Date.parse(from)) &&
    !Number.isNaN(Date.parse(to)) &&
    !Number.isNaN(Date.parse(recordedAt)) &&
    Math.min(seconds, yuan, diskYuan, trafficYuanPerGiB) >= 0 &&
    (use === undefined || isPossibleUse(use))
  );
}

function isPossibleUse(use: NonNullable<LedgerEntry['use']>): boolean {
  const { memoryPeakMiB = 0, memoryMiB = 0, cpuShare = 0, vcpu = 0, diskPeakGiB = 0, diskGiB = 0 } = use;
  return Math.min(memoryPeakMiB, memoryMiB, cpuShare, vcpu, diskPeakGiB, diskGiB) >= 0 && cpuShare <= 1;
}

export interface Line {
  readonly text: string;
  /** For messages: `line 3 of 2026-11-24.jsonl`. */
  readonly place: () => string;
}

export interface Parsed {
  /** Each instance once, as the first line has it. */
  readonly entries: LedgerEntry[];
  readonly unreadable: Unreadable[];
}

export interface Unreadable {
  readonly line: Line;
  /** For messages: `line 3 of 2026-11-24.jsonl (damaged)`. */
  readonly place: string;
}

export function parsed(lines: readonly Line[]): Parsed {
  const byInstance = new Map<string, LedgerEntry>();
  const unreadable: Unreadable[] = [];
  for (const line of lines) {
    const entry = entryIn(line.text);
    if (typeof entry !== 'object') {
      const why = entry === undefined ? 'damaged' : `of version ${entry}`;
      unreadable.push({ line, place: `${line.place()} (${why})` });
      continue;
    }
    const key = `${entry.stack}@${entry.instanceId}`;
    if (!byInstance.has(key)) byInstance.set(key, entry);
  }
  return { entries: [...byInstance.values()], unreadable };
}

/** A number: it is of that later version. Undefined: it is damaged. */
function entryIn(text: string): LedgerEntry | number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const found = core.safeParse(entrySchema, value);
    if (!found.success) return laterVersion(value, LEDGER_VERSION);
    const entry = found.data as unknown as LedgerEntry;
    return isPossible(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** A stack that goes through several instances within one prepare has an entry for each. */
export function fileName({ stack, instanceId }: LedgerEntry): string {
  return `${stack}@${instanceId}`.replace(/[^\w.@-]/g, '_');
}

/** What budgets call a project: by its id where that is known, which a rename keeps. */
export function projectKey(serverHost: string, projectId: number | undefined, projectPath: string): string {
  return projectId === undefined ? projectPath : `${serverHost}#${projectId}`;
}

/** The project's id in its key, as a budget's setting names it; undefined: it is not known. */
export function projectIdIn(key: string): string | undefined {
  return /#(\d+)$/.exec(key)?.[1];
}

/** What a sum is of: key and path of a project, for sums by either. */
export interface SumName {
  readonly key: string;
  readonly project: string;
  readonly currency: Currency;
}

export function sumName({ server, projectId, project, currency = CNY }: LedgerEntry): string {
  return `${projectKey(server, projectId, project)}\n${project}\n${currency}`;
}

/** The way back from `sumName`. */
export function sumOf(name: string): SumName {
  const [key = '', project = '', currency = CNY] = name.split('\n');
  return { key, project, currency };
}
