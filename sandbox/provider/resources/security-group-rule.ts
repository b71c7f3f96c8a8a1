/** alicloud.ecs.SecurityGroupRule: a permission of a group, with an id that spells it out. */
import type { Answer } from '../api/client';
import { ConnectionError, isCode, isTemporary, located } from '../api/errors';
import { text, type Properties } from '../values';
import { retry } from '../waits';
import { callApi, callUnless } from './calls';
import { existing, type Context, type ResourceType, type State } from './resource';
import { optional } from './security-group';

const FILE = 'resource_alicloud_security_group_rule.go';
const DELETE_MS = 5 * 60_000;
const VERBATIM = [
  'cidrIp',
  'ipProtocol',
  'ipv6CidrIp',
  'nicType',
  'policy',
  'portRange',
  'prefixListId',
  'priority',
  'securityGroupId',
  'sourceGroupOwnerAccount',
  'sourceSecurityGroupId',
  'type',
];

export const securityGroupRule: ResourceType = {
  token: 'alicloud:ecs/securityGroupRule:SecurityGroupRule',
  required: ['ipProtocol', 'securityGroupId', 'type'],
  defaults: { policy: 'accept', portRange: '-1/-1', priority: 1 },
  computed: ['nicType', 'prefixListId', 'securityGroupRuleId'],
  replaceOn: VERBATIM,

  check(inputs) {
    const problems: Record<string, string> = {};
    const oneOf = (name: string, ...allowed: readonly string[]) => {
      const value = inputs[name];
      if (typeof value === 'string' && !allowed.includes(value)) {
        problems[name] = `expected ${name} to be one of [${allowed.join(' ')}], got ${value}`;
      }
    };
    oneOf('type', 'ingress', 'egress');
    oneOf('policy', 'accept', 'drop');
    oneOf('nicType', 'internet', 'intranet');
    oneOf('ipProtocol', 'tcp', 'udp', 'icmp', 'icmpv6', 'gre', 'all');
    if (['cidrIp', 'ipv6CidrIp', 'sourceSecurityGroupId', 'prefixListId'].every((name) => inputs[name] === undefined)) {
      problems['cidrIp'] = 'one of cidrIp, ipv6CidrIp, prefixListId, sourceSecurityGroupId must be specified';
    }
    return problems;
  },

  async create(context, inputs, created) {
    const groupId = text(inputs['securityGroupId']);
    const group = await describeGroup(context, groupId);
    if (group === undefined) throw located(`${FILE}:208`, '', `security group ${groupId} is not found`);
    const ingress = inputs['type'] === 'ingress';
    const permission = permissionParams(inputs);
    const numbered = Object.entries(permission).map(([name, value]) => [`Permissions.1.${name}`, value] as const);
    await callApi(context, {
      action: ingress ? 'AuthorizeSecurityGroup' : 'AuthorizeSecurityGroupEgress',
      params: { SecurityGroupId: groupId, ...Object.fromEntries(numbered) },
      timeoutMs: context.timeouts.create,
      resource: 'alicloud_security_group_rule',
      where: `${FILE}:${ingress ? 245 : 265}`,
    });
    const id = [
      groupId,
      ...[inputs['type'], inputs['ipProtocol'], inputs['portRange'], inputs['nicType']].map(text),
      peer(inputs).replaceAll(':', '_'),
      ...[inputs['policy'], inputs['priority']].map(text),
    ].join(':');
    created(id);
    return existing(await read(context, id), id);
  },

  read,

  async update(context, id, before, inputs) {
    await revokeOrModify(context, 'ModifySecurityGroupRule', inputs);
    return (await read(context, id)) ?? { ...before, id };
  },

  async delete(context, id, before) {
    const call = () =>
      revokeOrModify(
        context,
        before['type'] === 'egress' ? 'RevokeSecurityGroupEgress' : 'RevokeSecurityGroup',
        before,
      );
    // Whatever goes wrong here is tried again for five minutes.
    await retry(
      call,
      { timeoutMs: DELETE_MS, pauseSeconds: [0, 0], retryable: () => true },
      { clock: context.clock, sleeps: context.settings.sleeps },
    ).catch((error: unknown) => {
      throw located(`${FILE}:445`, `Resource ${id}`, error);
    });
  },
};

