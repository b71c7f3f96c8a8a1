/** What there is to choose from: regions, zones, instance types, images. */
import { z } from 'zod';
import { INSTANCE_TYPES, type InstanceType } from '../catalog/instanceTypes';
import { DISK_CATEGORIES } from '../catalog/disks';
import { zoneIds } from '../catalog/pools';
import { REGION_IDS } from '../catalog/regions';
import { poolsOf } from '../model/pools';
import { action, type ActionGroup, type Context } from './action';
import { integer, page, text, textList } from './fields';

const CATEGORY: Readonly<Record<InstanceType['kind'], string>> = {
  enterprise: 'General-purpose',
  entry: 'General-purpose',
  shared: 'Shared',
  metal: 'ECS Bare Metal',
  gpu: 'Compute-optimized with GPU',
  'local-disk': 'Local SSDs',
};

/** What the region sells, by name. */
function soldIn(context: Context): InstanceType[] {
  return [...INSTANCE_TYPES.values()].slice(0, context.region.catalog.types);
}

function describeType(type: InstanceType) {
  return {
    InstanceTypeId: type.name,
    InstanceTypeFamily: type.family,
    InstanceCategory: CATEGORY[type.kind],
    InstanceFamilyLevel: type.level,
    CpuCoreCount: type.vcpus,
    MemorySize: type.memoryGiB,
    CpuArchitecture: type.architecture,
    GPUAmount: type.gpu?.amount ?? 0,
    GPUSpec: type.gpu?.model ?? '',
    GPUMemorySize: type.gpu?.memoryGiB ?? 0,
    EniQuantity: 4,
    EniPrivateIpAddressQuantity: 15,
    LocalStorageCategory: type.kind === 'local-disk' ? 'local_ssd_pro' : '',
    BaselineCredit: type.kind === 'shared' ? 10 : 0,
    NvmeSupport: 'unsupported',
    DiskQuantity: 17,
    NetworkCardQuantity: 1,
  };
}

function describeZone(context: Context, zoneId: string) {
  const types = poolsOf(context.region)
    .filter((pool) => pool.zoneId === zoneId)
    .map((pool) => pool.instanceType);
  return {
    ZoneId: zoneId,
    LocalName: `Zone ${zoneId.slice(-1).toUpperCase()}`,
    ZoneType: 'AvailabilityZone',
    AvailableInstanceTypes: { InstanceTypes: types },
    AvailableResourceCreation: { ResourceTypes: ['VSwitch', 'IoOptimized', 'Instance', 'Disk'] },
    AvailableDiskCategories: { DiskCategories: DISK_CATEGORIES },
    AvailableVolumeCategories: { VolumeCategories: ['local_ssd_pro'] },
    DedicatedHostGenerations: { DedicatedHostGeneration: [] },
  };
}

export const placeActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeRegions: action(z.object({}), () => ({
      Regions: {
        Region: REGION_IDS.map((id) => ({
          RegionId: id,
          LocalName: id,
          RegionEndpoint: `ecs.${id}.aliyuncs.com`,
          Status: 'available',
        })),
      },
    })),

    DescribeZones: action(z.object({}), (context) => ({
      Zones: { Zone: zoneIds(context.regionId).map((id) => describeZone(context, id)) },
    })),

    DescribeInstanceTypes: action(
      z.object({
        InstanceTypes: textList.optional(),
        InstanceTypeFamily: text.optional(),
        MaxResults: integer(1, 1600).optional(),
        NextToken: text.optional(),
        CpuArchitecture: text.optional(),
        MinimumCpuCoreCount: integer(1, 1024).optional(),
        MaximumCpuCoreCount: integer(1, 1024).optional(),
        MinimumMemorySize: z.coerce.number().optional(),
        MaximumMemorySize: z.coerce.number().optional(),
        MinimumGPUAmount: integer(0, 16).optional(),
        GPUSpec: text.optional(),
      }),
      (context, wanted) => {
        const found = soldIn(context).filter(
          (type) =>
            (wanted.InstanceTypes === undefined || wanted.InstanceTypes.includes(type.name)) &&
            (wanted.InstanceTypeFamily === undefined || wanted.InstanceTypeFamily === type.family) &&
            (wanted.CpuArchitecture === undefined || wanted.CpuArchitecture.toUpperCase() === type.architecture) &&
            type.vcpus >= (wanted.MinimumCpuCoreCount ?? 0) &&
            type.vcpus <= (wanted.MaximumCpuCoreCount ?? Infinity) &&
            type.memoryGiB >= (wanted.MinimumMemorySize ?? 0) &&
            type.memoryGiB <= (wanted.MaximumMemorySize ?? Infinity) &&
            (type.gpu?.amount ?? 0) >= (wanted.MinimumGPUAmount ?? 0) &&
            (wanted.GPUSpec === undefined || type.gpu?.model === wanted.GPUSpec),
        );
        const { items, fields } = page(found, {
          PageNumber: 1,
          NextToken: wanted.NextToken,
          MaxResults: wanted.MaxResults ?? 1600,
        });
        return { NextToken: fields.NextToken, InstanceTypes: { InstanceType: items.map(describeType) } };
      },
    ),

    DescribeInstanceTypeFamilies: action(z.object({}), (context) => {
      const families = new Map(soldIn(context).map((type) => [type.family, type.level]));
      return {
        InstanceTypeFamilies: {
          InstanceTypeFamily: [...families].map(([id, level]) => ({ InstanceTypeFamilyId: id, Generation: level })),
        },
      };
    }),
  },
};
