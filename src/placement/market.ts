import * as z from 'zod/mini';
import type { Cloud, Stock } from '../cloud/types';
import { isForbidden } from '../cloud/errors';
import { listPriceOf, type Disk, type HourlyPrice } from '../cloud/list-prices';
import { CNY, type Currency } from '../currency';
import type { InstanceRequirements } from '../settings/types';
import { cheapest, shortlist } from './choose-types';
import { digest } from './digest';
import { shared } from '../host/shared-cache';
import type { Quote, StockLevel, Zone } from './types';

const stockLevel = z.enum(['WithStock', 'ClosedWithStock', 'WithoutStock', 'unknown']);
const price = z.optional(z.number());
const hourlyPrice = z.object({ yuanPerHour: z.number(), currency: z.string() });
const quoteSchema = z.object({
  zoneId: z.string(),
  instanceType: z.string(),
  spotYuanPerHour: price,
  onDemandYuanPerHour: price,
  interruptionRate: price,
  spotStock: stockLevel,
  onDemandStock: stockLevel,
});
const marketSchema = z.object({
  quotes: z.array(quoteSchema),
  currency: z.string(),
  diskYuanPerHour: price,
  warnings: z.array(z.string()),
});
const zonesSchema = z.array(z.object({ zoneId: z.string(), vSwitchId: z.string(), freeAddresses: z.number() }));

/**
 * Spot prices change slowly, stock quickly. A stale answer costs only a refused RunInstances, after
 * which the next candidate is tried.
 */
const QUOTES_MAX_AGE_MS = 60_000;
const ZONES_MAX_AGE_MS = 60_000;
const TYPES_MAX_AGE_MS = 24 * 3_600_000;
/** List prices change once in years; an account's discount from one day to the next. */
const DISK_MAX_AGE_MS = 24 * 3_600_000;

const PRICES = 'spot prices';
const DISK_PRICES = 'disk prices';

export interface MarketOptions {
  readonly cloud: Cloud;
  /** Shared by all jobs of the host. */
  readonly cacheDirectory: string;
  readonly now: () => number;
}

/** What a profile wants to know of its pools. */
export interface Terms {
  readonly durationHours: 0 | 1;
  /** Stock depends on its category: not each type takes each disk. */
  readonly disk: Disk;
  /** Whether pay-as-you-go is wanted at all. */
  readonly onDemand: boolean;
}

export interface Quotes {
  readonly quotes: readonly Quote[];
  readonly currency: Currency;
  /** Undefined: neither the cloud nor our list knows. */
  readonly diskYuanPerHour?: number | undefined;
  readonly warnings: readonly string[];
}

/**
 * What is available where and for how much, as the cloud tells it, cached for all jobs of the host.
 */
export class Market {
  constructor(private readonly options: MarketOptions) {}

  /**
   * The vSwitches to place instances in. @throws CloudRefused: without a vSwitch there is no
   * instance.
   */
  async zones(vpcId: string, vSwitchIds: readonly string[]): Promise<readonly Zone[]> {
    const all = await this.cached(`zones-${vpcId}`, ZONES_MAX_AGE_MS, zonesSchema, async () =>
      (await this.options.cloud.vSwitches(vpcId)).map(({ zoneId, vSwitchId, freeAddresses }) => ({
        zoneId,
        vSwitchId,
        freeAddresses,
      })),
    );
    return vSwitchIds.length === 0 ? all : all.filter(({ vSwitchId }) => vSwitchIds.includes(vSwitchId));
  }

  /**
   * The types of a profile by size, chosen from one listing (choose-types.ts). None: nothing of
   * that size is sold.
   * @throws CloudRefused
   */
  async types(wanted: InstanceRequirements): Promise<readonly string[]> {
    const key = `types-${digest(JSON.stringify(wanted))}`;
    return this.cached(key, TYPES_MAX_AGE_MS, z.array(z.string()), async () => {
      const { cloud } = this.options;
      const types = shortlist(await cloud.instanceTypes(wanted), wanted);
      // Only improves the choice.
      const advice = await cloud.spotAdvice(types.map(({ name }) => name)).catch(() => []);
      const share = new Map<string, number>();
      for (const { instanceType, averageShare } of advice)
        if (averageShare > 0) share.set(instanceType, Math.min(averageShare, share.get(instanceType) ?? Infinity));
      return [...cheapest(types, share)];
    });
  }

  /**
   * Quotes for each type and zone. What can't be asked is undefined or `unknown`, with a warning:
   * placement goes on without it.
   */
  async quotes(types: readonly string[], zoneIds: readonly string[], terms: Terms): Promise<Quotes> {
    const key = `quotes-${digest(JSON.stringify([types, [...zoneIds].sort(), terms]))}`;
    return this.cached(key, QUOTES_MAX_AGE_MS, marketSchema, () => this.ask(types, zoneIds, terms)) as Promise<Quotes>;
  }

