import path from 'node:path';
import * as z from 'zod/mini';
import type { Cloud, CloudInstance } from '../cloud/types';
import { shared } from '../host/shared-cache';
import { tagValue } from '../jobs/identity';
import { TAG } from '../jobs/types';
import type { Settings } from '../settings/types';

export interface SharedLookupDependencies {
  readonly cloud: Pick<Cloud, 'findInstances'>;
  readonly settings: Pick<Settings, 'stateDir' | 'executorId'> & { readonly cloud: Pick<Settings['cloud'], 'region'> };
  readonly now: () => number;
}

/** Shorter than any pause between two looks of one prepare: none takes the same answer for two. */
const MAX_AGE_MS = 400;
/** An older answer is useless; a prepare that waited this long asks the cloud itself. */
const OTHERS_LIMIT_MS = 3_000;

const text = z.string();
const instancesSchema = z.array(
  z.object({
    instanceId: text,
    status: z.enum(['Pending', 'Starting', 'Running', 'Stopping', 'Stopped']),
    instanceType: text,
    zoneId: text,
    privateAddress: z.optional(text),
    publicAddress: z.optional(text),
    tags: z.record(text, text),
    createdAt: text,
    market: z.enum(['spot', 'on-demand']),
    durationHours: z.union([z.literal(0), z.literal(1)]),
    autoReleaseTime: z.optional(text),
    recycling: z.boolean(),
    size: z.optional(z.object({ vcpu: z.number(), memoryMiB: z.number() })),
  }),
);

/**
 * The instances of a host's waiting prepares, looked up in one call for all of them: the account is
 * throttled by action, and each prepare looks about once a second. The answer lies in a file of the
 * state folder; a prepare that dies while it asks holds the others for 3 s. By the host's own tags,
 * not by ids: an instance that nobody has seen yet has no id.
 */
export function sharedLookup({ cloud, settings, now }: SharedLookupDependencies): Cloud['findInstances'] {
  const { stateDir, executorId } = settings;
  const own = { [TAG.executor]: executorId, [TAG.stateDir]: tagValue(stateDir) };
  return async (wanted) => {
    const all = await shared({
      directory: path.join(stateDir, 'lookups', settings.cloud.region),
      key: 'instances',
      maxAgeMs: MAX_AGE_MS,
      othersLimitMs: OTHERS_LIMIT_MS,
      schema: instancesSchema,
      now,
      fetch: async () => [...(await cloud.findInstances(own))] as z.output<typeof instancesSchema>,
    });
    const has = ({ tags }: Pick<CloudInstance, 'tags'>): boolean =>
      Object.entries(wanted).every(([key, value]) => tags[key] === value);
    return (all as readonly CloudInstance[]).filter(has);
  };
}
