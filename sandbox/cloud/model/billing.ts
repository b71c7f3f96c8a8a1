/** The cloud's own bill. Its rules stand at `BillLine` in types.ts. */
import type { BillLine } from '../types';
import { poolKey } from '../catalog/pools';
import type { Charge, CloudState, Instance } from './records';
import { utcSeconds } from './clock';
import { spotPricesOf } from './prices';

const HOUR_SECONDS = 3600;

/** To be called when the instance begins to run; the first time it pays for what it took to get there too. */
export function startCharge(state: CloudState, instance: Instance, now: number): void {
  state.charges.push({
    instanceId: instance.instanceId,
    instanceType: instance.instanceType,
    zoneId: instance.zoneId,
    tags: { ...instance.tags },
    from: instance.runningAt === undefined ? instance.createdAt : now,
    to: undefined,
    spot: instance.spotStrategy !== 'NoSpot',
    spotDuration: instance.spotDuration,
    priceYuanPerHour: instance.priceYuanPerHour,
  });
}

export function endCharge(state: CloudState, instanceId: string, now: number): void {
  const charge = state.charges.find((line) => line.instanceId === instanceId && line.to === undefined);
  if (charge) charge.to = now;
}

export function bill(state: CloudState, now: number): BillLine[] {
  return state.charges.map((charge) => {
    const from = seconds(charge.from);
    const to = seconds(charge.to ?? now);
    return {
      instanceId: charge.instanceId,
      instanceType: charge.instanceType,
      zoneId: charge.zoneId,
      tags: charge.tags,
      from: utcSeconds(charge.from),
      to: charge.to === undefined ? undefined : utcSeconds(charge.to),
      seconds: to - from,
      priceYuanPerHour: charge.priceYuanPerHour,
      yuan: Math.round((yuanSeconds(state, charge, from, to) * 1e6) / 3600) / 1e6,
    };
  });
}

/** Sum of price × seconds over the stretches of one price each. */
function yuanSeconds(state: CloudState, charge: Charge, from: number, to: number): number {
  if (!charge.spot) return (to - from) * charge.priceYuanPerHour;
  const fixedUntil = Math.min(to, from + charge.spotDuration * HOUR_SECONDS);
  let sum = (fixedUntil - from) * charge.priceYuanPerHour;
  const pool = state.home.pools.get(poolKey(charge.zoneId, charge.instanceType));
  if (!pool) return sum;
  const points = spotPricesOf(state, pool, charge.spotDuration);
  points.forEach(({ at, yuanPerHour }, index) => {
    const since = Math.max(seconds(at), fixedUntil);
    const until = Math.min(seconds(points[index + 1]?.at ?? Infinity), to);
    if (until > since) sum += (until - since) * yuanPerHour;
  });
  return sum;
}

/** The cloud's books know whole seconds. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