  private async ask(types: readonly string[], zoneIds: readonly string[], terms: Terms) {
    const { cloud } = this.options;
    const { durationHours, disk, onDemand } = terms;
    /** Why, by what was asked: in that order, whichever is refused first. */
    const refused = new Map<string, Set<string>>();
    const orWarn = async <T>(what: string, answer: Promise<T>): Promise<T | undefined> => {
      const reasons = refused.get(what) ?? new Set();
      refused.set(what, reasons);
      try {
        return await answer;
      } catch (error) {
        reasons.add(reasonOf(error));
        return undefined;
      }
    };
    /** Type by type: what is refused for one says nothing of the others. */
    const forEach = async <T>(what: string, ask: (type: string) => Promise<readonly T[]>) =>
      new Map(await Promise.all(types.map(async (type) => [type, await orWarn(what, ask(type))] as const)));
    const [spotStock, onDemandStock, advice, prices, diskPrice] = await Promise.all([
      forEach('spot stock', (type) => cloud.stock(type, 'spot', disk.category)),
      onDemand
        ? forEach('pay-as-you-go stock', (type) => cloud.stock(type, 'on-demand', disk.category))
        : new Map<string, undefined>(),
      orWarn('interruption rates', cloud.spotAdvice(types)),
      forEach(PRICES, (type) => cloud.spotPrices(type, durationHours)),
      orWarn(DISK_PRICES, this.diskPrice(disk)),
    ]);
    const level = (stock: readonly Stock[] | undefined, zoneId: string): StockLevel =>
      // The API lists what it sells: a pool that is missing from its answer is not available.
      stock === undefined ? 'unknown' : (stock.find((entry) => entry.zoneId === zoneId)?.status ?? 'WithoutStock');
    const quotes = types.flatMap((instanceType) =>
      zoneIds.map((zoneId) => {
        const quote = prices.get(instanceType)?.find((entry) => entry.zoneId === zoneId);
        return {
          zoneId,
          instanceType,
          spotYuanPerHour: quote?.spotYuanPerHour,
          onDemandYuanPerHour: quote?.onDemandYuanPerHour || undefined,
          interruptionRate: advice?.find((entry) => entry.instanceType === instanceType && entry.zoneId === zoneId)
            ?.interruptionRate,
          spotStock: level(spotStock.get(instanceType), zoneId),
          onDemandStock: level(onDemandStock.get(instanceType), zoneId),
        };
      }),
    );
    const quoted = [...prices.values()].flatMap((list) => list ?? [])[0]?.currency;
    const money = inOneCurrency(quoted, diskPrice ?? listPriceOf(disk));
    return { quotes, ...money, warnings: warningsOf(refused) };
  }

  private diskPrice(disk: Disk): Promise<HourlyPrice> {
    const key = `disk-${digest(JSON.stringify(disk))}`;
    return this.cached(key, DISK_MAX_AGE_MS, hourlyPrice, () => this.options.cloud.diskPrice(disk));
  }

  private cached<T>(key: string, maxAgeMs: number, schema: z.ZodMiniType<T>, fetch: () => Promise<T>): Promise<T> {
    return shared({ directory: this.options.cacheDirectory, key, maxAgeMs, schema, now: this.options.now, fetch });
  }
}

/** A list price in yuan says nothing to an account that pays in dollars. */
function inOneCurrency(quoted: Currency | undefined, disk: HourlyPrice | undefined) {
  const currency = quoted ?? disk?.currency ?? CNY;
  return { currency, diskYuanPerHour: disk?.currency === currency ? disk.yuanPerHour : undefined };
}

/** Without what tells one call from another: what is refused for one reason is one warning. */
function reasonOf(error: unknown): string {
  if (isForbidden(error)) return `${error.code}; \`gitlab-spot ram-policy\` prints what the credentials need`;
  return error instanceof Error ? error.message : String(error);
}

/** One for each reason. */
function warningsOf(refused: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const reasons = new Set([...refused.values()].flatMap((some) => [...some]));
  return [...reasons].map((why) => {
    const what = [...refused].flatMap(([one, some]) => (some.has(why) ? one : []));
    return warningOf(what, why);
  });
}

function warningOf(what: readonly string[], why: string): string {
  const list = what.join(', ');
  const order = what.includes(PRICES)
    ? ', so pools are tried in the profile’s own order'
    : what.includes(DISK_PRICES)
      ? ', so the list price of the disk counts'
      : '';
  return `${list[0]!.toUpperCase()}${list.slice(1)} can't be asked (${why})${order}`;
}
