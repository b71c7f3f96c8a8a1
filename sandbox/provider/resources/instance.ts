/** alicloud.ecs.Instance: created, waited for, and deleted with the real provider's pauses. */
import { clientToken, listParams, tagParams, type Params } from '../api/client';
import { located } from '../api/errors';
import { stringMap, text, equal, type Properties, type Value } from '../values';
import { waitForState } from '../waits';
import { callApi, callUnless } from './calls';
import { describeInstance, readInstance, volumeTags } from './instance-state';
import { updateInstance } from './instance-update';
import { existing, minutes, type Context, type ResourceType } from './resource';
import { optional } from './security-group';
import { createTagParams } from './tags';

const INSTANCE_FILE = 'resource_alicloud_instance.go';

/**
 * Prepaid matters: the cloud answers nothing for a pay-as-you-go instance, and that is no
 * difference.
 */
const PREPAID_ONLY = ['autoRenewPeriod', 'forceDelete', 'includeDataDisks', 'period', 'periodUnit', 'renewalStatus'];

export const instance: ResourceType = {
  token: 'alicloud:ecs/instance:Instance',
  required: [],
  defaults: { autoRenewPeriod: 1, includeDataDisks: true, periodUnit: 'Month', renewalStatus: 'Normal' },
  computed: [
    ...['availabilityZone', 'cpu', 'cpuOptions', 'createTime', 'creditSpecification', 'deletionProtection'],
    ...['deploymentSetId', 'description', 'expiredTime', 'hostName', 'httpEndpoint', 'httpPutResponseHopLimit'],
    ...['httpTokens', 'imageId', 'imageOptions', 'instanceChargeType', 'instanceName', 'instanceType'],
    ...['internetChargeType', 'internetMaxBandwidthIn', 'internetMaxBandwidthOut', 'ipv6AddressCount', 'ipv6Addresses'],
    ...['keyName', 'maintenanceAction', 'maintenanceNotify', 'memory', 'networkInterfaceId'],
    ...['networkInterfaceTrafficMode', 'osName', 'osType', 'primaryIpAddress', 'privateIp', 'publicIp'],
    ...['resourceGroupId', 'roleName', 'secondaryPrivateIps', 'securityGroups', 'spotDuration'],
    ...['spotInterruptionBehavior', 'spotPriceLimit', 'spotStrategy', 'startTime', 'status', 'stoppedMode', 'subnetId'],
    ...['systemDiskCategory', 'systemDiskId', 'systemDiskPerformanceLevel', 'systemDiskSize', 'volumeTags', 'vpcId'],
    'vswitchId',
  ],
  replaceOn: [
    ...['availabilityZone', 'networkInterfaceId', 'spotDuration', 'spotInterruptionBehavior', 'spotPriceLimit'],
    ...['spotStrategy', 'systemDiskCategory', 'systemDiskEncrypted'],
  ],
  timeouts: minutes(10, 10, 20),

  check(inputs) {
    const problems: Record<string, string> = {};
    const { instanceType, imageId, spotStrategy } = inputs;
    if (instanceType === undefined)
      problems['instanceType'] = 'one of instanceType, launchTemplateId must be specified';
    if (imageId === undefined) problems['imageId'] = 'one of imageId, launchTemplateId must be specified';
    if (typeof instanceType === 'string' && instanceType.includes('.') && !instanceType.startsWith('ecs.')) {
      problems['instanceType'] = `invalid value for instance_type (prefix must be 'ecs.'): ${instanceType}`;
    }
    if (spotStrategy !== undefined && !spotStrategies.includes(text(spotStrategy)) && text(spotStrategy).length < 36) {
      problems['spotStrategy'] =
        `expected spot_strategy to be one of [${spotStrategies.join(' ')}], got ${text(spotStrategy)}`;
    }
    return problems;
  },

  same(name, before, after, inputs) {
    if (inputs['instanceChargeType'] !== 'PrePaid' && PREPAID_ONLY.includes(name)) return true;
    if (name === 'securityGroups') return equal(sorted(before), sorted(after));
    if (name === 'spotPriceLimit' && inputs['spotStrategy'] !== 'SpotWithPriceLimit') return true;
    return name === 'dryRun';
  },

  async create(context, inputs, created) {
    const answer = await callApi(context, {
      action: 'RunInstances',
      params: runParams(inputs),
      timeoutMs: context.timeouts.create,
      pauseSeconds: [1, 1],
      retryCodes: ['IncorrectVSwitchStatus'],
      resource: 'alicloud_instance',
      where: `${INSTANCE_FILE}:1275`,
    });
    const id = text(answer.InstanceIdSets?.InstanceIdSet?.[0]);
    created(id);
    await waitUntilRunning(context, id);
    await tagDisks(context, id, inputs);
    await setMetadataOptions(context, id, inputs);
    return existing(await readInstance(context, id, inputs, { isNew: true }), id);
  },

  read: (context, id, before) => readInstance(context, id, before, { isNew: false }),

  async update(context, id, before, inputs) {
    await updateInstance(context, id, before, inputs);
    const changed = (name: string) => inputs[name] !== undefined && inputs[name] !== before[name];
    if (changed('httpTokens') || changed('httpEndpoint')) await setMetadataOptions(context, id, inputs);
    const wanted = volumeTags(inputs);
    if (wanted !== undefined && !equal(wanted, stringMap(before['volumeTags']))) await tagDisks(context, id, inputs);
    return existing(await readInstance(context, id, inputs, { isNew: false }), id);
  },

  async delete(context, id) {
    const { settings } = context;
    const accepted = await callUnless(context, ['InvalidInstanceId.NotFound'], {
      action: 'DeleteInstance',
      params: { InstanceId: id, Force: true },
      options: { library: 'query' },
      timeoutMs: context.timeouts.delete,
      pauseSeconds: [1, 1],
      retryCodes: ['IncorrectInstanceStatus', 'IncorrectInstanceStatus.Initializing', 'DependencyViolation.RouteEntry'],
      resource: id,
      where: `${INSTANCE_FILE}:2678`,
    });
    if (accepted === undefined) return;
    await waitForState(
      {
        delayMs: settings.sleeps.delete,
        timeoutMs: context.timeouts.delete,
        pending: ['Pending', 'Running', 'Stopped', 'Stopping'],
        target: undefined,
        state: () => status(context, id),
      },
      { clock: context.clock, sleeps: settings.sleeps, log: context.log },
    ).catch((error: unknown) => {
      throw located(`${INSTANCE_FILE}:2684`, `Resource id：${id} `, error);
    });
  },
};

