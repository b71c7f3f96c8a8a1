/**
 * alicloud.vpc.NatGateway and alicloud.vpc.SnatEntry: the way out for instances without a public
 * address.
 */
import { clientToken, type Answer } from '../api/client';
import { text, type Properties } from '../values';
import { callVpc, waitUntil } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { optional } from './security-group';
import { changeTags } from './tags';

const NAT_FILE = 'resource_alicloud_nat_gateway.go';
const SNAT_FILE = 'resource_alicloud_snat_entry.go';
const PENDING = ['Creating', 'Initiating', 'Modifying', 'Converting', 'Pending', 'Available', 'Deleting'];

export const natGateway: ResourceType = {
  token: 'alicloud:vpc/natGateway:NatGateway',
  required: ['vpcId'],
  defaults: {},
  computed: [
    ...['accessModes', 'availabilityMode', 'deletionProtection', 'eipBindMode', 'forwardTableIds', 'icmpReplyEnabled'],
    ...['instanceChargeType', 'internetChargeType', 'name', 'natGatewayName', 'natType', 'networkType', 'paymentType'],
    ...['snatTableIds', 'specification', 'status'],
  ],
  replaceOn: ['internetChargeType', 'paymentType', 'instanceChargeType', 'vpcId', 'availabilityMode'],
  timeouts: minutes(10, 10, 10),

  async create(context, inputs, created) {
    const payment = text(inputs['paymentType']) === 'PayAsYouGo' ? 'PostPaid' : optional(inputs['instanceChargeType']);
    const answer = await callVpc(context, {
      action: 'CreateNatGateway',
      params: {
        ClientToken: clientToken('CreateNatGateway'),
        VpcId: text(inputs['vpcId']),
        VSwitchId: optional(inputs['vswitchId']),
        NatType: text(inputs['natType']),
        Name: optional(inputs['natGatewayName'] ?? inputs['name']),
        Description: optional(inputs['description']),
        InternetChargeType: optional(inputs['internetChargeType']),
        InstanceChargeType: payment,
        NetworkType: optional(inputs['networkType']),
        Spec: optional(inputs['specification']),
        EipBindMode: optional(inputs['eipBindMode']),
      },
      during: 'create',
      retryCodes: ['TaskConflict', 'VswitchStatusError', 'IncorrectStatus.VSWITCH', 'OperationConflict'],
      resource: 'alicloud_nat_gateway',
      where: `${NAT_FILE}:327`,
    });
    const id = text(answer.NatGatewayId);
    created(id);
    await waitForGateway(context, id, 'Available', context.timeouts.create);
    await changeTags(context, 'NATGATEWAY', id, {}, inputs['tags'], 'vpc');
    return existing(await readGateway(context, id), id);
  },

  read: (context, id) => readGateway(context, id),

  async update(context, id, before, inputs) {
    await changeTags(context, 'NATGATEWAY', id, before['tags'], inputs['tags'], 'vpc');
    return existing(await readGateway(context, id), id);
  },

  async delete(context, id, before) {
    const accepted = await callVpc(context, {
      action: 'DeleteNatGateway',
      params: { NatGatewayId: id, ...(before['force'] === true && { Force: true }) },
      during: 'delete',
      retryCodes: ['DependencyViolation.BandwidthPackages', 'DependencyViolation.EIPS', 'OperationConflict'],
      resource: id,
      where: `${NAT_FILE}:656`,
      unless: GONE,
    });
    if (accepted !== undefined) await waitForGateway(context, id, undefined, context.timeouts.delete);
  },
};

const GONE = ['INSTANCE_NOT_EXISTS', 'IncorrectStatus.NatGateway', 'InvalidNatGatewayId.NotFound'];

function waitForGateway(context: Context, id: string, target: string | undefined, timeoutMs: number): Promise<void> {
  const state = async () => (await describeGateway(context, id))?.Status as string | undefined;
  return waitUntil(context, { id, target, pending: PENDING, timeoutMs, state, where: `${NAT_FILE}:334` });
}

async function describeGateway(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callVpc(context, {
    action: 'DescribeNatGateways',
    params: { NatGatewayId: id },
    during: 'read',
    resource: id,
    where: 'service_alicloud_vpc.go:33',
    unless: ['InvalidNatGatewayId.NotFound', 'InvalidRegionId.NotFound'],
  });
  const gateway = answer?.NatGateways?.NatGateway?.[0];
  return text(gateway?.NatGatewayId) === id ? gateway : undefined;
}

async function readGateway(context: Context, id: string): Promise<State | undefined> {
  const gateway = await describeGateway(context, id);
  if (gateway === undefined) return undefined;
  const tags = await callVpc(context, {
    action: 'ListTagResources',
    params: { ResourceType: 'NATGATEWAY', 'ResourceId.1': id },
    during: 'read',
    resource: id,
    where: 'service_alicloud_vpc.go:118',
  });
  return { id, ...gatewayOutputs(gateway), tags: listedTags(tags) };
}

function listedTags(answer: Answer): Properties {
  const tags: readonly Answer[] = answer.TagResources?.TagResource ?? [];
  return Object.fromEntries(tags.map(({ TagKey, TagValue }) => [text(TagKey), text(TagValue)]));
}

