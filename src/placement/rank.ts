import { CNY, unitOf, type Currency } from '../currency';
import type { Pool } from '../jobs/types';
import type { Profile } from '../settings/types';
import { INTERRUPTED, refusalOf } from './refusals';
import type { Candidate, Failure, Quote, Ranking, Rejected, Zone } from './types';

/** All that a ranking follows from. Pure: no clock, no cloud. */
export interface RankInput {
  readonly profile: Profile;
  /** The profile's types, named or resolved, in its own order. */
  readonly types: readonly string[];
  readonly zones: readonly Zone[];
  readonly quotes: readonly Quote[];
  /** What the profile's disk costs, beside any instance. */
  readonly diskYuanPerHour?: number | undefined;
  /** Of all prices; left out: yuan. */
  readonly currency?: Currency | undefined;
  /** Failures of any job, on this host. */
  readonly failures: readonly Failure[];
  /** Pools that were taken from earlier tries of this very job. */
  readonly losses: readonly Pool[];
  readonly timeoutMs: number;
  readonly nowMs: number;
}

const HOUR_MS = 3_600_000;
/** After this many spot instances were taken from the same job, pay-as-you-go comes first. */
const LOSSES_UNTIL_ON_DEMAND = { spot: 2, 'on-demand': 1 } as const;
const MINUTE_MS = 60_000;
/**
 * Two interruptions in a zone within this time: it is being emptied, and its other pools are next.
 */
const ZONE_WINDOW_MS = 15 * MINUTE_MS;
export const ZONE_CLOSED_MS = 30 * MINUTE_MS;

/**
 * Protected hours to ask for. `auto`: one where the whole job fits into it, so that it can't be
 * interrupted; none for a longer job, since the protection would end halfway and an unprotected
 * hour is about a tenth cheaper.
 */
export function protectedHours(profile: Profile, timeoutMs: number): 0 | 1 {
  if (profile.spot.protectedHour === 'always') return 1;
  if (profile.spot.protectedHour === 'never') return 0;
  return timeoutMs <= HOUR_MS ? 1 : 0;
}

/**
 * Orders types × zones: pools that recently refused after those that did not, spot before
 * pay-as-you-go (unless this job lost two spot instances already), pools where instances are being
 * taken back after other spot pools, then by expected cost; pools without a price keep the
 * profile's order and come after those with one.
 */
export function rank(input: RankInput): Ranking {
  const candidates: Ranked[] = [];
  const rejected: Rejected[] = [];
  for (const option of options(input)) {
    const refused = whyNot(option, input);
    if (refused) rejected.push({ ...known(option), reason: refused });
    else candidates.push(option);
  }
  const onDemandFirst = input.losses.length >= LOSSES_UNTIL_ON_DEMAND[input.profile.spot.afterInterruption];
  candidates.sort((a, b) => compare(a, b, onDemandFirst));
  return { candidates: candidates.map(toCandidate), rejected, warnings: [] };
}

interface Ranked extends Omit<Candidate, 'reason'> {
  readonly position: number;
  readonly held: Failure | undefined;
  readonly lost: boolean;
  readonly freeAddresses: number;
}

function* options(input: RankInput): Generator<Ranked> {
  const quotes = new Map(input.quotes.map((quote) => [`${quote.instanceType}@${quote.zoneId}`, quote]));
  const interruptions = input.failures.filter(({ code }) => code === INTERRUPTED);
  const refusals = input.failures.filter(({ code }) => code !== INTERRUPTED);
  const emptied = emptiedZones(interruptions, input.nowMs);
  let position = 0;
  for (const instanceType of input.types) {
    for (const zone of input.zones) {
      const quote = quotes.get(`${instanceType}@${zone.zoneId}`);
      for (const market of ['spot', 'on-demand'] as const) {
        const pool: Pool = { instanceType, zoneId: zone.zoneId, vSwitchId: zone.vSwitchId, market };
        yield {
          ...pool,
          position: position++,
          priceYuanPerHour: market === 'spot' ? quote?.spotYuanPerHour : quote?.onDemandYuanPerHour,
          onDemandYuanPerHour: quote?.onDemandYuanPerHour,
          diskYuanPerHour: input.diskYuanPerHour,
          currency: input.currency ?? CNY,
          interruptionRate: market === 'spot' ? quote?.interruptionRate : 0,
          stock: (market === 'spot' ? quote?.spotStock : quote?.onDemandStock) ?? 'unknown',
          durationHours: market === 'spot' ? protectedHours(input.profile, input.timeoutMs) : 0,
          held:
            refusals.find((failure) => holds(failure, pool, input.nowMs)) ??
            interruptions.find((failure) => holds(failure, pool, input.nowMs)) ??
            (market === 'spot' ? emptied.get(zone.zoneId) : undefined),
          lost: input.losses.some((loss) => samePool(loss, pool)),
          freeAddresses: zone.freeAddresses,
        };
      }
    }
  }
}

/**
 * Whether that failure still speaks against the pool: the same pool, or its whole zone where the
 * failure was the zone's.
 */