const spotStrategies = ['NoSpot', 'SpotAsPriceGo', 'SpotWithPriceLimit'];

function runParams(inputs: Properties): Params {
  const postPaid = inputs['instanceChargeType'] !== 'PrePaid';
  const userData = optional(inputs['userData']);
  return {
    ClientToken: clientToken('RunInstances'),
    DryRun: inputs['dryRun'] === true,
    InstanceType: optional(inputs['instanceType']),
    ImageId: optional(inputs['imageId']),
    ZoneId: optional(inputs['availabilityZone']),
    'SystemDisk.Category': optional(inputs['systemDiskCategory']),
    'SystemDisk.Size': optional(inputs['systemDiskSize']),
    'SystemDisk.PerformanceLevel': optional(inputs['systemDiskPerformanceLevel']),
    InstanceName: optional(inputs['instanceName']),
    ResourceGroupId: optional(inputs['resourceGroupId']),
    Description: optional(inputs['description']),
    InternetChargeType: optional(inputs['internetChargeType']),
    // Zero counts as "not given".
    InternetMaxBandwidthOut: positive(inputs['internetMaxBandwidthOut']),
    HostName: optional(inputs['hostName']),
    InstanceChargeType: optional(inputs['instanceChargeType']),
    SpotStrategy: postPaid ? optional(inputs['spotStrategy']) : undefined,
    SpotPriceLimit: postPaid ? positive(inputs['spotPriceLimit']) : undefined,
    // This one is sent also when it is zero.
    SpotDuration: optional(inputs['spotDuration']),
    SpotInterruptionBehavior: optional(inputs['spotInterruptionBehavior']),
    UserData:
      userData === undefined || isBase64(userData) ? userData : Buffer.from(userData, 'utf8').toString('base64'),
    RamRoleName: optional(inputs['roleName']),
    KeyPairName: optional(inputs['keyName']),
    SecurityEnhancementStrategy: optional(inputs['securityEnhancementStrategy']),
    AutoReleaseTime: optional(inputs['autoReleaseTime']),
    DeletionProtection: optional(inputs['deletionProtection']),
    VSwitchId: optional(inputs['vswitchId']),
    PrivateIpAddress: optional(inputs['privateIp']),
    HttpTokens: optional(inputs['httpTokens']),
    HttpEndpoint: optional(inputs['httpEndpoint']),
    ...listParams(
      'SecurityGroupIds',
      Array.isArray(inputs['securityGroups']) ? inputs['securityGroups'].map(text) : [],
    ),
    ...createTagParams(inputs),
  };
}

