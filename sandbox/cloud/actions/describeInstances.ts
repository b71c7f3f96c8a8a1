import { z } from 'zod';
import { INSTANCE_TYPES } from '../catalog/instanceTypes';
import { utcMinutes, utcSeconds } from '../model/clock';
import type { Disk, Instance } from '../model/records';
import { ApiError, notFound } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { hasTags, jsonList, matchesPattern, page, paging, tagFilter, tagSet, text, textList } from './fields';

export function instanceOf(context: Context, instanceId: string): Instance {
  const instance = context.region.instances.get(instanceId);
  if (!instance) throw notFound('InvalidInstanceId.NotFound', 'InstanceId');
  return instance;
}

export function describeInstance(context: Context, instance: Instance) {
  const type = INSTANCE_TYPES.get(instance.instanceType);
  return {
    InstanceId: instance.instanceId,
    InstanceName: instance.name,
    HostName: instance.hostName,
    Hostname: instance.hostName,
    Description: instance.description,
    ImageId: instance.imageId,
    RegionId: context.regionId,
    ZoneId: instance.zoneId,
    InstanceType: instance.instanceType,
    InstanceTypeFamily: type?.family ?? '',
    InstanceNetworkType: 'vpc',
    InstanceChargeType: instance.chargeType,
    InternetChargeType: instance.internetChargeType,
    InternetMaxBandwidthOut: instance.internetMaxBandwidthOut,
    InternetMaxBandwidthIn: 100,
    KeyPairName: instance.keyPairName,
    SpotStrategy: instance.spotStrategy,
    SpotPriceLimit: instance.spotPriceLimit,
    SpotDuration: instance.spotDuration,
    SpotInterruptionBehavior: instance.spotInterruptionBehavior,
    AutoReleaseTime: instance.autoReleaseAt === undefined ? '' : utcSeconds(instance.autoReleaseAt),
    Cpu: type?.vcpus ?? 0,
    CPU: type?.vcpus ?? 0,
    Memory: (type?.memoryGiB ?? 0) * 1024,
    GPUAmount: type?.gpu?.amount ?? 0,
    GPUSpec: type?.gpu?.model ?? '',
    OSType: 'linux',
    OSName: context.region.images.get(instance.imageId)?.osName ?? '',
    IoOptimized: true,
    DeviceAvailable: true,
    Recyclable: instance.interruption !== undefined,
    DeletionProtection: instance.deletionProtection,
    CreditSpecification: '',
    ResourceGroupId: instance.resourceGroupId,
    CreationTime: utcMinutes(instance.createdAt),
    StartTime: instance.runningAt === undefined ? '' : utcMinutes(instance.runningAt),
    ExpiredTime: '2099-12-31T15:59Z',
    StoppedMode: 'Not-applicable',
    Tags: tagSet(instance.tags),
    PublicIpAddress: { IpAddress: instance.internetMaxBandwidthOut > 0 ? [instance.address] : [] },
    EipAddress: {},
    InnerIpAddress: { IpAddress: [] },
    VpcAttributes: {
      VpcId: instance.vpcId,
      VSwitchId: instance.vSwitchId,
      NatIpAddress: '',
      PrivateIpAddress: { IpAddress: [instance.address] },
    },
    SecurityGroupIds: { SecurityGroupId: instance.securityGroupIds },
    NetworkInterfaces: {
      NetworkInterface: [
        {
          Type: 'Primary',
          NetworkInterfaceId: instance.networkInterfaceId,
          PrimaryIpAddress: instance.address,
          MacAddress: instance.macAddress,
          PrivateIpSets: { PrivateIpSet: [{ PrivateIpAddress: instance.address, Primary: true }] },
        },
      ],
    },
    CpuOptions: {
      CoreCount: Math.max(1, (type?.vcpus ?? 2) / 2),
      ThreadsPerCore: type?.architecture === 'ARM' ? 1 : 2,
      Numa: '',
    },
    MetadataOptions: {
      HttpEndpoint: instance.metadata.httpEndpoint,
      HttpTokens: instance.metadata.httpTokens,
      HttpPutResponseHopLimit: instance.metadata.hopLimit,
    },
    OperationLocks: { LockReason: instance.interruption ? [{ LockReason: 'Recycling', LockMsg: '' }] : [] },
    DedicatedHostAttribute: {},
    EcsCapacityReservationAttr: {},
    HibernationOptions: {},
    AdditionalInfo: {},
    PrivateDnsNameOptions: {},
    Status: instance.status,
  };
}

