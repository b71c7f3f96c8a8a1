/**
 * alicloud.ecs.EipAddress and alicloud.ecs.EipAssociation: a public address, and what it is bound
 * to.
 */
import { clientToken, type Answer } from '../api/client';
import { stringMap, text, type Properties } from '../values';
import { callVpc, waitUntil } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { optional } from './security-group';
import { changeTags, readTags } from './tags';

const ADDRESS_FILE = 'resource_alicloud_eip_address.go';
const ASSOCIATION_FILE = 'resource_alicloud_eip_association.go';
const STATUSES = ['Available', 'Associating', 'Unassociating', 'InUse', 'Releasing'];
const BUSY = ['OperationConflict', 'LastTokenProcessing', 'IncorrectStatus', 'SystemBusy', 'ServiceUnavailable'];

export const eipAddress: ResourceType = {
  token: 'alicloud:ecs/eipAddress:EipAddress',
  required: [],
  defaults: {},
  computed: [
    ...['addressName', 'allocationId', 'bandwidth', 'createTime', 'deletionProtection', 'description'],
    ...['highDefinitionMonitorLogStatus', 'instanceChargeType', 'internetChargeType', 'ipAddress', 'isp', 'mode'],
    ...['name', 'netmode', 'paymentType', 'resourceGroupId', 'status', 'zone'],
  ],
  replaceOn: ['internetChargeType', 'ipAddress', 'isp', 'netmode', 'paymentType', 'instanceChargeType', 'zone'],
  timeouts: minutes(9, 9, 9),

  async create(context, inputs, created) {
    const payment = text(inputs['paymentType'] ?? inputs['instanceChargeType']);
    const answer = await callVpc(context, {
      action: 'AllocateEipAddress',
      params: {
        InstanceId: text(inputs['allocationId']),
        ClientToken: clientToken('AllocateEipAddress'),
        Bandwidth: optional(inputs['bandwidth']),
        Name: optional(inputs['addressName'] ?? inputs['name']),
        Description: optional(inputs['description']),
        ISP: optional(inputs['isp']),
        Netmode: optional(inputs['netmode']),
        InternetChargeType: optional(inputs['internetChargeType']),
        InstanceChargeType: payment === 'PayAsYouGo' ? 'PostPaid' : optional(payment),
        ResourceGroupId: optional(inputs['resourceGroupId']),
      },
      inQuery: ['InstanceId'],
      during: 'create',
      retryCodes: [...BUSY, 'FrequentPurchase.EIP'],
      resource: 'alicloud_eip_address',
      where: `${ADDRESS_FILE}:282`,
    });
    const id = text(answer.AllocationId);
    created(id);
    const state = async () => {
      const status = (await describe(context, id))?.Status as string | undefined;
      return status === 'InUse' ? 'Available' : status;
    };
    const wait = { id, target: 'Available', pending: STATUSES, timeoutMs: context.timeouts.create };
    await waitUntil(context, { ...wait, state, where: `${ADDRESS_FILE}:290` });
    await changeTags(context, 'EIP', id, {}, inputs['tags'], 'vpc');
    return existing(await readAddress(context, id), id);
  },

  read: (context, id) => readAddress(context, id),

  async update(context, id, before, inputs) {
    const changed = (name: string) => inputs[name] !== undefined && inputs[name] !== before[name];
    if (['bandwidth', 'description', 'addressName'].some(changed)) {
      await callVpc(context, {
        action: 'ModifyEipAddressAttribute',
        params: {
          AllocationId: id,
          ...(changed('bandwidth') && { Bandwidth: text(inputs['bandwidth']) }),
          ...(changed('description') && { Description: text(inputs['description']) }),
          ...(changed('addressName') && { Name: text(inputs['addressName']) }),
        },
        inQuery: ['AllocationId'],
        during: 'update',
        retryCodes: [...BUSY, 'IncorrectEipStatus', 'IncorrectStatus.ResourceStatus', 'VPC_TASK_CONFLICT'],
        resource: id,
        where: `${ADDRESS_FILE}:445`,
      });
    }
    await changeTags(context, 'EIP', id, before['tags'], inputs['tags'], 'vpc');
    return existing(await readAddress(context, id), id);
  },

  async delete(context, id) {
    await callVpc(context, {
      action: 'ReleaseEipAddress',
      params: { AllocationId: id },
      inQuery: ['AllocationId'],
      during: 'delete',
      retryCodes: [...BUSY, 'IncorrectEipStatus'],
      resource: id,
      where: `${ADDRESS_FILE}:640`,
    });
    const state = async () => (await describe(context, id))?.Status as string | undefined;
    const wait = { id, target: undefined, pending: STATUSES, timeoutMs: context.timeouts.delete };
    await waitUntil(context, { ...wait, state, where: `${ADDRESS_FILE}:646` });
  },
};

async function describe(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callVpc(context, {
    action: 'DescribeEipAddresses',
    params: { AllocationId: id },
    inQuery: ['AllocationId', 'RegionId'],
    during: 'read',
    resource: id,
    where: 'service_alicloud_eip_v2.go:47',
  });
  return answer.EipAddresses?.EipAddress?.[0];
}