async function waitUntilRunning(context: Context, id: string): Promise<void> {
  const { settings, clock, log } = context;
  await waitForState(
    {
      delayMs: settings.sleeps.create,
      timeoutMs: context.timeouts.create,
      pending: ['Pending', 'Starting', 'Stopped'],
      target: 'Running',
      state: () => status(context, id),
    },
    { clock, sleeps: settings.sleeps, log },
  ).catch((error: unknown) => {
    throw located(`${INSTANCE_FILE}:1290`, `Resource id：${id} `, error);
  });
}

async function status(context: Context, id: string): Promise<string | undefined> {
  const found = await describeInstance(context, id);
  return found === undefined ? undefined : text(found.Status);
}

async function tagDisks(context: Context, id: string, inputs: Properties): Promise<void> {
  const wanted = volumeTags(inputs);
  if (wanted === undefined) return;
  const call = { timeoutMs: context.timeouts.update, resource: id, where: 'tags.go:212' };
  const options = { library: 'query' } as const;
  const disks = await callApi(context, { ...call, action: 'DescribeDisks', params: { InstanceId: id }, options });
  const diskIds = (disks.Disks?.Disk ?? []).map(({ DiskId }: { DiskId: string }) => DiskId);
  if (Object.keys(wanted).length === 0 || diskIds.length === 0) return;
  const params = { ResourceType: 'disk', ...listParams('ResourceId', diskIds), ...tagParams(wanted) };
  await callApi(context, { ...call, action: 'TagResources', params, options });
}

async function setMetadataOptions(context: Context, id: string, inputs: Properties): Promise<void> {
  if (inputs['httpTokens'] === undefined && inputs['httpEndpoint'] === undefined) return;
  await callApi(context, {
    action: 'ModifyInstanceMetadataOptions',
    params: {
      InstanceId: id,
      HttpEndpoint: optional(inputs['httpEndpoint']) ?? 'enabled',
      HttpTokens: optional(inputs['httpTokens']),
    },
    timeoutMs: context.timeouts.update,
    pauseSeconds: [3, 3],
    resource: id,
    where: `${INSTANCE_FILE}:2339`,
  });
}

function positive(value: Value | undefined): string | undefined {
  return Number(value ?? 0) > 0 ? text(value) : undefined;
}

function isBase64(value: string): boolean {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0;
}

function sorted(value: Value | undefined): Value {
  return Array.isArray(value) ? value.map(text).sort() : [];
}
