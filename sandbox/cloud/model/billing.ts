/** The cloud's own bill. Its rules stand at `BillLine` in types.ts. */
import type { BillLine } from '../types';
import type { Charge, CloudState, Instance } from './records';
import { utcSeconds } from './clock';

export function startCharge(state: CloudState, instance: Instance, now: number): void {
  state.charges.push({
    instanceId: instance.instanceId,
    instanceType: instance.instanceType,
    zoneId: instance.zoneId,
    tags: { ...instance.tags },
    from: now,
    to: undefined,
    priceYuanPerHour: instance.priceYuanPerHour,
  });
}

export function endCharge(state: CloudState, instanceId: string, now: number): void {
  const charge = state.charges.find((line) => line.instanceId === instanceId && line.to === undefined);
  if (charge) charge.to = now;
}

export function bill(charges: readonly Charge[], now: number): BillLine[] {
  return charges.map((charge) => {
    const seconds = Math.round(((charge.to ?? now) - charge.from) / 1000);
    return {
      instanceId: charge.instanceId,
      instanceType: charge.instanceType,
      zoneId: charge.zoneId,
      tags: charge.tags,
      from: utcSeconds(charge.from),
      to: charge.to === undefined ? undefined : utcSeconds(charge.to),
      seconds,
      priceYuanPerHour: charge.priceYuanPerHour,
      yuan: Math.round((charge.priceYuanPerHour * seconds * 100_000) / 3600) / 100_000,
    };
  });
}
