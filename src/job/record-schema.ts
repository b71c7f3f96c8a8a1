import * as z from 'zod/mini';
import type { JobRecord } from './types';

/** What record.json may hold: written by us, but by an older or newer version perhaps, or cut short by a full disk. */

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
  createdAt: z.string(),
  readyAt: z.string(),
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
  startedAt: z.string(),
  keepMs: z.optional(z.number()),
  releaseAt: z.optional(z.string()),
  heartbeatAt: z.string(),
  hookPid: z.optional(z.int()),
  jobKey: z.optional(z.string()),
  tried: z.array(z.object({ pool, code: z.string(), at: z.string() })),
  stages: z.array(
    z.object({
      stage: z.string(),
      startedAt: z.string(),
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
      at: z.string(),
      sentence: z.string(),
    }),
  }),
  z.object({
    ...base,
    phase: z.literal('destroying'),
    instance: z.optional(instance),
    result: z.enum(['success', 'failed', 'system-failure', 'canceled']),
    endedAt: z.string(),
    loss: z.optional(z.object({ reason, at: z.string() })),
    askRetry: z.optional(z.boolean()),
    goneAt: z.optional(z.string()),
    notBefore: z.optional(z.string()),
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
