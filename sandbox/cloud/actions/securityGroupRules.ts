import { z } from 'zod';
import type { SecurityGroupRule } from '../model/records';
import { ApiError } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { text, textList } from './fields';
import { groupOf } from './securityGroups';

const permission = z.object({
  IpProtocol: text
    .transform((protocol) => protocol.toUpperCase())
    .pipe(z.enum(['TCP', 'UDP', 'ICMP', 'ICMPV6', 'GRE', 'ALL'])),
  PortRange: text.default('-1/-1'),
  Policy: text.default('accept'),
  NicType: text.default('internet'),
  Priority: text.default('1'),
  Description: text.default(''),
  SourceCidrIp: text.default(''),
  Ipv6SourceCidrIp: text.default(''),
  SourceGroupId: text.default(''),
  SourcePrefixListId: text.default(''),
  DestCidrIp: text.default(''),
  Ipv6DestCidrIp: text.default(''),
  DestGroupId: text.default(''),
  DestPrefixListId: text.default(''),
});

/** Rules come one by one at the top level, or as `Permissions.N`. */
const authorizeSchema = z.union([
  z.object({ SecurityGroupId: text, Permissions: z.array(permission).min(1).max(100) }),
  permission
    .extend({ SecurityGroupId: text })
    .transform(({ SecurityGroupId, ...rule }) => ({ SecurityGroupId, Permissions: [rule] })),
]);

const revokeSchema = z.union([
  z
    .object({ SecurityGroupId: text, SecurityGroupRuleId: textList })
    .transform((asked) => ({ ...asked, Permissions: [] })),
  authorizeSchema.transform((asked) => ({ ...asked, SecurityGroupRuleId: [] as string[] })),
]);

type Direction = SecurityGroupRule['direction'];

/** The fields that make two rules the same. */
type Identity = Omit<SecurityGroupRule, 'ruleId' | 'createdAt' | 'description'>;

function identity(asked: z.output<typeof permission>, direction: Direction): Identity {
  const ingress = direction === 'ingress';
  const rule: Identity = {
    direction,
    protocol: asked.IpProtocol,
    portRange: asked.PortRange,
    cidr: ingress ? asked.SourceCidrIp : asked.DestCidrIp,
    ipv6Cidr: ingress ? asked.Ipv6SourceCidrIp : asked.Ipv6DestCidrIp,
    groupId: ingress ? asked.SourceGroupId : asked.DestGroupId,
    prefixListId: ingress ? asked.SourcePrefixListId : asked.DestPrefixListId,
    policy: /^drop$/i.test(asked.Policy) ? 'Drop' : 'Accept',
    nicType: asked.NicType,
    priority: asked.Priority,
  };
  check(rule, ingress);
  return rule;
}

function check(rule: Identity, ingress: boolean): void {
  if (!rule.cidr && !rule.ipv6Cidr && !rule.groupId && !rule.prefixListId) {
    const parameter = ingress ? 'SourceCidrIp' : 'DestCidrIp';
    throw new ApiError(
      400,
      'MissingParameter',
      `The input parameter "${parameter}" that is mandatory for processing this request is not supplied.`,
    );
  }
  if (rule.cidr && !/^(\d{1,3}\.){3}\d{1,3}(\/([0-9]|[12]\d|3[0-2]))?$/.test(rule.cidr)) {
    throw new ApiError(
      400,
      `Invalid${ingress ? 'Source' : 'Dest'}CidrIp.Malformed`,
      'The specified parameter "CidrIp" is not valid.',
    );
  }
  const needsPorts = rule.protocol === 'TCP' || rule.protocol === 'UDP';
  const ports = /^(-?\d+)\/(-?\d+)$/.exec(rule.portRange);
  const from = Number(ports?.[1]);
  const to = Number(ports?.[2]);
  const valid = needsPorts ? from >= 1 && to <= 65535 && from <= to : from === -1 && to === -1;
  if (!ports || !(valid || (from === -1 && to === -1))) {
    throw new ApiError(400, 'InvalidPortRange.Malformed', 'The specified parameter PortRange is not valid.');
  }
  if (!/^([1-9]|[1-9]\d|100)$/.test(rule.priority)) {
    throw new ApiError(400, 'InvalidPriority.ValueNotSupported', 'The parameter Priority is invalid.');
  }
}

function same(rule: SecurityGroupRule, wanted: Identity): boolean {
  return (Object.keys(wanted) as (keyof Identity)[]).every((field) => rule[field] === wanted[field]);
}

function authorize(direction: Direction) {
  return action(authorizeSchema, (context: Context, asked) => {
    const group = groupOf(context, asked.SecurityGroupId);
    for (const wanted of asked.Permissions) {
      const rule = identity(wanted, direction);
      if (group.rules.some((old) => same(old, rule))) continue;
      if (group.rules.length >= 200) {
        throw new ApiError(
          403,
          'AuthorizationLimitExceed',
          'The limit of authorization records in the security group reaches.',
        );
      }
      group.rules.push({
        ...rule,
        ruleId: context.random.id('sgr'),
        description: wanted.Description,
        createdAt: context.clock.now(),
      });
    }
  });
}

/** A rule that isn't there is passed over, as the real API does. */
function revoke(direction: Direction) {
  return action(revokeSchema, (context: Context, asked) => {
    const group = groupOf(context, asked.SecurityGroupId);
    const wanted = asked.Permissions.map((rule) => identity(rule, direction));
    group.rules = group.rules.filter(
      (rule) => !asked.SecurityGroupRuleId.includes(rule.ruleId) && !wanted.some((one) => same(rule, one)),
    );
  });
}

export const securityGroupRuleActions: ActionGroup = {
  service: 'ecs',
  actions: {
    AuthorizeSecurityGroup: authorize('ingress'),
    AuthorizeSecurityGroupEgress: authorize('egress'),
    RevokeSecurityGroup: revoke('ingress'),
    RevokeSecurityGroupEgress: revoke('egress'),
    ModifySecurityGroupRule: action(
      z.object({ SecurityGroupId: text, SecurityGroupRuleId: text.optional(), Description: text.optional() }),
      (context, asked) => {
        const group = groupOf(context, asked.SecurityGroupId);
        group.rules = group.rules.map((rule) =>
          rule.ruleId === asked.SecurityGroupRuleId
            ? { ...rule, description: asked.Description ?? rule.description }
            : rule,
        );
      },
    ),
  },
};