function gatewayOutputs(gateway: Answer): Properties {
  return {
    availabilityMode: text(gateway.AvailabilityMode),
    deletionProtection: gateway.DeletionProtection === true,
    description: text(gateway.Description),
    eipBindMode: text(gateway.EipBindMode),
    forwardTableIds: (gateway.ForwardTableIds?.ForwardTableId ?? []).join(','),
    icmpReplyEnabled: gateway.IcmpReplyEnabled === true,
    instanceChargeType: text(gateway.InstanceChargeType),
    internetChargeType: text(gateway.InternetChargeType),
    name: text(gateway.Name),
    natGatewayName: text(gateway.Name),
    natType: text(gateway.NatType),
    networkType: text(gateway.NetworkType),
    paymentType: gateway.InstanceChargeType === 'PrePaid' ? 'Subscription' : 'PayAsYouGo',
    privateLinkEnabled: gateway.PrivateLinkEnabled === true,
    snatTableIds: (gateway.SnatTableIds?.SnatTableId ?? []).join(','),
    specification: text(gateway.Spec),
    status: text(gateway.Status),
    vpcId: text(gateway.VpcId),
    vswitchId: text(gateway.NatGatewayPrivateInfo?.VswitchId),
  };
}

export const snatEntry: ResourceType = {
  token: 'alicloud:vpc/snatEntry:SnatEntry',
  required: ['snatIp', 'snatTableId'],
  defaults: {},
  computed: ['snatEntryId', 'sourceCidr', 'sourceVswitchId', 'status'],
  replaceOn: ['snatTableId', 'sourceCidr', 'sourceVswitchId'],
  timeouts: minutes(5, 5, 5),

  async create(context, inputs, created) {
    const tableId = text(inputs['snatTableId']);
    const answer = await callVpc(context, {
      action: 'CreateSnatEntry',
      params: {
        ClientToken: clientToken('CreateSnatEntry'),
        SnatTableId: tableId,
        SnatIp: text(inputs['snatIp']),
        SourceVSwitchId: optional(inputs['sourceVswitchId']),
        SourceCIDR: optional(inputs['sourceCidr']),
        SnatEntryName: optional(inputs['snatEntryName']),
        EipAffinity: optional(inputs['eipAffinity']),
      },
      during: 'create',
      retryCodes: [
        ...['EIP_NOT_IN_GATEWAY', 'OperationUnsupported.EipNatBWPCheck', 'OperationUnsupported.EipInBinding'],
        ...['InternalError', 'IncorrectStatus.NATGW', 'OperationConflict', 'OperationUnsupported.EipNatGWCheck'],
      ],
      resource: 'alicloud_snat_entry',
      where: `${SNAT_FILE}:109`,
    });
    const id = `${tableId}:${text(answer.SnatEntryId)}`;
    created(id);
    await waitForEntry(context, id, 'Available', context.timeouts.create);
    return existing(await readEntry(context, id), id);
  },

  read: (context, id) => readEntry(context, id),

  async update(context, id, _before, inputs) {
    await callVpc(context, {
      action: 'ModifySnatEntry',
      params: {
        ClientToken: clientToken('ModifySnatEntry'),
        ...entryParams(id),
        SnatIp: text(inputs['snatIp']),
        SnatEntryName: optional(inputs['snatEntryName']),
        EipAffinity: optional(inputs['eipAffinity']),
      },
      during: 'update',
      retryCodes: ['IncorrectStatus.NATGW'],
      resource: id,
      where: `${SNAT_FILE}:233`,
    });
    await waitForEntry(context, id, 'Available', context.timeouts.update);
    return existing(await readEntry(context, id), id);
  },

  async delete(context, id) {
    const accepted = await callVpc(context, {
      action: 'DeleteSnatEntry',
      params: { ClientToken: clientToken('DeleteSnatEntry'), ...entryParams(id) },
      during: 'delete',
      retryCodes: ['IncorretSnatEntryStatus', 'IncorrectStatus.NATGW', 'OperationConflict'],
      resource: id,
      where: `${SNAT_FILE}:290`,
      unless: ENTRY_GONE,
    });
    if (accepted !== undefined) await waitForEntry(context, id, undefined, context.timeouts.delete);
  },
};

const ENTRY_GONE = ['InvalidSnatTableId.NotFound', 'InvalidSnatEntryId.NotFound'];

function entryParams(id: string): { SnatTableId: string; SnatEntryId: string } {
  const [SnatTableId = '', SnatEntryId = ''] = id.split(':');
  return { SnatTableId, SnatEntryId };
}

/** The real provider begins to ask five seconds after. */
function waitForEntry(context: Context, id: string, target: string | undefined, timeoutMs: number): Promise<void> {
  const state = async () => (await describeEntry(context, id))?.Status as string | undefined;
  return waitUntil(context, { id, target, pending: PENDING, timeoutMs, state, where: `${SNAT_FILE}:116` });
}

async function describeEntry(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callVpc(context, {
    action: 'DescribeSnatTableEntries',
    params: entryParams(id),
    during: 'read',
    resource: id,
    where: 'service_alicloud_nat_gateway_v2.go:53',
    unless: ENTRY_GONE,
  });
  return answer?.SnatTableEntries?.SnatTableEntry?.[0];
}

async function readEntry(context: Context, id: string): Promise<State | undefined> {
  const entry = await describeEntry(context, id);
  if (entry === undefined) return undefined;
  return {
    id,
    snatEntryId: text(entry.SnatEntryId),
    snatEntryName: text(entry.SnatEntryName),
    snatIp: text(entry.SnatIp),
    snatTableId: text(entry.SnatTableId),
    sourceCidr: text(entry.SourceCIDR),
    sourceVswitchId: text(entry.SourceVSwitchId),
    status: text(entry.Status),
    ...(entry.EipAffinity === undefined ? {} : { eipAffinity: Number(entry.EipAffinity) }),
  };
}
