import * as z from 'zod/mini';
import type { JobRecord } from './types';

/** What record.json may hold: written by us, but by an older or newer version perhaps, or cut short by a full disk. */

const time = z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text)), 'must be a time'));

const pool = z.object({
  zoneId: z.string(),
  vSwitchId: z.string(),
  instanceType: z.string(),
  market: z.enum(['spot', 'on-demand']),
});

const instance = z.object({
  instanceId: z.string(),
  address: z.string(),
  sshPort: z.int(),
  sshUser: z.string(),
  hostPublicKey: z.string(),
  pool,
  priceYuanPerHour: z.number(),
  onDemandYuanPerHour: z.number(),
  durationHours: z.optional(z.union([z.literal(0), z.literal(1)])),
  createdAt: time,
  readyAt: time,
});

const reason = z.enum(['interrupted', 'released', 'deleted', 'unreachable', 'vanished']);

const base = {
  version: z.literal(1),
  identity: z.object({ stackName: z.string(), serverHost: z.string(), jobId: z.int(), attempt: z.int() }),
  executorId: z.string(),
  serverUrl: z.string(),
  project: z.string(),
  ref: z.string(),
  jobName: z.string(),
  userLogin: z.string(),
  profile: z.string(),
  timeoutMs: z.number(),
  startedAt: time,
  keepMs: z.optional(z.number()),
  releaseAt: z.optional(time),
  heartbeatAt: time,
  hookPid: z.optional(z.int()),
  jobKey: z.optional(z.string()),
  deletedAt: z.optional(time),
  tried: z.array(z.object({ pool, code: z.string(), at: time })),
  stages: z.array(
    z.object({
      stage: z.string(),
      startedAt: time,
      durationMs: z.number(),
      exitCode: z.optional(z.int()),
    }),
  ),
};

const schema = z.discriminatedUnion('phase', [
  z.object({
    ...base,
    phase: z.literal('preparing'),
    launched: z.optional(instance),
    cutOff: z.optional(z.boolean()),
  }),
  z.object({ ...base, phase: z.literal('running'), instance, interruptedAt: z.optional(z.string()) }),
  z.object({
    ...base,
    phase: z.literal('lost'),
    instance,
    loss: z.object({
      reason,
      at: time,
      sentence: z.string(),
    }),
  }),
  z.object({
    ...base,
    phase: z.literal('destroying'),
    instance: z.optional(instance),
    result: z.enum(['success', 'failed', 'system-failure', 'canceled']),
    endedAt: time,
    loss: z.optional(z.object({ reason, at: time })),
    askRetry: z.optional(z.boolean()),
    goneAt: z.optional(time),
    notBefore: z.optional(time),
    tries: z.int(),
  }),
]);

/** Undefined: not a record of ours. */
export function parseRecord(text: string): JobRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  // Optional keys come back as absent or undefined, which the record's type does not tell apart.
  return parsed.success ? (parsed.data as JobRecord) : undefined;
}
