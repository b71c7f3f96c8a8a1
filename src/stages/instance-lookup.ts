import { createCloud } from '../cloud/client';
import { createPlacement } from '../placement';
import type { Settings } from '../settings/types';
import type { InstanceLookup } from './types';

/** A file of its own in dist/: the run hook loads it only when an instance no longer answers. */
export function instanceLookup(settings: Settings): InstanceLookup {
  const cloud = createCloud(settings);
  const placement = createPlacement({ cloud, settings, now: Date.now });
  return {
    describeInstance: (instanceId) => cloud.describeInstance(instanceId),
    rememberLoss: async (jobKey, pool, { reason, confirmed }) => {
      if (reason === 'interrupted') await placement.reportLoss(jobKey, pool, confirmed);
    },
  };
}
