/** Stock and prices. */
import { z } from 'zod';
import { poolKey, spotPrice, stockOf } from '../catalog/pools';
import { INSTANCE_TYPES } from '../catalog/instanceTypes';
import { utcSeconds } from '../model/clock';
import { spotPricesOf } from '../model/prices';
import type { Pool } from '../types';
import { ApiError } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { integer, text, textList } from './fields';

const utcTime = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

function poolsWhere(context: Context, zoneId: string | undefined, types: readonly string[] | undefined): Pool[] {
  return [...context.region.pools.values()].filter(
    (pool) =>
      (zoneId === undefined || pool.zoneId === zoneId) && (types === undefined || types.includes(pool.instanceType)),
  );
}

/** Pools by zone, in the order of the zones. */
function byZone(pools: readonly Pool[]): Map<string, Pool[]> {
  const zones = new Map<string, Pool[]>();
  for (const pool of pools) zones.set(pool.zoneId, [...(zones.get(pool.zoneId) ?? []), pool]);
  return zones;
}

const STATUS_OF = {
  WithStock: { Status: 'Available', StatusCategory: 'WithStock' },
  // There is some, but no more will come.
  ClosedWithStock: { Status: 'Available', StatusCategory: 'ClosedWithStock' },
  WithoutStock: { Status: 'SoldOut', StatusCategory: 'WithoutStock' },
} as const;

const DISK_CATEGORIES = ['cloud_essd', 'cloud_auto', 'cloud_efficiency', 'cloud_ssd'];

function supported(pools: readonly Pool[], resourceType: string, spot: boolean) {
  if (resourceType === 'SystemDisk' || resourceType === 'DataDisk') {
    return DISK_CATEGORIES.map((Value) => ({ Value, Min: 20, Max: 2048, Unit: 'GiB', ...STATUS_OF.WithStock }));
  }
  return pools.map((pool) => ({ Value: pool.instanceType, ...STATUS_OF[stockOf(pool, spot)] }));
}

function availableZone(context: Context, zoneId: string, pools: readonly Pool[], resourceType: string, spot: boolean) {
  const inStock = pools.some((pool) => stockOf(pool, spot) !== 'WithoutStock');
  return {
    RegionId: context.regionId,
    ZoneId: zoneId,
    ...STATUS_OF[inStock ? 'WithStock' : 'WithoutStock'],
    AvailableResources: {
      AvailableResource: [
        {
          Type: resourceType,
          SupportedResources: { SupportedResource: supported(pools, resourceType, spot) },
        },
      ],
    },
  };
}

function matchesSize(pool: Pool, cores: number | undefined, memory: number | undefined): boolean {
  const type = INSTANCE_TYPES.get(pool.instanceType);
  return (cores === undefined || type?.vcpus === cores) && (memory === undefined || type?.memoryGiB === memory);
}

const HOUR_MS = 3600_000;

/** One price for each full hour within the time asked for, one for each change, and one for its end. */
function history(context: Context, pool: Pool, spotDuration: number, { from, to }: { from: number; to: number }) {
  const points = spotPricesOf(context.state, pool, spotDuration);
  const fullHours: number[] = [];
  for (let at = Math.ceil(from / HOUR_MS) * HOUR_MS; at < to; at += HOUR_MS) fullHours.push(at);
  const changes = points.map(({ at }) => at).filter((at) => at >= from && at < to);
  return [...new Set([...fullHours, ...changes, to])]
    .sort((a, b) => a - b)
    .map((at) => ({
      ZoneId: pool.zoneId,
      InstanceType: pool.instanceType,
      IoOptimized: 'optimized',
      NetworkType: 'vpc',
      OriginPrice: pool.onDemandYuanPerHour,
      SpotPrice: points.findLast((point) => point.at <= at)?.yuanPerHour ?? spotPrice(pool, spotDuration),
      Timestamp: utcSeconds(at),
    }));
}

/** Left out: the three hours before now. */
function timeAsked(
  context: Context,
  { StartTime, EndTime }: { StartTime?: string | undefined; EndTime?: string | undefined },
) {
  const now = context.clock.now();
  const to = Math.min(EndTime === undefined ? now : Date.parse(EndTime), now);
  const from = StartTime === undefined ? to - 3 * HOUR_MS : Date.parse(StartTime);
  return { from, to };
}

