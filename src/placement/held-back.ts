import { emptiedZones, ZONE_CLOSED_MS } from './rank';
import { INTERRUPTED, refusalOf } from './refusals';
import type { Failure } from './types';

/** Pools that jobs try last for now, or a whole zone. */
export interface HeldBack {
  readonly zoneId: string;
  /** Left out: all of the zone. */
  readonly instanceType?: string | undefined;
  readonly market?: 'spot' | 'on-demand' | undefined;
  /** `out of stock` */
  readonly why: string;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** What speaks against pools now, the newest first: as ranking them goes by it. */
export function heldBack(failures: readonly Failure[], nowMs: number): readonly HeldBack[] {
  const pools = failures.map(({ pool, code, atMs }): HeldBack => {
    const { scope, meaning, holdMs } = refusalOf(code);
    const which = scope === 'zone' ? {} : { instanceType: pool.instanceType, market: pool.market };
    return { zoneId: pool.zoneId, ...which, why: meaning, sinceMs: atMs, untilMs: atMs + holdMs };
  });
  const emptied = emptiedZones(
    failures.filter(({ code }) => code === INTERRUPTED),
    nowMs,
  );
  const zones = [...emptied].map(([zoneId, { atMs }]): HeldBack => ({
    zoneId,
    market: 'spot',
    why: 'its spot instances are being taken back',
    sinceMs: atMs,
    untilMs: atMs + ZONE_CLOSED_MS,
  }));
  return [...pools, ...zones].filter(({ untilMs }) => untilMs > nowMs).sort((a, b) => b.sinceMs - a.sinceMs);
}
