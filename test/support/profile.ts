import type { Profile } from '../../src/settings/types';

/** A profile of two types with a cap and no way to pay-as-you-go. */
export function testProfile(change: Partial<Profile> = {}): Profile {
  return {
    name: 'standard',
    instances: { types: ['ecs.c7.xlarge', 'ecs.c8a.xlarge'] },
    image: 'base',
    disk: { category: 'cloud_essd', sizeGiB: 40 },
    spot: { maxPriceYuanPerHour: 0.4, protectedHour: 'never', fallback: 'none', afterInterruption: 'spot' },
    internetBandwidthMbps: 0,
    zones: [],
    allow: { projects: [], protectedRefs: false, forks: false },
    debugKeepMaxMs: 0,
    ...change,
  };
}
