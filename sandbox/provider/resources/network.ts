/** alicloud.vpc.Network */
import { clientToken, type Answer } from '../api/client';
import { stringMap, text, type Properties } from '../values';
import { callVpc, waitUntil } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { optional } from './security-group';
import { changeTags, createTagParams, readTags } from './tags';

const FILE = 'resource_alicloud_vpc.go';
const GONE = ['InvalidVpcID.NotFound', 'InvalidVpcId.NotFound', 'Forbidden.VpcNotFound', 'InvalidResource.NotFound'];

export const network: ResourceType = {
  token: 'alicloud:vpc/network:Network',
  required: [],
  defaults: {},
  computed: [
    ...['cidrBlock', 'createTime', 'dnsHostnameStatus', 'ipv6CidrBlock', 'ipv6CidrBlocks', 'name', 'regionId'],
    ...['resourceGroupId', 'routeTableId', 'routerId', 'routerTableId', 'secondaryCidrBlocks', 'status', 'userCidrs'],
    'vpcName',
  ],
  replaceOn: ['cidrBlock', 'isDefault', 'ipv4IpamPoolId'],
  timeouts: minutes(10, 5, 5),

  async create(context, inputs, created) {
    const answer = await callVpc(context, {
      action: 'CreateVpc',
      params: {
        ClientToken: clientToken('CreateVpc'),
        CidrBlock: optional(inputs['cidrBlock']),
        VpcName: optional(inputs['vpcName'] ?? inputs['name']),
        Description: optional(inputs['description']),
        ResourceGroupId: optional(inputs['resourceGroupId']),
        ...createTagParams(inputs),
      },
      during: 'create',
      retryCodes: ['TaskConflict', 'UnknownError'],
      resource: 'alicloud_vpc',
      where: `${FILE}:284`,
    });
    const id = text(answer.VpcId);
    created(id);
    await wait(context, id, 'Available', context.timeouts.create);
    await describeRouteTables(context, id);
    await changeTags(context, 'VPC', id, {}, inputs['tags'], 'vpc');
    return existing(await read(context, id), id);
  },

  read: (context, id) => read(context, id),

  async update(context, id, before, inputs) {
    const changed = ['vpcName', 'description'].filter(
      (name) => inputs[name] !== undefined && inputs[name] !== before[name],
    );
    if (changed.length > 0) {
      await callVpc(context, {
        action: 'ModifyVpcAttribute',
        params: { VpcId: id, VpcName: optional(inputs['vpcName']), Description: optional(inputs['description']) },
        during: 'update',
        resource: id,
        where: `${FILE}:541`,
      });
    }
    await changeTags(context, 'VPC', id, before['tags'], inputs['tags'], 'vpc');
    return existing(await read(context, id), id);
  },

  async delete(context, id) {
    const accepted = await callVpc(context, {
      action: 'DeleteVpc',
      params: { VpcId: id, ClientToken: clientToken('DeleteVpc') },
      during: 'delete',
      retryCodes: ['DependencyViolation.VSwitch', 'DependencyViolation.SecurityGroup', 'IncorrectVpcStatus'],
      resource: id,
      where: `${FILE}:807`,
      unless: GONE,
    });
    if (accepted !== undefined) await wait(context, id, undefined, context.timeouts.delete);
  },
};

async function wait(context: Context, id: string, target: string | undefined, timeoutMs: number): Promise<void> {
  const state = async () => (await describe(context, id))?.Status as string | undefined;
  const pending = ['Pending', 'Available'];
  await waitUntil(context, { id, target, pending, timeoutMs, state, where: `${FILE}:812` });
}

async function describe(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callVpc(context, {
    action: 'DescribeVpcAttribute',
    params: { VpcId: id },
    during: 'read',
    resource: id,
    where: 'service_alicloud_vpc_v2.go:48',
    unless: GONE,
  });
  return text(answer?.VpcId) === id ? answer : undefined;
}

async function describeRouteTables(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callVpc(context, {
    action: 'DescribeRouteTableList',
    params: { VpcId: id },
    during: 'read',
    resource: id,
    where: 'service_alicloud_vpc_v2.go:88',
    unless: GONE,
  });
  const tables: readonly Answer[] = answer?.RouterTableList?.RouterTableListType ?? [];
  return tables.find(({ RouteTableType }) => RouteTableType === 'System') ?? tables[0];
}

async function read(context: Context, id: string): Promise<State | undefined> {
  const vpc = await describe(context, id);
  if (vpc === undefined) return undefined;
  const table = await describeRouteTables(context, id);
  const tableId = text(table?.RouteTableId);
  return { id, ...outputs(vpc), routeTableId: tableId, routerTableId: tableId, ...tableOutputs(table) };
}

function outputs(vpc: Answer): Properties {
  return {
    cidrBlock: text(vpc.CidrBlock),
    classicLinkEnabled: vpc.ClassicLinkEnabled === true,
    createTime: text(vpc.CreationTime),
    description: text(vpc.Description),
    dnsHostnameStatus: text(vpc.DnsHostnameStatus),
    enableIpv6: vpc.EnabledIpv6 === true,
    ipv6CidrBlock: text(vpc.Ipv6CidrBlock),
    ipv6CidrBlocks: [],
    isDefault: vpc.IsDefault === true,
    name: text(vpc.VpcName),
    regionId: text(vpc.RegionId),
    resourceGroupId: text(vpc.ResourceGroupId),
    routerId: text(vpc.VRouterId),
    secondaryCidrBlocks: (vpc.SecondaryCidrBlocks?.SecondaryCidrBlock ?? []).map(text),
    status: text(vpc.Status),
    tags: stringMap(readTags(vpc.Tags)),
    userCidrs: (vpc.UserCidrs?.UserCidr ?? []).map(text),
    vpcName: text(vpc.VpcName),
  };
}

function tableOutputs(table: Answer | undefined): Properties {
  return {
    systemRouteTableDescription: text(table?.Description),
    systemRouteTableName: text(table?.RouteTableName),
    systemRouteTableRoutePropagationEnable: table?.RoutePropagationEnable === true,
  };
}
