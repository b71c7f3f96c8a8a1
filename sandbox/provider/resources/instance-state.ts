/**
 * Reads an instance as the real provider does: ten calls in a fixed order, and the outputs that
 * come of them.
 */
import type { Answer } from '../api/client';
import { secret, stringMap, text, type Properties } from '../values';
import { callApi } from './calls';
import type { Context, State } from './resource';
import { readTags } from './tags';

const READ_MS = 10 * 60_000;
const ATTRIBUTES = ['META_OPTIONS', 'NETWORK_PRIMARY_ENI_IP', 'LOGIN_AS_NON_ROOT', 'DISK_HIGH_DENSITY_MODE'];
const MORE_ATTRIBUTES = [...ATTRIBUTES.slice(0, 3), 'LOGIN_AS_NON_ROOT', 'CPU_OPTIONS_TOPOLOGY_TYPE'];

/** Undefined: the cloud does not know it. */
export async function describeInstance(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callApi(context, {
    action: 'DescribeInstances',
    params: { InstanceIds: JSON.stringify([id]), ...numbered('AdditionalAttributes', ATTRIBUTES) },
    options: { library: 'query' },
    timeoutMs: READ_MS,
    pauseSeconds: [1, 1],
    resource: id,
    where: 'service_alicloud_ecs.go:141',
  });
  return answer.Instances?.Instance?.[0];
}

/** @param isNew right after creation the RAM role is not asked for */
export async function readInstance(
  context: Context,
  id: string,
  before: Properties,
  { isNew }: { readonly isNew: boolean },
): Promise<State | undefined> {
  const instance = await describeInstance(context, id);
  if (instance === undefined) return undefined;

  const call = (action: string, params: Readonly<Record<string, string>>, library: 'form' | 'query' = 'form') =>
    callApi(context, {
      action,
      params,
      options: { library },
      timeoutMs: READ_MS,
      resource: id,
      where: 'resource_alicloud_instance.go:1292',
    });

  const disks = await call('DescribeDisks', { DiskType: 'system', InstanceId: id });
  const userData = await call('DescribeUserData', { InstanceId: id }, 'query');
  const role = isNew
    ? undefined
    : await call('DescribeInstanceRamRole', { InstanceIds: JSON.stringify([id]) }, 'query');
  const interfaceId = primaryInterface(instance)?.NetworkInterfaceId;
  // Asked twice by the real provider: for the interface itself, and for its further addresses.
  const describeInterface = () =>
    call('DescribeNetworkInterfaces', numbered('NetworkInterfaceId', [text(interfaceId)]));
  const network = interfaceId === undefined ? undefined : await describeInterface();
  if (interfaceId !== undefined) await describeInterface();
  const maintenance = await call('DescribeInstanceMaintenanceAttributes', numbered('InstanceId', [id]));
  const attribute = await call('DescribeInstanceAttribute', { InstanceId: id }, 'query');
  const attachment = await call('DescribeInstanceAttachmentAttributes', { InstanceIds: JSON.stringify([id]) });
  const more = await call('DescribeInstances', {
    InstanceIds: JSON.stringify([id]),
    ...numbered('AdditionalAttributes', MORE_ATTRIBUTES),
  });

  return {
    ...instanceOutputs(instance),
    ...diskOutputs(disks.Disks?.Disk?.[0]),
    ...interfaceOutputs(instance, network?.NetworkInterfaceSets?.NetworkInterfaceSet?.[0]),
    ...maintenanceOutputs(maintenance.MaintenanceAttributes?.MaintenanceAttribute?.[0]),
    ...attachmentOutputs(attachment.Instances?.Instance?.[0]),
    ...moreOutputs(more.Instances?.Instance?.[0]),
    ...(roleName(role) === undefined ? {} : { roleName: text(roleName(role)) }),
    enableJumboFrame: attribute.EnableJumboFrame === true,
    userData: readUserData(text(userData.UserData), before),
    // What belongs to prepaid instances only, and what the cloud never tells.
    autoRenewPeriod: 0,
    periodUnit: '',
    renewalStatus: '',
    ...(isNew ? {} : { dataDisks: [], forceDelete: before['forceDelete'] === true, includeDataDisks: true }),
    dryRun: before['dryRun'] === true,
    password: secret(text(before['password'])),
    id,
  };
}

