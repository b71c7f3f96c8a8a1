/** What the API tells of an instance and its disks. */
import { INSTANCE_TYPES } from '../catalog/instanceTypes';
import { utcMinutes, utcSeconds } from '../model/clock';
import type { Disk, Instance } from '../model/records';
import type { Context } from './action';
import { tagSet } from './fields';

/** What DescribeInstances and DescribeInstanceAttribute both tell. */
function common(context: Context, instance: Instance) {
  const type = INSTANCE_TYPES.get(instance.instanceType);
  return {
    InstanceId: instance.instanceId,
    InstanceName: instance.name,
    HostName: instance.hostName,
    Description: instance.description,
    ImageId: instance.imageId,
    RegionId: context.regionId,
    ZoneId: instance.zoneId,
    InstanceType: instance.instanceType,
    InstanceNetworkType: 'vpc',
    InstanceChargeType: instance.chargeType,
    InternetChargeType: instance.internetChargeType,
    InternetMaxBandwidthOut: instance.internetMaxBandwidthOut,
    InternetMaxBandwidthIn: 100,
    Cpu: type?.vcpus ?? 0,
    Memory: (type?.memoryGiB ?? 0) * 1024,
    CreditSpecification: '',
    CreationTime: utcMinutes(instance.createdAt),
    ExpiredTime: '2099-12-31T15:59Z',
    StoppedMode: 'Not-applicable',
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
    DedicatedHostAttribute: {},
    Status: instance.status,
  };
}

export function describeInstance(context: Context, instance: Instance) {
  const type = INSTANCE_TYPES.get(instance.instanceType);
  return {
    ...common(context, instance),
    InstanceTypeFamily: type?.family ?? '',
    KeyPairName: instance.keyPairName,
    SpotStrategy: instance.spotStrategy,
    SpotPriceLimit: instance.spotPriceLimit,
    SpotDuration: instance.spotDuration,
    SpotInterruptionBehavior: instance.spotInterruptionBehavior,
    AutoReleaseTime: instance.autoReleaseAt === undefined ? '' : utcSeconds(instance.autoReleaseAt),
    GPUAmount: type?.gpu?.amount ?? 0,
    GPUSpec: type?.gpu?.model ?? '',
    OSType: 'linux',
    OSName: context.region.images.get(instance.imageId)?.osName ?? '',
    IoOptimized: true,
    DeviceAvailable: true,
    Recyclable: instance.interruption !== undefined,
    DeletionProtection: instance.deletionProtection,
    ResourceGroupId: instance.resourceGroupId,
    StartTime: instance.runningAt === undefined ? '' : utcMinutes(instance.runningAt),
    Tags: tagSet(instance.tags),
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
    OperationLocks: { LockReason: locks(instance) },
    EcsCapacityReservationAttr: {},
    HibernationOptions: {},
    AdditionalInfo: {},
    PrivateDnsNameOptions: {},
  };
}

export function instanceAttribute(context: Context, instance: Instance) {
  return {
    ...common(context, instance),
    IoOptimized: 'optimized',
    OperationLocks: { LockReason: locks(instance) },
  };
}

function locks(instance: Instance) {
  return instance.interruption ? [{ LockReason: 'Recycling' }] : [];
}

export function describeDisk(context: Context, instance: Instance, disk: Disk) {
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
