import * as z from 'zod/mini';
import { count, currency, nested, number, tags, text, time, told } from './fields';
import type { CloudImage, CloudInstance, InstanceType, VSwitch } from './types';

/**
 * The API's answers, as far as we read them. Field names and nesting: ECS 2014-05-26, VPC
 * 2016-04-28.
 */

/** The first; one that is still to come may stand there as ''. */
const address = z.pipe(
  nested('IpAddress', text),
  z.transform((list) => list.find((one) => one !== '')),
);

const instance = z.object({
  InstanceId: z.string(),
  Status: z.string(),
  InstanceType: text,
  ZoneId: text,
  VpcAttributes: z.optional(z.nullable(z.object({ PrivateIpAddress: address }))),
  PublicIpAddress: address,
  EipAddress: z.optional(z.nullable(z.object({ IpAddress: text }))),
  Tags: tags,
  CreationTime: time,
  AutoReleaseTime: time,
  SpotStrategy: text,
  SpotDuration: number,
  Cpu: number,
  Memory: number,
  OperationLocks: nested('LockReason', z.object({ LockReason: text })),
});

export const describeInstances = z.object({
  TotalCount: count,
  NextToken: text,
  Instances: nested('Instance', instance),
});

export function toInstance(one: z.infer<typeof instance>): CloudInstance {
  return {
    instanceId: one.InstanceId,
    status: one.Status as CloudInstance['status'],
    instanceType: one.InstanceType,
    zoneId: one.ZoneId,
    privateAddress: one.VpcAttributes?.PrivateIpAddress,
    publicAddress: one.PublicIpAddress ?? (one.EipAddress?.IpAddress || undefined),
    tags: one.Tags,
    createdAt: one.CreationTime,
    market: one.SpotStrategy === '' || one.SpotStrategy === 'NoSpot' ? 'on-demand' : 'spot',
    durationHours: one.SpotDuration > 0 ? 1 : 0,
    autoReleaseTime: one.AutoReleaseTime || undefined,
    recycling: one.OperationLocks.some((lock) => lock.LockReason === 'Recycling'),
    ...(one.Cpu > 0 && one.Memory > 0 ? { size: { vcpu: one.Cpu, memoryMiB: one.Memory } } : {}),
  };
}

export const describeDisks = z.object({
  Disks: nested('Disk', z.object({ CreationTime: time, Category: text, PerformanceLevel: text, Size: number })),
});

export const describeSecurityGroups = z.object({
  TotalCount: count,
  NextToken: text,
  SecurityGroups: nested('SecurityGroup', z.object({ SecurityGroupId: z.string(), Tags: tags, CreationTime: time })),
});

export const describeKeyPairs = z.object({
  TotalCount: count,
  KeyPairs: nested('KeyPair', z.object({ KeyPairName: z.string(), Tags: tags, CreationTime: time })),
});

const vSwitch = z.object({
  VSwitchId: z.string(),
  ZoneId: text,
  CidrBlock: text,
  AvailableIpAddressCount: z.nullish(count),
  Status: text,
  Tags: tags,
});

export const describeVSwitches = z.object({ TotalCount: count, VSwitches: nested('VSwitch', vSwitch) });

/** How many of a vSwitch's addresses the cloud keeps for itself. */
const KEPT = 4;

export function toVSwitch(one: z.infer<typeof vSwitch>): VSwitch {
  return {
    vSwitchId: one.VSwitchId,
    zoneId: one.ZoneId,
    cidrBlock: one.CidrBlock,
    // Where it is not told the vSwitch is not taken for full.
    freeAddresses: one.AvailableIpAddressCount ?? 2 ** (32 - Number(one.CidrBlock.split('/')[1] ?? 24)) - KEPT,
    tags: one.Tags,
  };
}

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
  Currency: currency,
  SpotPrices: nested(
    'SpotPriceType',
    z.object({ ZoneId: z.string(), SpotPrice: number, OriginPrice: number, Timestamp: time }),
  ),
});

export const describeSpotAdvice = z.object({
  AvailableSpotZones: nested(
    'AvailableSpotZone',
    z.object({
      ZoneId: z.string(),
      AvailableSpotResources: nested(
        'AvailableSpotResource',
        z.object({ InstanceType: z.string(), InterruptionRate: number, AverageSpotDiscount: number }),
      ),
    }),
  ),
});

export const describePrice = z.object({
  PriceInfo: z.object({ Price: z.object({ TradePrice: told, Currency: currency }) }),
});

const instanceType = z.object({
  InstanceTypeId: z.string(),
  CpuCoreCount: number,
  MemorySize: number,
  GPUAmount: number,
  CpuArchitecture: text,
  InstanceFamilyLevel: text,
  LocalStorageCategory: text,
});

export const describeInstanceTypes = z.object({
  NextToken: text,
  InstanceTypes: nested('InstanceType', instanceType),
});

/** @param asked what was asked for, where the answer doesn't say its architecture. */
export function toInstanceType(one: z.infer<typeof instanceType>, asked: InstanceType['architecture']): InstanceType {
  return {
    name: one.InstanceTypeId,
    vcpu: one.CpuCoreCount,
    memoryGiB: one.MemorySize,
    gpus: one.GPUAmount,
    architecture: one.CpuArchitecture === '' ? asked : one.CpuArchitecture === 'ARM' ? 'arm64' : 'x86_64',
    level: one.InstanceFamilyLevel,
    hasLocalDisk: one.LocalStorageCategory !== '',
  };
}

const image = z.object({
  ImageId: z.string(),
  ImageName: text,
  CreationTime: time,
  Architecture: text,
  Features: z.optional(z.nullable(z.object({ ImdsSupport: text }))),
});

export const describeImages = z.object({
  TotalCount: count,
  Images: nested('Image', image),
});

export function toImage({ ImageId, Architecture, Features }: z.infer<typeof image>): CloudImage {
  const support = Features?.ImdsSupport ?? '';
  return {
    imageId: ImageId,
    imdsSupport: support === 'v1' || support === 'v2' ? support : undefined,
    ...(Architecture === 'x86_64' || Architecture === 'arm64' ? { architecture: Architecture } : {}),
  };
}