function instanceOutputs(instance: Answer): Properties {
  const metadata = instance.MetadataOptions ?? {};
  const vpc = instance.VpcAttributes ?? {};
  return {
    autoReleaseTime: text(instance.AutoReleaseTime).replace(/^(.*T\d\d:\d\d)Z$/, '$1:00Z'),
    availabilityZone: text(instance.ZoneId),
    cpu: Number(instance.Cpu ?? 0),
    createTime: text(instance.CreationTime),
    creditSpecification: text(instance.CreditSpecification),
    dedicatedHostId: text(instance.DedicatedHostAttribute?.DedicatedHostId),
    deletionProtection: instance.DeletionProtection === true,
    deploymentSetId: text(instance.DeploymentSetId),
    description: text(instance.Description),
    enableHighDensityMode: instance.AdditionalInfo?.EnableHighDensityMode === true,
    expiredTime: text(instance.ExpiredTime),
    hostName: text(instance.HostName),
    hpcClusterId: text(instance.HpcClusterId),
    httpEndpoint: text(metadata.HttpEndpoint),
    httpPutResponseHopLimit: Number(metadata.HttpPutResponseHopLimit ?? 0),
    httpTokens: text(metadata.HttpTokens),
    imageId: text(instance.ImageId),
    imageOptions: { loginAsNonRoot: instance.ImageOptions?.LoginAsNonRoot === true },
    instanceChargeType: text(instance.InstanceChargeType),
    instanceName: text(instance.InstanceName),
    instanceType: text(instance.InstanceType),
    internetChargeType: text(instance.InternetChargeType),
    internetMaxBandwidthIn: Number(instance.InternetMaxBandwidthIn ?? 0),
    internetMaxBandwidthOut: Number(instance.InternetMaxBandwidthOut ?? 0),
    keyName: text(instance.KeyPairName),
    memory: Number(instance.Memory ?? 0),
    osName: text(instance.OSName),
    osType: text(instance.OSType),
    privateIp: text(vpc.PrivateIpAddress?.IpAddress?.[0] ?? instance.InnerIpAddress?.IpAddress?.join(',')),
    publicIp: text(instance.PublicIpAddress?.IpAddress?.[0]),
    resourceGroupId: text(instance.ResourceGroupId),
    securityGroups: (instance.SecurityGroupIds?.SecurityGroupId ?? []).map(text),
    spotDuration: Number(instance.SpotDuration ?? 0),
    spotPriceLimit: Number(instance.SpotPriceLimit ?? 0),
    spotStrategy: text(instance.SpotStrategy),
    startTime: text(instance.StartTime),
    status: text(instance.Status),
    stoppedMode: text(instance.StoppedMode),
    subnetId: text(vpc.VSwitchId),
    tags: readTags(instance.Tags),
    vpcId: text(vpc.VpcId),
    vswitchId: text(vpc.VSwitchId),
  };
}

function diskOutputs(disk: Answer | undefined): Properties {
  if (disk === undefined) return {};
  return {
    systemDiskAutoSnapshotPolicyId: text(disk.AutoSnapshotPolicyId),
    systemDiskBurstingEnabled: disk.BurstingEnabled === true,
    systemDiskCategory: text(disk.Category),
    systemDiskDescription: text(disk.Description),
    systemDiskEncrypted: disk.Encrypted === true,
    systemDiskId: text(disk.DiskId),
    systemDiskKmsKeyId: text(disk.KMSKeyId),
    systemDiskName: text(disk.DiskName),
    systemDiskPerformanceLevel: text(disk.PerformanceLevel),
    systemDiskProvisionedIops: Number(disk.ProvisionedIops ?? 0),
    systemDiskSize: Number(disk.Size ?? 0),
    systemDiskStorageClusterId: text(disk.StorageClusterId),
    volumeTags: readTags(disk.Tags),
  };
}

function interfaceOutputs(instance: Answer, details: Answer | undefined): Properties {
  const primary = primaryInterface(instance);
  const addresses: readonly Answer[] = details?.PrivateIpSets?.PrivateIpSet ?? [];
  const secondary = addresses.filter(({ Primary }) => Primary !== true).map((set) => text(set.PrivateIpAddress));
  const ipv6 = (details?.Ipv6Sets?.Ipv6Set ?? []).map((set: Answer) => text(set.Ipv6Address));
  return {
    ipv6AddressCount: ipv6.length,
    ipv6Addresses: ipv6,
    networkInterfaceId: text(primary?.NetworkInterfaceId),
    networkInterfaceTrafficMode: text(details?.NetworkInterfaceTrafficMode),
    networkInterfaces: null,
    primaryIpAddress: text(primary?.PrimaryIpAddress),
    queuePairNumber: Number(details?.QueuePairNumber ?? 0),
    secondaryPrivateIpAddressCount: secondary.length,
    secondaryPrivateIps: secondary,
    sourceDestCheck: details?.SourceDestCheck === true,
  };
}

function maintenanceOutputs(maintenance: Answer | undefined): Properties {
  return {
    maintenanceAction: text(maintenance?.ActionOnMaintenance?.Value),
    maintenanceNotify: maintenance?.NotifyOnMaintenance === true,
    maintenanceTime: null,
  };
}

function attachmentOutputs(attachment: Answer | undefined): Properties {
  return {
    privatePoolOptionsId: text(attachment?.PrivatePoolOptionsId),
    privatePoolOptionsMatchCriteria: text(attachment?.PrivatePoolOptionsMatchCriteria),
  };
}

function moreOutputs(instance: Answer | undefined): Properties {
  const cpu = instance?.CpuOptions;
  return {
    spotInterruptionBehavior: text(instance?.SpotInterruptionBehavior),
    ...(cpu === undefined
      ? {}
      : {
          cpuOptions: {
            coreCount: Number(cpu.CoreCount ?? 0),
            threadsPerCore: Number(cpu.ThreadsPerCore ?? 0),
            topologyType: text(cpu.TopologyType),
          },
        }),
  };
}

/**
 * Base64 stays as it was given; what was given as plain text is kept, since the cloud answers
 * base64.
 */
function readUserData(answered: string, before: Properties): string {
  const known = text(before['userData']);
  return known !== '' && Buffer.from(known, 'utf8').toString('base64') === answered ? known : answered;
}

function primaryInterface(instance: Answer): Answer | undefined {
  return instance.NetworkInterfaces?.NetworkInterface?.find(({ Type }: Answer) => Type === 'Primary');
}

function roleName(answer: Answer | undefined): Answer | undefined {
  return answer?.InstanceRamRoleSets?.InstanceRamRoleSet?.[0]?.RamRoleName;
}

function numbered(name: string, values: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(values.map((value, index) => [`${name}.${index + 1}`, value]));
}

/** Tags of the disks, where the program names any. */
export function volumeTags(inputs: Properties): Record<string, string> | undefined {
  return inputs['volumeTags'] === undefined ? undefined : stringMap(inputs['volumeTags']);
}
