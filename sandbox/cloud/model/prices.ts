/** How a pool's price went: what the price history answers and the bill counts by. */
import { spotPrice } from '../catalog/pools';
import type { Pool } from '../types';
import type { CloudState } from './records';

/** A price, and since when (milliseconds; 0: since ever). */
export interface PricePoint {
  readonly at: number;
  readonly yuanPerHour: number;
}

/** A pool is about to cost something else. */
export function priceChanges(state: CloudState, before: Pool, after: Pool, now: number): void {
  if (before.spotYuanPerHour === after.spotYuanPerHour) return;
  const { zoneId, instanceType } = before;
  const pool = { zoneId, instanceType };
  if (changesOf(state, pool).length === 0)
    state.spotPriceChanges.push({ ...pool, at: 0, spotYuanPerHour: before.spotYuanPerHour });
  state.spotPriceChanges.push({ ...pool, at: now, spotYuanPerHour: after.spotYuanPerHour });
}

/** The pool's spot prices, oldest first. */
export function spotPricesOf(state: CloudState, pool: Pool, spotDuration: number): readonly PricePoint[] {
  const changes = changesOf(state, pool);
  const known = changes.length > 0 ? changes : [{ at: 0, spotYuanPerHour: pool.spotYuanPerHour }];
  return known.map(({ at, spotYuanPerHour }) => ({
    at,
    yuanPerHour: spotPrice({ ...pool, spotYuanPerHour }, spotDuration),
  }));
}

function changesOf(state: CloudState, { zoneId, instanceType }: Pick<Pool, 'zoneId' | 'instanceType'>) {
  return state.spotPriceChanges.filter((one) => one.zoneId === zoneId && one.instanceType === instanceType);
}