async function readAddress(context: Context, id: string): Promise<State | undefined> {
  const address = await describe(context, id);
  return address === undefined ? undefined : { id, ...addressOutputs(address), allocationId: id };
}

function addressOutputs(address: Answer): Properties {
  return {
    addressName: text(address.Name),
    bandwidth: text(address.EipBandwidth ?? address.Bandwidth),
    createTime: text(address.AllocationTime),
    deletionProtection: address.DeletionProtection === true,
    description: text(address.Description),
    highDefinitionMonitorLogStatus: text(address.HDMonitorStatus),
    instanceChargeType: text(address.ChargeType),
    internetChargeType: text(address.InternetChargeType),
    ipAddress: text(address.IpAddress),
    isp: text(address.ISP),
    mode: text(address.Mode),
    name: text(address.Name),
    netmode: text(address.Netmode),
    paymentType: address.ChargeType === 'PrePaid' ? 'Subscription' : 'PayAsYouGo',
    resourceGroupId: text(address.ResourceGroupId),
    status: text(address.Status),
    tags: stringMap(readTags(address.Tags)),
    zone: text(address.Zone),
  };
}

export const eipAssociation: ResourceType = {
  token: 'alicloud:ecs/eipAssociation:EipAssociation',
  required: ['allocationId', 'instanceId'],
  defaults: {},
  computed: ['instanceType', 'mode'],
  replaceOn: ['allocationId', 'instanceId', 'instanceType', 'privateIpAddress', 'vpcId'],
  timeouts: minutes(5, 5, 5),

  async create(context, inputs, created) {
    const [allocationId, instanceId] = [text(inputs['allocationId']), text(inputs['instanceId'])];
    await callVpc(context, {
      action: 'AssociateEipAddress',
      params: {
        InstanceId: instanceId,
        AllocationId: allocationId,
        ClientToken: clientToken('AssociateEipAddress'),
        InstanceType: optional(inputs['instanceType']) ?? kindOf(instanceId),
        PrivateIpAddress: optional(inputs['privateIpAddress']),
        Mode: optional(inputs['mode']),
        VpcId: optional(inputs['vpcId']),
      },
      inQuery: BOTH,
      during: 'create',
      retryCodes: [...BUSY, ...NOT_READY, 'IncorrectStatus.NatGateway'],
      resource: 'alicloud_eip_association',
      where: `${ASSOCIATION_FILE}:121`,
    });
    const id = `${allocationId}:${instanceId}`;
    created(id);
    return existing(await readAssociation(context, id), id);
  },

  read: (context, id) => readAssociation(context, id),

  async delete(context, id, before) {
    const [allocationId = '', instanceId = ''] = id.split(':');
    await callVpc(context, {
      action: 'UnassociateEipAddress',
      params: {
        AllocationId: allocationId,
        InstanceId: instanceId,
        ClientToken: clientToken('UnassociateEipAddress'),
        InstanceType: optional(before['instanceType']) ?? kindOf(instanceId),
        PrivateIpAddress: optional(before['privateIpAddress']),
      },
      inQuery: BOTH,
      during: 'delete',
      retryCodes: [...BUSY, ...NOT_READY, ...STILL_USED],
      resource: id,
      where: `${ASSOCIATION_FILE}:252`,
    });
    const state = async () => ((await bound(context, id)) === undefined ? undefined : 'InUse');
    const wait = { id, target: undefined, pending: STATUSES, timeoutMs: context.timeouts.delete };
    await waitUntil(context, { ...wait, state, where: `${ASSOCIATION_FILE}:259` });
  },
};

const BOTH = ['InstanceId', 'AllocationId'];
const NOT_READY = ['TaskConflict', 'IncorrectEipStatus', 'InvalidBindingStatus', 'IncorrectInstanceStatus'];
const STILL_USED = ['InvalidIpStatus.HasBeenUsedBySnatTable', 'InvalidStatus.NotAllow', 'InvalidStatus.SnatOrDnat'];

/** What an id's beginning says that it is. */
function kindOf(instanceId: string): string {
  if (instanceId.startsWith('lb-')) return 'SlbInstance';
  return instanceId.startsWith('ngw-') ? 'Nat' : 'EcsInstance';
}

async function bound(context: Context, id: string): Promise<Answer | undefined> {
  const [allocationId = '', instanceId = ''] = id.split(':');
  const address = await describe(context, allocationId);
  return text(address?.InstanceId) === instanceId ? address : undefined;
}

async function readAssociation(context: Context, id: string): Promise<State | undefined> {
  const address = await bound(context, id);
  if (address === undefined) return undefined;
  const [allocationId = '', instanceId = ''] = id.split(':');
  return {
    id,
    allocationId,
    instanceId,
    instanceType: text(address.InstanceType),
    mode: text(address.Mode),
    privateIpAddress: text(address.PrivateIpAddress),
    vpcId: text(address.VpcId),
  };
}
