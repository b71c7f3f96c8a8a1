/** Which type is for sale in which zone, and at what price, before anybody changes it. */
import type { Pool, StockStatus } from '../types';
import { milli, share } from './families';
import { INSTANCE_TYPES, isListed, type InstanceType } from './instanceTypes';

const ZONE_LETTERS = ['h', 'i', 'j', 'k'] as const;

export function zoneIds(region: string): readonly string[] {
  return ZONE_LETTERS.map((letter) => `${region}-${letter}`);
}

export function poolKey(zoneId: string, instanceType: string): string {
  return `${zoneId}/${instanceType}`;
}

/** Stock for spot or for pay-as-you-go. */
export function stockOf(pool: Pool, spot: boolean): StockStatus {
  return spot ? pool.stock : (pool.onDemandStock ?? pool.stock);
}

/** Spot price with protected hour or without: SpotDuration 0 is about 10 % cheaper. */
export function spotPrice(pool: Pool, spotDuration: number): number {
  return spotDuration > 0 ? milli(pool.spotYuanPerHour / 0.9) : pool.spotYuanPerHour;
}

/**
 * The list price holds in zone k; the others are a little dearer, and in zone h entry-level spot
 * costs the full price.
 */
const SPOT_FACTOR = { h: 1.3, i: 1.15, j: 1.06, k: 1 } as const;
const INTERRUPTION_RATE = { h: 12, i: 4, j: 3, k: 2 } as const;

/** All that a region sells that has so many types, by `zone/type`. */
export function initialPools(region: string, types: number): ReadonlyMap<string, Pool> {
  const sold = [...INSTANCE_TYPES.values()].slice(0, types);
  return new Map(
    ZONE_LETTERS.flatMap((letter) =>
      sold
        .filter((type) => isSold(type, letter))
        .map((type) => initialPool(type, region, letter))
        .map((pool): [string, Pool] => [poolKey(pool.zoneId, pool.instanceType), pool]),
    ),
  );
}

function initialPool(type: InstanceType, region: string, letter: (typeof ZONE_LETTERS)[number]): Pool {
  const fullPrice = letter === 'h' && type.level === 'EntryLevel';
  const spot = milli(type.spotYuanPerHour * SPOT_FACTOR[letter]);
  return {
    zoneId: `${region}-${letter}`,
    instanceType: type.name,
    stock: isListed(type) ? 'WithStock' : stockFor(share(`stock ${letter} ${type.name}`)),
    onDemandYuanPerHour: type.onDemandYuanPerHour,
    spotYuanPerHour: fullPrice ? type.onDemandYuanPerHour : Math.min(spot, type.onDemandYuanPerHour),
    interruptionRate: INTERRUPTION_RATE[letter],
  };
}

function stockFor(drawn: number): StockStatus {
  if (drawn < 0.8) return 'WithStock';
  return drawn < 0.9 ? 'ClosedWithStock' : 'WithoutStock';
}

function isSold(type: InstanceType, letter: (typeof ZONE_LETTERS)[number]): boolean {
  if (!isListed(type)) return share(`zone ${letter} ${type.name}`) < 0.6;
  if (type.gpu) return letter === 'i' || letter === 'j';
  if (type.architecture === 'ARM') return letter === 'j' || letter === 'k';
  return true;
}