function holds(failure: Failure, pool: Pool, nowMs: number): boolean {
  const refusal = refusalOf(failure.code);
  if (failure.atMs + refusal.holdMs <= nowMs) return false;
  return refusal.scope === 'zone' ? failure.pool.zoneId === pool.zoneId : samePool(failure.pool, pool);
}

/** Zones whose spot instances are being taken back, each with the last interruption there. */
export function emptiedZones(interruptions: readonly Failure[], nowMs: number): ReadonlyMap<string, Failure> {
  const emptied = new Map<string, Failure>();
  const last = new Map<string, Failure>();
  const earlier = interruptions.flatMap((one) =>
    one.previousMs === undefined ? [] : { ...one, atMs: one.previousMs },
  );
  for (const failure of [...earlier, ...interruptions].sort((a, b) => a.atMs - b.atMs)) {
    const { zoneId } = failure.pool;
    const before = last.get(zoneId);
    if (before && failure.atMs - before.atMs <= ZONE_WINDOW_MS && failure.atMs + ZONE_CLOSED_MS > nowMs)
      emptied.set(zoneId, failure);
    last.set(zoneId, failure);
  }
  return emptied;
}

/** The same type in the same zone on the same market, whichever vSwitch. */
export function samePool(a: Pool, b: Pool): boolean {
  return a.instanceType === b.instanceType && a.zoneId === b.zoneId && a.market === b.market;
}

function whyNot(option: Ranked, { profile }: RankInput): string | undefined {
  const cap = profile.spot.maxPriceYuanPerHour;
  if (profile.zones.length > 0 && !profile.zones.includes(option.zoneId)) return 'the profile does not allow this zone';
  if (option.market === 'on-demand' && profile.spot.fallback !== 'on-demand')
    return 'the profile allows no pay-as-you-go';
  if (option.stock === 'WithoutStock') return 'no stock';
  if (option.freeAddresses === 0) return 'no free address in the vSwitch';
  if (option.priceYuanPerHour !== undefined && option.priceYuanPerHour > cap)
    return `above the profile's ${cap} ${unitOf(option.currency)}/h`;
  // A spot request carries the cap as its price limit; pay-as-you-go has no such guard, so an
  // unknown price is no bargain.
  if (option.market === 'on-demand' && option.priceYuanPerHour === undefined) return 'its price is not known';
  return undefined;
}

function compare(a: Ranked, b: Ranked, onDemandFirst: boolean): number {
  return (
    Number(isRefused(a)) - Number(isRefused(b)) ||
    Number(a.lost) - Number(b.lost) ||
    marketRank(a, onDemandFirst) - marketRank(b, onDemandFirst) ||
    // An interruption costs a part of the work, pay-as-you-go several times the price: only other
    // spot pools come before.
    Number(a.held !== undefined) - Number(b.held !== undefined) ||
    expectedYuanPerHour(a) - expectedYuanPerHour(b) ||
    a.position - b.position
  );
}

function isRefused({ held }: Ranked): boolean {
  return held !== undefined && held.code !== INTERRUPTED;
}

function marketRank(option: Ranked, onDemandFirst: boolean): number {
  if (onDemandFirst) return option.market === 'on-demand' ? 0 : 1;
  // Spot at the full price (with a protected hour even more) saves nothing and can be reclaimed.
  if (option.market === 'spot') return savesNothing(option) ? 2 : 0;
  return 1;
}

function savesNothing({ priceYuanPerHour = 0, onDemandYuanPerHour = Infinity }: Ranked): boolean {
  return priceYuanPerHour >= onDemandYuanPerHour;
}

/**
 * An interrupted job is run again: its expected price is that of instance and disk, and the share
 * that is paid twice. Unknown comes last.
 */
function expectedYuanPerHour(option: Ranked): number {
  if (option.priceYuanPerHour === undefined) return Number.MAX_SAFE_INTEGER;
  const rate = option.market === 'spot' && option.durationHours === 0 ? (option.interruptionRate ?? 0) : 0;
  return (option.priceYuanPerHour + (option.diskYuanPerHour ?? 0)) * (1 + rate / 100);
}

function toCandidate(option: Ranked): Candidate {
  return { ...known(option), durationHours: option.durationHours, reason: reasonOf(option) };
}

function known({
  zoneId,
  vSwitchId,
  instanceType,
  market,
  priceYuanPerHour,
  onDemandYuanPerHour,
  diskYuanPerHour,
  currency,
  interruptionRate,
  stock,
}: Ranked) {
  const price = { priceYuanPerHour, onDemandYuanPerHour, diskYuanPerHour, currency };
  return { zoneId, vSwitchId, instanceType, market, ...price, interruptionRate, stock };
}

function reasonOf(option: Ranked): string {
  if (option.held) return `excluded for now: ${refusalOf(option.held.code).meaning}`;
  if (option.lost) return 'excluded for now: reclaimed from an earlier try of this job';
  if (option.priceYuanPerHour === undefined) return "the profile's order (its price is not known)";
  if (option.market === 'on-demand') return 'pay-as-you-go';
  if (savesNothing(option)) return 'spot, but no cheaper than pay-as-you-go';
  return 'spot price';
}
