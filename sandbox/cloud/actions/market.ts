/** What is in stock, and how often it is taken back. */
import { z } from 'zod';
import { DISK_CATEGORIES, type DiskCategory } from '../catalog/disks';
import { INSTANCE_TYPES } from '../catalog/instanceTypes';
import { stockOf, zoneIds } from '../catalog/pools';
import { poolAt, poolsOf } from '../model/pools';
import { ApiError, missingParameter } from '../server/errors';
import type { Pool } from '../types';
import { action, type ActionGroup, type Context } from './action';
import { integer, text, textList } from './fields';

export function poolsWhere(context: Context, zoneId: string | undefined, types: readonly string[] | undefined): Pool[] {
  const { region } = context;
  if (types === undefined) return poolsOf(region).filter((pool) => zoneId === undefined || pool.zoneId === zoneId);
  const zones = zoneId === undefined ? zoneIds(region.catalog.regionId) : [zoneId];
  return zones.flatMap((zone) => types.map((type) => poolAt(region, zone, type)).filter((pool) => pool !== undefined));
}

/**
 * The API's documentation doesn't say whether a type that nobody sells is an error or an empty
 * answer: a test chooses.
 */
export function unknownType(context: Context, otherwise: 'refuse' | 'empty'): void {
  if ((context.state.unknownTypes ?? otherwise) === 'refuse')
    throw new ApiError(404, 'InvalidInstanceType.NotFound', 'The specified InstanceType does not exist.');
}

/** Pools by zone, in the order of the zones. */
function byZone(pools: readonly Pool[]): Map<string, Pool[]> {
  const zones = new Map<string, Pool[]>();
  for (const pool of pools) {
    const zone = zones.get(pool.zoneId);
    if (zone) zone.push(pool);
    else zones.set(pool.zoneId, [pool]);
  }
  return zones;
}

const STATUS_OF = {
  WithStock: { Status: 'Available', StatusCategory: 'WithStock' },
  // There is some, but no more will come.
  ClosedWithStock: { Status: 'Available', StatusCategory: 'ClosedWithStock' },
  WithoutStock: { Status: 'SoldOut', StatusCategory: 'WithoutStock' },
} as const;

function disksOf(pools: readonly Pool[]): readonly DiskCategory[] {
  const taken = pools.flatMap((pool) => INSTANCE_TYPES.get(pool.instanceType)?.disks ?? []);
  return DISK_CATEGORIES.filter((category) => taken.includes(category));
}

const gib = z
  .string()
  .regex(/^\d+(\.\d+)?$/)
  .transform(Number);

const stockQuestion = z.object({
  DestinationResource: z.enum(['Zone', 'IoOptimized', 'InstanceType', 'Network', 'ddh', 'SystemDisk', 'DataDisk']),
  ResourceType: z.enum(['instance', 'disk', 'reservedinstance', 'ddh']).default('instance'),
  ZoneId: text.optional(),
  InstanceType: text.optional(),
  SystemDiskCategory: text.optional(),
  SpotStrategy: z.enum(['NoSpot', 'SpotWithPriceLimit', 'SpotAsPriceGo']).default('NoSpot'),
  Cores: integer(1, 1024).optional(),
  Memory: gib.optional(),
});

type StockQuestion = z.output<typeof stockQuestion>;

function resources(pools: readonly Pool[], { DestinationResource: destination, SpotStrategy }: StockQuestion) {
  switch (destination) {
    case 'SystemDisk':
    case 'DataDisk':
      return disksOf(pools).map((Value) => ({ Value, Min: 20, Max: 2048, Unit: 'GiB', ...STATUS_OF.WithStock }));
    case 'InstanceType':
      return pools.map((pool) => ({
        Value: pool.instanceType,
        ...STATUS_OF[stockOf(pool, SpotStrategy !== 'NoSpot')],
      }));
    case 'IoOptimized':
      return [{ Value: 'optimized', ...STATUS_OF.WithStock }];
    case 'Network':
      return [{ Value: 'vpc', ...STATUS_OF.WithStock }];
    default:
      return [];
  }
}

function availableZone(context: Context, zoneId: string, pools: readonly Pool[], wanted: StockQuestion) {
  const inStock = pools.some((pool) => stockOf(pool, wanted.SpotStrategy !== 'NoSpot') !== 'WithoutStock');
  const supported = { SupportedResource: resources(pools, wanted) };
  return {
    RegionId: context.regionId,
    ZoneId: zoneId,
    ...STATUS_OF[inStock ? 'WithStock' : 'WithoutStock'],
    ...(wanted.DestinationResource === 'Zone'
      ? {}
      : {
          AvailableResources: {
            AvailableResource: [{ Type: wanted.DestinationResource, SupportedResources: supported }],
          },
        }),
  };
}

function matchesSize(pool: Pool, cores: number | undefined, memory: number | undefined): boolean {
  const type = INSTANCE_TYPES.get(pool.instanceType);
  return (cores === undefined || type?.vcpus === cores) && (memory === undefined || type?.memoryGiB === memory);
}

/** Without a category the answer says nothing about disks. */
function takesDisk(pool: Pool, category: string | undefined): boolean {
  return category === undefined || (INSTANCE_TYPES.get(pool.instanceType)?.disks ?? []).some((one) => one === category);
}

export const marketActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeAvailableResource: action(stockQuestion, (context, wanted) => {
      if (wanted.DestinationResource === 'SystemDisk' && wanted.InstanceType === undefined)
        throw missingParameter('InstanceType');
      if (wanted.InstanceType !== undefined && !INSTANCE_TYPES.has(wanted.InstanceType)) unknownType(context, 'empty');
      const types = wanted.InstanceType === undefined ? undefined : [wanted.InstanceType];
      const pools = poolsWhere(context, wanted.ZoneId, types).filter(
        (pool) => matchesSize(pool, wanted.Cores, wanted.Memory) && takesDisk(pool, wanted.SystemDiskCategory),
      );
      const zones = [...byZone(pools)].map(([zoneId, found]) => availableZone(context, zoneId, found, wanted));
      return { AvailableZones: { AvailableZone: zones } };
    }),

    DescribeSpotAdvice: action(
      z.object({
        ZoneId: text.optional(),
        InstanceTypes: textList.optional(),
        Cores: integer(1, 1024).optional(),
        Memory: gib.optional(),
      }),
      (context, wanted) => {
        if (wanted.InstanceTypes?.some((type) => !INSTANCE_TYPES.has(type))) unknownType(context, 'empty');
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
