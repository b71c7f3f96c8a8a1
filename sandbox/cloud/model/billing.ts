/** The cloud's own bill. Its rules stand at `BillLine` in types.ts. */
import { diskYuanPerHour, TRAFFIC_YUAN_PER_GIB } from '../catalog/disks';
import type { BillLine, CostLine } from '../types';
import { poolAt } from './pools';
import type { Charge, CloudState, Instance } from './records';
import { utcSeconds } from './clock';
import { spotPricesOf } from './prices';

const HOUR_SECONDS = 3600;

/**
 * To be called when the instance begins to run; the first time it pays for what it took to get
 * there too.
 */
export function startCharge(state: CloudState, instance: Instance, now: number): void {
  if (instance.runningAt === undefined) startDiskCharges(state, instance);
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

function startDiskCharges(state: CloudState, instance: Instance): void {
  for (const disk of instance.disks) {
    state.diskCharges.push({
      instanceId: instance.instanceId,
      yuanPerHour: diskYuanPerHour(disk),
      from: instance.createdAt,
      to: undefined,
    });
  }
}

/** A stopped instance keeps its disks, and pays for them; one that is gone doesn't. */
export function endDiskCharges(state: CloudState, instanceId: string, now: number): void {
  for (const charge of state.diskCharges) if (charge.instanceId === instanceId) charge.to ??= now;
}

export function chargeTraffic(state: CloudState, instance: Instance, gib: number): void {
  if (instance.internetMaxBandwidthOut > 0 && instance.internetChargeType === 'PayByTraffic')
    state.trafficCharges.push({ instanceId: instance.instanceId, gib });
}

export function costs(state: CloudState, now: number): CostLine[] {
  const lines = bill(state, now);
  return [...new Set(lines.map((line) => line.instanceId))].map((instanceId) => {
    const own = <T extends { readonly instanceId: string }>(all: readonly T[]): T[] =>
      all.filter((one) => one.instanceId === instanceId);
    const instanceYuan = micro(sum(own(lines), (line) => line.yuan));
    const diskYuan = micro(
      sum(
        own(state.diskCharges),
        (one) => ((seconds(one.to ?? now) - seconds(one.from)) * one.yuanPerHour) / HOUR_SECONDS,
      ),
    );
    const trafficYuan = micro(sum(own(state.trafficCharges), ({ gib }) => gib * TRAFFIC_YUAN_PER_GIB));
    const yuan = micro(instanceYuan + diskYuan + trafficYuan);
    return { instanceId, tags: own(lines)[0]!.tags, instanceYuan, diskYuan, trafficYuan, yuan };
  });
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function micro(yuan: number): number {
  return Math.round(yuan * 1e6) / 1e6;
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
      yuan: micro(yuanSeconds(state, charge, from, to) / HOUR_SECONDS),
    };
  });
}

/** Sum of price × seconds over the stretches of one price each. */
function yuanSeconds(state: CloudState, charge: Charge, from: number, to: number): number {
  if (!charge.spot) return (to - from) * charge.priceYuanPerHour;
  const fixedUntil = Math.min(to, from + charge.spotDuration * HOUR_SECONDS);
  let sum = (fixedUntil - from) * charge.priceYuanPerHour;
  const pool = poolAt(state.home, charge.zoneId, charge.instanceType);
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