async function revokeOrModify(context: Context, action: string, rule: Properties): Promise<void> {
  const groupId = text(rule['securityGroupId']);
  if ((await describeGroup(context, groupId)) === undefined) return;
  const { NicType, ...permission } = permissionParams(rule);
  try {
    await context.api.call(
      action,
      { ...permission, NicType, SecurityGroupId: groupId, Description: text(rule['description']) },
      { library: 'query', method: 'GET', forceTls: true },
    );
  } catch (error) {
    if (isCode(error, 'InvalidSecurityGroupId.NotFound')) return;
    throw error;
  }
}

async function read(context: Context, id: string): Promise<State | undefined> {
  const [groupId = '', direction = '', protocol, portRange, nicType = '', peerPart = '', policy, priority] =
    id.split(':');
  const answer = await callUnless(context, ['InvalidSecurityGroupId.NotFound'], {
    action: 'DescribeSecurityGroupAttribute',
    params: { SecurityGroupId: groupId, Direction: direction, NicType: nicType },
    options: { library: 'query' },
    timeoutMs: DELETE_MS,
    resource: id,
    where: 'service_alicloud_ecs.go:376',
  });
  const wanted = peerPart.replaceAll('_', ':');
  const side = direction === 'ingress' ? 'Source' : 'Dest';
  const rules: readonly Answer[] = answer?.Permissions?.Permission ?? [];
  const rule = rules.find(
    (candidate) =>
      text(candidate.IpProtocol).toLowerCase() === protocol &&
      candidate.PortRange === portRange &&
      text(candidate.Policy).toLowerCase() === policy &&
      text(candidate.Priority) === priority &&
      [
        candidate[`${side}CidrIp`] || candidate[`${side}GroupId`] || candidate[`Ipv6${side}CidrIp`],
        candidate[`${side}PrefixListId`],
      ].includes(wanted),
  );
  if (rule === undefined) return undefined;
  return {
    id,
    cidrIp: text(rule[`${side}CidrIp`]),
    description: text(rule.Description),
    ipProtocol: text(rule.IpProtocol).toLowerCase(),
    ipv6CidrIp: text(rule[`Ipv6${side}CidrIp`]),
    nicType: text(rule.NicType),
    policy: text(rule.Policy).toLowerCase(),
    portRange: text(rule.PortRange),
    prefixListId: text(rule[`${side}PrefixListId`]),
    priority: Number(rule.Priority),
    securityGroupId: groupId,
    securityGroupRuleId: text(rule.SecurityGroupRuleId),
    sourceGroupOwnerAccount: text(rule[`${side}GroupOwnerAccount`]),
    sourceSecurityGroupId: text(rule[`${side}GroupId`]),
    type: text(rule.Direction),
  };
}

/** Asked without a retry of its own, in the older library's way. */
async function describeGroup(context: Context, groupId: string): Promise<Answer | undefined> {
  try {
    return await retry(
      () => context.api.call('DescribeSecurityGroupAttribute', { SecurityGroupId: groupId }, { library: 'query' }),
      { timeoutMs: 60_000, retryable: (error) => isTemporary(error) && !(error instanceof ConnectionError) },
      { clock: context.clock, sleeps: context.settings.sleeps },
    );
  } catch (error) {
    if (isCode(error, 'InvalidSecurityGroupId.NotFound')) return undefined;
    throw error;
  }
}

function permissionParams(rule: Properties): Record<string, string | undefined> {
  const side = rule['type'] === 'egress' ? 'Dest' : 'Source';
  return {
    IpProtocol: optional(rule['ipProtocol']),
    PortRange: optional(rule['portRange']),
    NicType: optional(rule['nicType']),
    Policy: optional(rule['policy']),
    Priority: optional(rule['priority']),
    [`${side}CidrIp`]: optional(rule['cidrIp']),
    [`Ipv6${side}CidrIp`]: optional(rule['ipv6CidrIp']),
    [`${side}GroupId`]: optional(rule['sourceSecurityGroupId']),
    [`${side}GroupOwnerAccount`]: optional(rule['sourceGroupOwnerAccount']),
    [`${side}PrefixListId`]: optional(rule['prefixListId']),
    Description: optional(rule['description']),
  };
}

function peer(rule: Properties): string {
  return text(rule['cidrIp'] ?? rule['ipv6CidrIp'] ?? rule['sourceSecurityGroupId'] ?? rule['prefixListId']);
}
