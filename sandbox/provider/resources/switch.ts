/** alicloud.vpc.Switch */
import { clientToken, type Answer } from '../api/client';
import { located } from '../api/errors';
import { text } from '../values';
import { waitForState } from '../waits';
import { callVpc } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { optional } from './security-group';
import { changeTags, readTags } from './tags';

const FILE = 'resource_alicloud_vswitch.go';
const GONE = ['InvalidVswitchID.NotFound', 'InvalidVSwitchId.NotFound'];

export const vSwitch: ResourceType = {
  token: 'alicloud:vpc/switch:Switch',
  required: [],
  defaults: {},
  computed: [
    ...['availabilityZone', 'cidrBlock', 'createTime', 'ipv6CidrBlock', 'name', 'status', 'vpcId', 'vswitchName'],
    'zoneId',
  ],
  replaceOn: ['availabilityZone', 'cidrBlock', 'isDefault', 'vpcId', 'zoneId'],
  timeouts: minutes(5, 5, 10),

  async create(context, inputs, created) {
    const answer = await callVpc(context, {
      action: 'CreateVSwitch',
      params: {
        ClientToken: clientToken('CreateVSwitch'),
        CidrBlock: optional(inputs['cidrBlock']),
        VpcId: optional(inputs['vpcId']),
        VSwitchName: optional(inputs['vswitchName'] ?? inputs['name']),
        Description: optional(inputs['description']),
        ZoneId: optional(inputs['zoneId'] ?? inputs['availabilityZone']),
      },
      during: 'create',
      retryCodes: ['TaskConflict', 'IncorrectStatus', 'IncorrectVSwitchStatus', 'OperationConflict'],
      resource: 'alicloud_vswitch',
      where: `${FILE}:213`,
    });
    const id = text(answer.VSwitchId);
    created(id);
    await wait(context, id, 'Available', context.timeouts.create);
    await changeTags(context, 'VSWITCH', id, {}, inputs['tags'], 'vpc');
    return existing(await read(context, id), id);
  },

  read: (context, id) => read(context, id),

  async update(context, id, before, inputs) {
    const changed = ['vswitchName', 'description'].filter(
      (name) => inputs[name] !== undefined && inputs[name] !== before[name],
    );
    if (changed.length > 0) {
      const params = { VSwitchName: optional(inputs['vswitchName']), Description: optional(inputs['description']) };
      await callVpc(context, {
        action: 'ModifyVSwitchAttribute',
        params: { VSwitchId: id, ...params },
        during: 'update',
        resource: id,
        where: `${FILE}:345`,
      });
    }
    await changeTags(context, 'VSWITCH', id, before['tags'], inputs['tags'], 'vpc');
    return existing(await read(context, id), id);
  },

  async delete(context, id) {
    const accepted = await callVpc(context, {
      action: 'DeleteVSwitch',
      params: { VSwitchId: id },
      during: 'delete',
      retryCodes: ['DependencyViolation', 'OperationConflict', 'TaskConflict', 'IncorrectVSwitchStatus'],
      resource: id,
      where: `${FILE}:468`,
      unless: GONE,
    });
    if (accepted !== undefined) await wait(context, id, undefined, context.timeouts.delete);
  },
};

async function wait(context: Context, id: string, target: string | undefined, timeoutMs: number): Promise<void> {
  const { clock, settings, log } = context;
  const state = async () => (await describe(context, id))?.Status as string | undefined;
  await waitForState(
    { delayMs: 0, timeoutMs, pending: ['Pending', 'Available'], target, state },
    { clock, sleeps: settings.sleeps, log },
  ).catch((error: unknown) => {
    throw located(`${FILE}:474`, `Resource id：${id} `, error);
  });
}

async function describe(context: Context, id: string): Promise<Answer | undefined> {
  const answer = await callVpc(context, {
    action: 'DescribeVSwitchAttributes',
    params: { VSwitchId: id },
    during: 'read',
    resource: id,
    where: 'service_alicloud_vpc_v2.go:1129',
    unless: GONE,
  });
  return text(answer?.VSwitchId) === id ? answer : undefined;
}

async function read(context: Context, id: string): Promise<State | undefined> {
  const found = await describe(context, id);
  if (found === undefined) return undefined;
  return {
    id,
    availabilityZone: text(found.ZoneId),
    cidrBlock: text(found.CidrBlock),
    createTime: text(found.CreationTime),
    description: text(found.Description),
    enableIpv6: text(found.Ipv6CidrBlock) !== '',
    ipv6CidrBlock: text(found.Ipv6CidrBlock),
    isDefault: found.IsDefault === true,
    name: text(found.VSwitchName),
    status: text(found.Status),
    tags: readTags(found.Tags),
    vpcId: text(found.VpcId),
    vswitchName: text(found.VSwitchName),
    zoneId: text(found.ZoneId),
  };
}
