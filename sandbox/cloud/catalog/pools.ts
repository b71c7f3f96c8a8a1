/** Which type is for sale in which zone, and at what price, before anybody changes it. */
import type { Pool, StockStatus } from '../types';
import { INSTANCE_TYPES, type InstanceType } from './instanceTypes';

export const ZONE_LETTERS = ['h', 'i', 'j', 'k'] as const;

export function zoneIds(region: string): readonly string[] {
  return ZONE_LETTERS.map((letter) => `${region}-${letter}`);
}

export function poolKey(zoneId: string, instanceType: string): string {
  return `${zoneId}/${instanceType}`;
}

/** Yuan rounded as the API writes prices. */
export function milli(yuan: number): number {
  return Math.round(yuan * 1000) / 1000;
}

/** Stock for spot or for pay-as-you-go. */
export function stockOf(pool: Pool, spot: boolean): StockStatus {
  return spot ? pool.stock : (pool.onDemandStock ?? pool.stock);
}

/** Spot price with protected hour or without: SpotDuration 0 is about 10 % cheaper. */
export function spotPrice(pool: Pool, spotDuration: number): number {
  return spotDuration > 0 ? milli(pool.spotYuanPerHour / 0.9) : pool.spotYuanPerHour;
}

/** The list price holds in zone k; the others are a little dearer, and in zone h entry-level spot costs the full price. */
const SPOT_FACTOR = { h: 1.3, i: 1.15, j: 1.06, k: 1 } as const;
const INTERRUPTION_RATE = { h: 12, i: 4, j: 3, k: 2 } as const;

export function initialPools(region: string): Map<string, Pool> {
  const pools = new Map<string, Pool>();
  for (const letter of ZONE_LETTERS) {
    for (const type of INSTANCE_TYPES.values()) {
      if (!isSold(type, letter)) continue;
      const fullPrice = letter === 'h' && type.level === 'EntryLevel';
      const pool: Pool = {
        zoneId: `${region}-${letter}`,
        instanceType: type.name,
        stock: 'WithStock',
        onDemandYuanPerHour: type.onDemandYuanPerHour,
        spotYuanPerHour: fullPrice ? type.onDemandYuanPerHour : milli(type.spotYuanPerHour * SPOT_FACTOR[letter]),
        interruptionRate: INTERRUPTION_RATE[letter],
      };
      pools.set(poolKey(pool.zoneId, pool.instanceType), pool);
    }
  }
  return pools;
}

function isSold(type: InstanceType, letter: (typeof ZONE_LETTERS)[number]): boolean {
  if (type.gpu) return letter === 'i' || letter === 'j';
  if (type.architecture === 'ARM') return letter === 'j' || letter === 'k';
  return true;
}
