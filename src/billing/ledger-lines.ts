import * as z from 'zod/mini';
import { CNY, type Currency } from '../currency';
import { laterVersion } from '../schema';
import type { LedgerEntry } from './types';

/** One entry as it stands in the ledger. */

const time = z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text)), 'must be a time'));

/** Rule: docs/adr/0014. There is no version before the first. */
const LEDGER_VERSION = 1;

const amount = z.optional(z.number().check(z.minimum(0)));
const useSchema = z.object({
  memoryPeakMiB: amount,
  memoryMiB: amount,
  cpuShare: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
  vcpu: amount,
  diskPeakGiB: amount,
  diskGiB: amount,
});

const entrySchema = z.object({
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
  from: time,
  to: time,
  // A negative line would make room in a budget.
  seconds: z.number().check(z.minimum(0)),
  yuan: z.number().check(z.minimum(0)),
  diskYuan: z.optional(z.number().check(z.minimum(0))),
  trafficYuanPerGiB: amount,
  readySeconds: z.optional(z.number()),
  result: z.enum(['success', 'failed', 'system-failure', 'canceled', 'unknown']),
  failedStage: z.optional(z.object({ stage: z.string(), exitCode: z.optional(z.int()) })),
  loss: z.optional(z.enum(['interrupted', 'released', 'deleted', 'unreachable', 'vanished'])),
  interrupted: z.boolean(),
  confirmed: z.optional(z.boolean()),
  use: z.optional(useSchema),
  verified: z.optional(z.boolean()),
});

export interface Line {
  readonly text: string;
  /** For messages: `line 3 of 2026-11-24.jsonl`. */
  readonly place: string;
}

export interface Parsed {
  /** Each instance once, as the first line has it. */
  readonly entries: LedgerEntry[];
  /** Places of the others, and why they can't be read. */
  readonly unreadable: string[];
}

export function parsed(lines: readonly Line[]): Parsed {
  const byInstance = new Map<string, LedgerEntry>();
  const unreadable: string[] = [];
  for (const { text, place } of lines) {
    const entry = entryIn(text);
    if (typeof entry !== 'object')
      unreadable.push(entry === undefined ? `${place} (damaged)` : `${place} (of version ${entry})`);
    else if (!byInstance.has(fileName(entry))) byInstance.set(fileName(entry), entry);
  }
  return { entries: [...byInstance.values()], unreadable };
}

/** A number: it is of that later version. Undefined: it is damaged. */
function entryIn(text: string): LedgerEntry | number | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return laterVersion(value, LEDGER_VERSION) ?? (entrySchema.parse(value) as LedgerEntry);
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