export const marketActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeAvailableResource: action(
      z.object({
        DestinationResource: z.enum(['Zone', 'IoOptimized', 'InstanceType', 'SystemDisk', 'DataDisk', 'Network']),
        ZoneId: text.optional(),
        InstanceType: text.optional(),
        SpotStrategy: z.enum(['NoSpot', 'SpotWithPriceLimit', 'SpotAsPriceGo']).default('NoSpot'),
        Cores: integer(1, 1024).optional(),
        Memory: z
          .string()
          .regex(/^\d+(\.\d+)?$/)
          .transform(Number)
          .optional(),
      }),
      (context, wanted) => {
        const pools = poolsWhere(
          context,
          wanted.ZoneId,
          wanted.InstanceType === undefined ? undefined : [wanted.InstanceType],
        );
        const zones = byZone(pools.filter((pool) => matchesSize(pool, wanted.Cores, wanted.Memory)));
        return {
          AvailableZones: {
            AvailableZone: [...zones].map(([zoneId, found]) =>
              availableZone(context, zoneId, found, wanted.DestinationResource, wanted.SpotStrategy !== 'NoSpot'),
            ),
          },
        };
      },
    ),

    DescribeSpotPriceHistory: action(
      z.object({
        InstanceType: text,
        NetworkType: text,
        ZoneId: text.optional(),
        SpotDuration: integer(0, 6).default(1),
        StartTime: utcTime.optional(),
        EndTime: utcTime.optional(),
      }),
      (context, wanted) => {
        if (!INSTANCE_TYPES.has(wanted.InstanceType)) {
          throw new ApiError(404, 'InvalidInstanceType.NotFound', 'The specified InstanceType does not exist.');
        }
        const pools = poolsWhere(context, wanted.ZoneId, [wanted.InstanceType]);
        return {
          Currency: 'CNY',
          NextOffset: 0,
          SpotPrices: {
            SpotPriceType: pools.flatMap((pool) =>
              history(context, pool, wanted.SpotDuration, timeAsked(context, wanted)),
            ),
          },
        };
      },
    ),

    DescribeSpotAdvice: action(
      z.object({
        ZoneId: text.optional(),
        InstanceTypes: textList.optional(),
        Cores: integer(1, 1024).optional(),
        Memory: z
          .string()
          .regex(/^\d+(\.\d+)?$/)
          .transform(Number)
          .optional(),
      }),
      (context, wanted) => {
        const pools = poolsWhere(context, wanted.ZoneId, wanted.InstanceTypes).filter((pool) =>
          matchesSize(pool, wanted.Cores, wanted.Memory),
        );
        return {
          RegionId: context.regionId,
          AvailableSpotZones: {
            AvailableSpotZone: [...byZone(pools)].map(([zoneId, found]) => ({
              ZoneId: zoneId,
              AvailableSpotResources: { AvailableSpotResource: found.map(advice) },
            })),
          },
        };
      },
    ),

    DescribePrice: action(
      z.object({
        ResourceType: text.default('instance'),
        InstanceType: text,
        ZoneId: text.optional(),
        Amount: integer(1, 1000).default(1),
        Period: integer(1, 36).default(1),
        PriceUnit: text.default('Hour'),
        SpotStrategy: z.enum(['NoSpot', 'SpotWithPriceLimit', 'SpotAsPriceGo']).default('NoSpot'),
        SpotDuration: integer(0, 6).default(1),
      }),
      (context, wanted) => ({ PriceInfo: priceInfo(context, wanted) }),
    ),
  },
};

function advice(pool: Pool) {
  const rate = pool.interruptionRate;
  const steps = [
    [3, '0-3%'],
    [5, '3-5%'],
    [10, '5-10%'],
  ] as const;
  return {
    InstanceType: pool.instanceType,
    AverageSpotDiscount: Math.round((pool.spotYuanPerHour / pool.onDemandYuanPerHour) * 100),
    InterruptionRate: rate,
    InterruptRateDesc: steps.find(([below]) => rate <= below)?.[1] ?? '10-100%',
  };
}

interface PriceQuestion {
  readonly InstanceType: string;
  readonly ZoneId?: string | undefined;
  readonly Amount: number;
  readonly SpotStrategy: string;
  readonly SpotDuration: number;
}

function priceInfo(context: Context, wanted: PriceQuestion) {
  const pool =
    wanted.ZoneId === undefined
      ? poolsWhere(context, undefined, [wanted.InstanceType]).sort((a, b) => a.spotYuanPerHour - b.spotYuanPerHour)[0]
      : context.region.pools.get(poolKey(wanted.ZoneId, wanted.InstanceType));
  if (!pool) {
    throw new ApiError(
      404,
      'PriceNotFound',
      'The price of your queried resource is not available now, please try other resources.',
    );
  }
  const original = pool.onDemandYuanPerHour * wanted.Amount;
  const trade =
    (wanted.SpotStrategy === 'NoSpot' ? pool.onDemandYuanPerHour : spotPrice(pool, wanted.SpotDuration)) *
    wanted.Amount;
  return {
    Price: {
      OriginalPrice: original,
      DiscountPrice: Math.round((original - trade) * 1000) / 1000,
      TradePrice: trade,
      Currency: 'CNY',
      ReservedInstanceHourPrice: 0,
      DetailInfos: {
        DetailInfo: [
          {
            Resource: 'instanceType',
            OriginalPrice: original,
            DiscountPrice: Math.round((original - trade) * 1000) / 1000,
            TradePrice: trade,
            SubRules: { Rule: [] },
          },
        ],
      },
    },
    Rules: { Rule: [] },
  };
}