function describeDisk(context: Context, instance: Instance, disk: Disk) {
  return {
    DiskId: disk.diskId,
    DiskName: disk.name,
    Description: '',
    RegionId: context.regionId,
    ZoneId: instance.zoneId,
    Category: disk.category,
    PerformanceLevel: disk.performanceLevel,
    Size: disk.sizeGiB,
    Type: disk.type,
    Status: 'In_use',
    InstanceId: instance.instanceId,
    Encrypted: false,
    KMSKeyId: '',
    DeleteAutoSnapshot: true,
    DeleteWithInstance: true,
    EnableAutoSnapshot: true,
    AutoSnapshotPolicyId: '',
    SourceSnapshotId: '',
    Portable: disk.type === 'data',
    Tags: tagSet(disk.tags),
    Device: disk.device,
    ImageId: disk.type === 'system' ? instance.imageId : '',
    StorageClusterId: '',
    StorageSetId: '',
    ProvisionedIops: 0,
    BurstingEnabled: false,
    IOPS: 1800 + 25 * disk.sizeGiB,
    DiskChargeType: 'PostPaid',
    ResourceGroupId: instance.resourceGroupId,
    CreationTime: utcSeconds(instance.createdAt),
    Attachments: { Attachment: [] },
    OperationLocks: { OperationLock: [] },
  };
}

const filters = z.object({
  ...paging,
  InstanceIds: jsonList.optional(),
  VpcId: text.optional(),
  VSwitchId: text.optional(),
  ZoneId: text.optional(),
  InstanceType: text.optional(),
  ImageId: text.optional(),
  SecurityGroupId: text.optional(),
  KeyPairName: text.optional(),
  InstanceName: text.optional(),
  InstanceChargeType: text.optional(),
  Status: text.optional(),
  PrivateIpAddresses: jsonList.optional(),
  Tag: tagFilter,
});

function matches(instance: Instance, wanted: z.output<typeof filters>): boolean {
  const equal = (value: string, filter: string | undefined): boolean => filter === undefined || value === filter;
  return (
    (wanted.InstanceIds === undefined || wanted.InstanceIds.includes(instance.instanceId)) &&
    equal(instance.vpcId, wanted.VpcId) &&
    equal(instance.vSwitchId, wanted.VSwitchId) &&
    equal(instance.zoneId, wanted.ZoneId) &&
    equal(instance.instanceType, wanted.InstanceType) &&
    equal(instance.imageId, wanted.ImageId) &&
    equal(instance.keyPairName, wanted.KeyPairName) &&
    equal(instance.chargeType, wanted.InstanceChargeType) &&
    equal(instance.status, wanted.Status) &&
    (wanted.SecurityGroupId === undefined || instance.securityGroupIds.includes(wanted.SecurityGroupId)) &&
    (wanted.InstanceName === undefined || matchesPattern(instance.name, wanted.InstanceName)) &&
    (wanted.PrivateIpAddresses === undefined || wanted.PrivateIpAddresses.includes(instance.address)) &&
    hasTags(instance.tags, wanted.Tag)
  );
}

const STATUSES = ['Pending', 'Starting', 'Running', 'Stopping', 'Stopped'];

/** One instance of those named by `InstanceIds`, described by `describe`; for actions that answer an entry for each id. */
function eachOf(context: Context, ids: readonly string[] | undefined): Instance[] {
  const all = [...context.region.instances.values()];
  return ids === undefined ? all : all.filter((instance) => ids.includes(instance.instanceId));
}

