import path from 'node:path';
import type { Cloud } from '../cloud/types';
import { ConfigurationError } from '../errors';
import type { Pool } from '../jobs/types';
import type { Profile, Settings } from '../settings/types';
import { Market } from './market';
import { placementDirectory, PlacementMemory } from './memory';
import { protectedHours, rank } from './rank';
import { INTERRUPTED } from './refusals';
import type { Placement, PlacementRequest, Ranking } from './types';

export interface PlacementDependencies {
  readonly cloud: Cloud;
  readonly settings: Pick<Settings, 'stateDir'> & {
    readonly cloud: Pick<Settings['cloud'], 'vpcId' | 'vSwitchIds' | 'region'>;
  };
  readonly now: () => number;
}

/** Placement over the live market, with the host's shared memory of what failed (docs/adr/0008). */
export function createPlacement({ cloud, settings, now }: PlacementDependencies): Placement {
  const directory = placementDirectory(settings);
  const live = new Market({ cloud, cacheDirectory: path.join(directory, 'market'), now });
  const memory = new PlacementMemory(directory, now);

  async function candidates({ profile, timeoutMs, jobKey }: PlacementRequest): Promise<Ranking> {
    const zones = await live.zones(settings.cloud.vpcId, settings.cloud.vSwitchIds);
    if (zones.length === 0) {
      throw new ConfigurationError(
        `The VPC ${settings.cloud.vpcId} has no vSwitch that may be used in ${settings.cloud.region}`,
        {
          remedy: 'Make one with `pulumi up -s foundation`, or set GITLAB_SPOT_VPC_ID and GITLAB_SPOT_VSWITCH_IDS.',
        },
      );
    }
    const types = await typesOf(profile, live);
    const zoneIds = [...new Set(zones.map(({ zoneId }) => zoneId))];
    const { warnings, ...market } = await live.quotes(types, zoneIds, {
      durationHours: protectedHours(profile, timeoutMs),
      disk: profile.disk,
      onDemand: profile.spot.fallback === 'on-demand',
    });
    const [failures, losses] = await Promise.all([memory.failures(), memory.losses(jobKey)]);
    return { ...rank({ profile, types, zones, ...market, failures, losses, timeoutMs, nowMs: now() }), warnings };
  }

  return {
    candidates,
    reportFailure: (pool: Pool, code: string) => memory.remember(pool, code),
    async reportLoss(jobKey: string, pool: Pool, confirmed: boolean) {
      await memory.rememberLoss(jobKey, pool);
      if (confirmed) await memory.remember(pool, INTERRUPTED);
    },
  };
}

async function typesOf(profile: Profile, market: Market): Promise<readonly string[]> {
  if ('types' in profile.instances) return profile.instances.types;
  const types = await market.types(profile.instances);
  if (types.length === 0) {
    const { vcpu, memoryGiB, architecture, gpus } = profile.instances;
    throw new ConfigurationError(
      `No instance type has ${vcpu} vCPU, ${memoryGiB} GiB, ${architecture}${gpus ? ` and ${gpus} GPU` : ''} (profile ${profile.name})`,
      {
        remedy: "Change the profile's requirements or name types in instances.yaml.",
      },
    );
  }
  return types;
}
