/** What things cost, and did cost. */
import { z } from 'zod';
import { diskYuanPerHour } from '../catalog/disks';
import { milli } from '../catalog/families';
import { INSTANCE_TYPES } from '../catalog/instanceTypes';
import { spotPrice } from '../catalog/pools';
import { utcSeconds } from '../model/clock';
import { poolAt } from '../model/pools';
import { spotPricesOf } from '../model/prices';
import { ApiError, missingParameter } from '../server/errors';
import type { Pool } from '../types';
import { action, type ActionGroup, type Context } from './action';
import { integer, text } from './fields';
import { poolsWhere, unknownType } from './market';

const utcTime = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
const HOUR_MS = 3600_000;
const LONGEST_HISTORY_MS = 30 * 24 * HOUR_MS;

/**
 * One price for each full hour within the time asked for, one for each change, and one for its end.
 */
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
  if (to - from > LONGEST_HISTORY_MS)
    throw new ApiError(400, 'InvalidStartTime.Malformed', 'The time range is longer than 30 days.');
  return { from, to };
}

const spot = {
  SpotStrategy: z.enum(['NoSpot', 'SpotWithPriceLimit', 'SpotAsPriceGo']).default('NoSpot'),
  SpotDuration: integer(0, 6).default(1),
};

const disk = z.object({
  Category: text.optional(),
  Size: integer(1, 65_536).optional(),
  PerformanceLevel: text.default('PL1'),
});

const question = z.object({
  ResourceType: z.enum(['instance', 'disk', 'bandwidth']).default('instance'),
  InstanceType: text.optional(),
  ZoneId: text.optional(),
  Amount: integer(1, 1000).default(1),
  SystemDisk: disk.optional(),
  DataDisk: z.array(disk).max(16).default([]),
  ...spot,
});

type Question = z.output<typeof question>;

interface Line {
  readonly Resource: string;
  readonly OriginalPrice: number;
  readonly TradePrice: number;
}

function diskLine(resource: string, { Category, Size, PerformanceLevel }: z.output<typeof disk>): Line {
  const shape = { category: Category ?? '', performanceLevel: PerformanceLevel, sizeGiB: Size ?? 20 };
  const price = micro(diskYuanPerHour(shape));
  return { Resource: resource, OriginalPrice: price, TradePrice: price };
}

function instanceLine(context: Context, wanted: Question): Line {
  if (wanted.InstanceType === undefined) throw missingParameter('InstanceType');
  const pool =
    wanted.ZoneId === undefined
      ? poolsWhere(context, undefined, [wanted.InstanceType]).sort((a, b) => a.spotYuanPerHour - b.spotYuanPerHour)[0]
      : poolAt(context.region, wanted.ZoneId, wanted.InstanceType);
  if (!pool) {
    throw new ApiError(
      404,
      'PriceNotFound',
      'The price of your queried resource is not available now, please try other resources.',
    );
  }
  const trade = wanted.SpotStrategy === 'NoSpot' ? pool.onDemandYuanPerHour : spotPrice(pool, wanted.SpotDuration);
  return { Resource: 'instanceType', OriginalPrice: pool.onDemandYuanPerHour, TradePrice: trade };
}

/**
 * Left out, the category is cloud_efficiency (documented), which newer generations refuse on the
 * international site.
 */
function checkSystemDisk({ InstanceType = '', SystemDisk }: Question): void {
  const category = SystemDisk?.Category ?? 'cloud_efficiency';
  const taken = INSTANCE_TYPES.get(InstanceType)?.disks ?? [];
  if (!taken.some((one) => one === category)) {
    throw new ApiError(
      403,
      'InvalidSystemDiskCategory.ValueNotSupported',
      `The specified parameter "SystemDisk.Category" is not valid: ${InstanceType} does not take ${category}.`,
    );
  }
}

function linesOf(context: Context, wanted: Question): Line[] {
  const data = wanted.DataDisk.map((one) => diskLine('dataDisk', one));
  if (wanted.ResourceType !== 'instance') return data;
  const instance = instanceLine(context, wanted);
  checkSystemDisk(wanted);
  return [instance, ...(wanted.SystemDisk ? [diskLine('systemDisk', wanted.SystemDisk)] : []), ...data];
}

function micro(yuan: number): number {
  return Math.round(yuan * 1e6) / 1e6;
}

function priceInfo(context: Context, wanted: Question) {
  const lines = linesOf(context, wanted).map((line) => ({
    ...line,
    OriginalPrice: line.OriginalPrice * wanted.Amount,
    TradePrice: line.TradePrice * wanted.Amount,
  }));
  const sum = (field: 'OriginalPrice' | 'TradePrice'): number =>
    micro(lines.reduce((total, line) => total + line[field], 0));
  const original = sum('OriginalPrice');
  const trade = sum('TradePrice');
  return {
    Price: {
      OriginalPrice: original,
      DiscountPrice: milli(original - trade),
      TradePrice: trade,
      Currency: context.state.currency,
      ReservedInstanceHourPrice: 0,
      DetailInfos: {
        DetailInfo: lines.map((line) => ({
          ...line,
          DiscountPrice: milli(line.OriginalPrice - line.TradePrice),
          SubRules: { Rule: [] },
        })),
      },
    },
    Rules: { Rule: [] },
  };
}

export const priceActions: ActionGroup = {
  service: 'ecs',
  actions: {
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
        const pools = poolsWhere(context, wanted.ZoneId, [wanted.InstanceType]);
        if (!INSTANCE_TYPES.has(wanted.InstanceType)) unknownType(context, 'refuse');
        return {
          Currency: context.state.currency,
          NextOffset: 0,
          SpotPrices: {
            SpotPriceType: pools.flatMap((pool) =>
              history(context, pool, wanted.SpotDuration, timeAsked(context, wanted)),
            ),
          },
        };
      },
    ),

    DescribePrice: action(question, (context, wanted) => ({ PriceInfo: priceInfo(context, wanted) })),
  },
};
