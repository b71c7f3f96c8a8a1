import * as z from 'zod/mini';
import { bootTimeSchema } from '../host/boot-clock';
import { jsonIn, laterVersion } from '../schema';
import type { JobRecord } from './types';

/**
 * What record.json may hold: written by us, but by an older or newer version perhaps, or cut short
 * by a full disk.
 */

/**
 * A version reads its own records and those of the version before it: after an update it still
 * knows what it has to destroy. A record of a later version is refused by name, and what it speaks
 * of is left alone. 2: has the project's id.
 */
const RECORD_VERSION = 2;
const PREVIOUS = 1;

const time = z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text)), 'must be a time'));

const amount = z.number().check(z.minimum(0));
const share = z.number().check(z.minimum(0), z.maximum(1));

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
  priceYuanPerHour: amount,
  onDemandYuanPerHour: amount,
  diskYuanPerHour: z.optional(amount),
  trafficYuanPerGiB: z.optional(amount),
  currency: z.optional(z.string()),
  durationHours: z.optional(z.union([z.literal(0), z.literal(1)])),
  size: z.optional(z.object({ vcpu: amount, memoryMiB: amount, diskGiB: amount })),
  createdAt: time,
  readyAt: time,
});

const reason = z.enum(['interrupted', 'released', 'deleted', 'unreachable', 'vanished']);

const base = {
  version: z.literal(RECORD_VERSION),
  identity: z.object({ stackName: z.string(), serverHost: z.string(), jobId: z.int(), attempt: z.int() }),
  executorId: z.string(),
  machine: z.optional(z.string()),
  serverUrl: z.string(),
  project: z.string(),
  projectId: z.optional(z.int()),
  ref: z.string(),
  verified: z.optional(z.boolean()),
  jobName: z.string(),
  userLogin: z.string(),
  profile: z.string(),
  timeoutMs: z.number(),
  startedAt: time,
  keepMs: z.optional(z.number()),
  releaseAt: z.optional(time),
  heartbeatAt: time,
  hookPid: z.optional(z.int()),
  writtenAt: z.optional(bootTimeSchema),
  reservedYuan: z.optional(amount),
  jobKey: z.optional(z.string()),
  deletedAt: z.optional(time),
  spare: z.optional(z.object({ stackName: z.string(), claimedAt: time })),
  tried: z.array(z.object({ pool, code: z.string(), at: time })),
  stages: z.array(
    z.object({
      stage: z.string(),
      startedAt: time,
      durationMs: z.number(),
      exitCode: z.optional(z.int().check(z.minimum(0), z.maximum(255))),
      use: z.optional(z.object({ memory: z.optional(share), cpu: z.optional(share), disk: z.optional(share) })),
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
  z.object({ ...base, phase: z.literal('spare'), instance, shape: z.string(), imageId: z.string(), until: time }),
  z.object({
    ...base,
    phase: z.literal('running'),
    instance,
    stageNow: z.optional(z.object({ stage: z.string(), startedAt: time })),
    interruptedAt: z.optional(z.string()),
    cutShort: z.optional(z.object({ confirmed: z.optional(z.boolean()) })),
  }),
  z.object({
    ...base,
    phase: z.literal('lost'),
    instance,
    loss: z.object({
      reason,
      at: time,
      confirmed: z.optional(z.boolean()),
      sentence: z.string(),
    }),
  }),
  z.object({
    ...base,
    phase: z.literal('destroying'),
    instance: z.optional(instance),
    result: z.enum(['success', 'failed', 'system-failure', 'canceled']),
    endedAt: time,
    loss: z.optional(z.object({ reason, at: time, confirmed: z.optional(z.boolean()) })),
    askRetry: z.optional(z.boolean()),
    goneAt: z.optional(time),
    notBefore: z.optional(time),
    tries: z.int(),
  }),
]);

/** Undefined: not a record of ours. A number: it is of that later version. */
export function parseRecord(text: string): JobRecord | number | undefined {
  const value = jsonIn(text);
  const later = laterVersion(value, RECORD_VERSION);
  if (later !== undefined) return later;
  const previous = previousSchema.safeParse(value).success;
  const parsed = schema.safeParse(previous ? { ...(value as object), version: RECORD_VERSION } : value);
  // Optional keys come back as absent or undefined, which the record's type does not tell apart.
  return parsed.success ? (parsed.data as JobRecord) : undefined;
}

const previousSchema = z.object({ version: z.literal(PREVIOUS) });
