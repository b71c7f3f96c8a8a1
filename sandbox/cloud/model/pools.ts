/**
 * What a region sells now: the catalog, and what has changed since. Only changes are kept in the
 * state.
 */
import { initialPools, poolKey } from '../catalog/pools';
import type { Pool } from '../types';
import type { RegionState } from './records';

/** The catalog of a region is the same whenever it is made. */
const catalogs = new WeakMap<RegionState, ReadonlyMap<string, Pool>>();

function catalogOf(region: RegionState): ReadonlyMap<string, Pool> {
  const known = catalogs.get(region) ?? initialPools(region.catalog.regionId, region.catalog.types);
  catalogs.set(region, known);
  return known;
}

export function poolAt(region: RegionState, zoneId: string, instanceType: string): Pool | undefined {
  const key = poolKey(zoneId, instanceType);
  return region.pools.get(key) ?? catalogOf(region).get(key);
}

export function poolsOf(region: RegionState): Pool[] {
  return [...catalogOf(region)].map(([key, pool]) => region.pools.get(key) ?? pool);
}

export function changePool(region: RegionState, pool: Pool): void {
  region.pools.set(poolKey(pool.zoneId, pool.instanceType), pool);
}