export const describeInstanceActions: ActionGroup = {
  service: 'ecs',
  actions: {
    /** What is gone is left out: no error. */
    DescribeInstances: action(filters, (context, wanted) => {
      if (wanted.Status !== undefined && !STATUSES.includes(wanted.Status)) {
        throw new ApiError(404, 'InvalidStatus.NotFound', 'The specified Status does not exist.');
      }
      const found = [...context.region.instances.values()].filter((instance) => matches(instance, wanted)).reverse();
      const { items, fields } = page(found, wanted, 10);
      return { ...fields, Instances: { Instance: items.map((instance) => describeInstance(context, instance)) } };
    }),

    DescribeInstanceStatus: action(
      z.object({ ...paging, InstanceId: textList.optional(), ZoneId: text.optional() }),
      (context, wanted) => {
        const found = eachOf(context, wanted.InstanceId).filter(
          (one) => wanted.ZoneId === undefined || one.zoneId === wanted.ZoneId,
        );
        const { items, fields } = page(found, wanted, 10);
        return {
          ...fields,
          InstanceStatuses: {
            InstanceStatus: items.map((one) => ({ InstanceId: one.instanceId, Status: one.status })),
          },
        };
      },
    ),

    DescribeInstanceAttribute: action(z.object({ InstanceId: text }), (context, wanted) =>
      describeInstance(context, instanceOf(context, wanted.InstanceId)),
    ),

    DescribeUserData: action(z.object({ InstanceId: text }), (context, wanted) => ({
      InstanceId: wanted.InstanceId,
      RegionId: context.regionId,
      UserData: instanceOf(context, wanted.InstanceId).userData,
    })),

    DescribeInstanceRamRole: action(
      z.object({ ...paging, InstanceIds: jsonList.optional(), RamRoleName: text.optional() }),
      (context, wanted) => {
        const found = eachOf(context, wanted.InstanceIds).filter(
          (one) =>
            one.ramRoleName !== '' && (wanted.RamRoleName === undefined || one.ramRoleName === wanted.RamRoleName),
        );
        const { items } = page(found, wanted);
        return {
          TotalCount: found.length,
          InstanceRamRoleSets: {
            InstanceRamRoleSet: items.map((one) => ({ InstanceId: one.instanceId, RamRoleName: one.ramRoleName })),
          },
        };
      },
    ),

    DescribeInstanceMaintenanceAttributes: action(z.object({ InstanceId: textList.optional() }), (context, wanted) => {
      const found = eachOf(context, wanted.InstanceId);
      return {
        TotalCount: found.length,
        MaintenanceAttributes: {
          MaintenanceAttribute: found.map((one) => ({
            InstanceId: one.instanceId,
            MaintenanceWindows: { MaintenanceWindow: [] },
            ActionOnMaintenance: {
              Value: 'AutoRecover',
              DefaultValue: 'AutoRecover',
              SupportedValues: { SupportedValue: [] },
            },
            NotifyOnMaintenance: false,
          })),
        },
      };
    }),

    DescribeInstanceAttachmentAttributes: action(z.object({ ...paging, InstanceIds: jsonList }), (context, wanted) => {
      const { items, fields } = page(eachOf(context, wanted.InstanceIds), wanted, 10);
      return {
        ...fields,
        Instances: {
          Instance: items.map((one) => ({
            InstanceId: one.instanceId,
            PrivatePoolOptionsMatchCriteria: 'None',
            PrivatePoolOptionsId: '',
          })),
        },
      };
    }),

    DescribeDisks: action(
      z.object({
        ...paging,
        InstanceId: text.optional(),
        DiskIds: jsonList.optional(),
        DiskType: z.enum(['all', 'system', 'data']).default('all'),
        Category: text.optional(),
        Tag: tagFilter,
      }),
      (context, wanted) => {
        const all = [...context.region.instances.values()].flatMap((instance) =>
          instance.disks.map((disk) => ({ instance, disk })),
        );
        const found = all.filter(
          ({ instance, disk }) =>
            (wanted.InstanceId === undefined || instance.instanceId === wanted.InstanceId) &&
            (wanted.DiskIds === undefined || wanted.DiskIds.includes(disk.diskId)) &&
            (wanted.DiskType === 'all' || disk.type === wanted.DiskType) &&
            (wanted.Category === undefined || wanted.Category === 'all' || disk.category === wanted.Category) &&
            hasTags(disk.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, Disks: { Disk: items.map(({ instance, disk }) => describeDisk(context, instance, disk)) } };
      },
    ),
  },
};
