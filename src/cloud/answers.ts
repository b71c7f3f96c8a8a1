import * as z from 'zod/mini';
import type { CloudInstance } from './types';

/** The API's answers, as far as we read them. Field names and nesting: ECS 2014-05-26, VPC 2016-04-28. */

/** Lists come as `{Things: {Thing: […]}}`, and are left out or null when empty. */
const nested = <S extends z.ZodMiniType>(key: string, item: S) =>
  z.pipe(
    z.pipe(
      z.optional(z.nullable(z.record(z.string(), z.unknown()))),
      z.transform((value): unknown => value?.[key] ?? []),
    ),
    z.array(item),
  );
const text = z.pipe(
  z.optional(z.nullable(z.string())),
  z.transform((value) => value ?? ''),
);
const number = z.pipe(
  z.optional(z.nullable(z.union([z.number(), z.string()]))),
  z.transform((value) => Number(value ?? 0)),
);

export const tag = z.object({ TagKey: text, TagValue: text, Key: text, Value: text });
const tags = z.pipe(
  nested('Tag', tag),
  z.transform((list) => Object.fromEntries(list.map((one) => [one.TagKey || one.Key, one.TagValue || one.Value]))),
);

const instance = z.object({
  InstanceId: z.string(),
  Status: z.string(),
  InstanceType: text,
  ZoneId: text,
  VpcAttributes: z.optional(z.nullable(z.object({ PrivateIpAddress: nested('IpAddress', z.string()) }))),
  PublicIpAddress: nested('IpAddress', z.string()),
  EipAddress: z.optional(z.nullable(z.object({ IpAddress: text }))),
  Tags: tags,
  CreationTime: text,
  AutoReleaseTime: text,
  SpotStrategy: text,
  SpotDuration: number,
  OperationLocks: nested('LockReason', z.object({ LockReason: text })),
});

export const describeInstances = z.object({
  TotalCount: number,
  NextToken: text,
  Instances: nested('Instance', instance),
});

export function toInstance(one: z.infer<typeof instance>): CloudInstance {
  return {
    instanceId: one.InstanceId,
    status: one.Status as CloudInstance['status'],
    instanceType: one.InstanceType,
    zoneId: one.ZoneId,
    privateAddress: one.VpcAttributes?.PrivateIpAddress[0],
    publicAddress: one.PublicIpAddress[0] ?? (one.EipAddress?.IpAddress || undefined),
    tags: one.Tags,
    createdAt: one.CreationTime,
    market: one.SpotStrategy === '' || one.SpotStrategy === 'NoSpot' ? 'on-demand' : 'spot',
    durationHours: one.SpotDuration > 0 ? 1 : 0,
    autoReleaseTime: one.AutoReleaseTime || undefined,
    recycling: one.OperationLocks.some((lock) => lock.LockReason === 'Recycling'),
  };
}

export const describeDisks = z.object({ Disks: nested('Disk', z.object({ CreationTime: text })) });

export const describeSecurityGroups = z.object({
  TotalCount: number,
  NextToken: text,
  SecurityGroups: nested('SecurityGroup', z.object({ SecurityGroupId: z.string(), Tags: tags, CreationTime: text })),
});

export const describeKeyPairs = z.object({
  TotalCount: number,
  KeyPairs: nested('KeyPair', z.object({ KeyPairName: z.string(), Tags: tags, CreationTime: text })),
});

export const describeVSwitches = z.object({
  TotalCount: number,
  VSwitches: nested(
    'VSwitch',
    z.object({ VSwitchId: z.string(), ZoneId: text, AvailableIpAddressCount: number, Status: text }),
  ),
});

export const describeAvailableResource = z.object({
  AvailableZones: nested(
    'AvailableZone',
    z.object({
      ZoneId: z.string(),
      AvailableResources: nested(
        'AvailableResource',
        z.object({
          SupportedResources: nested(
            'SupportedResource',
            z.object({ Value: z.string(), Status: text, StatusCategory: text }),
          ),
        }),
      ),
    }),
  ),
});

export const describeSpotPriceHistory = z.object({
  NextOffset: number,
  SpotPrices: nested(
    'SpotPriceType',
    z.object({ ZoneId: z.string(), SpotPrice: number, OriginPrice: number, Timestamp: text }),
  ),
});

export const describeSpotAdvice = z.object({
  AvailableSpotZones: nested(
    'AvailableSpotZone',
    z.object({
      ZoneId: z.string(),
      AvailableSpotResources: nested(
        'AvailableSpotResource',
        z.object({ InstanceType: z.string(), InterruptionRate: number }),
      ),
    }),
  ),
});

export const describePrice = z.object({
  PriceInfo: z.object({
    Price: z.object({
      TradePrice: number,
      DetailInfos: nested('DetailInfo', z.object({ Resource: text, TradePrice: number })),
    }),
  }),
});

export const describeInstanceTypes = z.object({
  NextToken: text,
  InstanceTypes: nested(
    'InstanceType',
    z.object({
      InstanceTypeId: z.string(),
      CpuCoreCount: number,
      MemorySize: number,
      GPUAmount: number,
      CpuArchitecture: text,
    }),
  ),
});

export const describeImages = z.object({
  Images: nested('Image', z.object({ ImageId: z.string(), CreationTime: text, Status: text })),
});
