import { z } from 'zod';
import type { SecurityGroup, SecurityGroupRule } from '../model/records';
import { utcSeconds } from '../model/clock';
import { ApiError, notFound } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { hasTags, jsonList, matchesPattern, newTags, page, paging, tagFilter, tagSet, text } from './fields';

export function groupOf(context: Context, securityGroupId: string): SecurityGroup {
  const group = context.region.securityGroups.get(securityGroupId);
  if (!group) throw notFound('InvalidSecurityGroupId.NotFound', 'SecurityGroupId');
  return group;
}

function common(group: SecurityGroup) {
  return {
    SecurityGroupId: group.securityGroupId,
    SecurityGroupName: group.name,
    Description: group.description,
    VpcId: group.vpcId,
  };
}

function listed(group: SecurityGroup) {
  return {
    ...common(group),
    SecurityGroupType: group.type,
    Tags: tagSet(group.tags),
    ResourceGroupId: group.resourceGroupId,
    CreationTime: utcSeconds(group.createdAt),
  };
}

function describeRule(rule: SecurityGroupRule) {
  return {
    Direction: rule.direction,
    IpProtocol: rule.protocol,
    PortRange: rule.portRange,
    SourceCidrIp: rule.direction === 'ingress' ? rule.cidr : '',
    Ipv6SourceCidrIp: rule.direction === 'ingress' ? rule.ipv6Cidr : '',
    SourceGroupId: rule.direction === 'ingress' ? rule.groupId : '',
    SourcePrefixListId: rule.direction === 'ingress' ? rule.prefixListId : '',
    DestCidrIp: rule.direction === 'egress' ? rule.cidr : '',
    Ipv6DestCidrIp: rule.direction === 'egress' ? rule.ipv6Cidr : '',
    DestGroupId: rule.direction === 'egress' ? rule.groupId : '',
    DestPrefixListId: rule.direction === 'egress' ? rule.prefixListId : '',
    Policy: rule.policy,
    NicType: rule.nicType,
    Priority: rule.priority,
    Description: rule.description,
    SecurityGroupRuleId: rule.ruleId,
    CreateTime: utcSeconds(rule.createdAt),
  };
}

function withRules(group: SecurityGroup, rules: readonly SecurityGroupRule[]) {
  return {
    ...common(group),
    InnerAccessPolicy: group.innerAccess,
    Permissions: { Permission: rules.map(describeRule) },
  };
}

/** Why a group can't go, or undefined. */
function dependencyOf(context: Context, group: SecurityGroup): string | undefined {
  const id = group.securityGroupId;
  for (const instance of context.region.instances.values()) {
    if (instance.securityGroupIds.includes(id)) return 'There is still instance(s) in the specified security group.';
  }
  for (const other of context.region.securityGroups.values()) {
    if (other !== group && other.rules.some((rule) => rule.groupId === id)) {
      return 'The specified security group has been authorized in another one.';
    }
  }
  return undefined;
}

export const securityGroupActions: ActionGroup = {
  service: 'ecs',
  actions: {
    CreateSecurityGroup: action(
      z.object({
        VpcId: text.optional(),
        SecurityGroupName: text.default(''),
        Description: text.default(''),
        SecurityGroupType: z.enum(['normal', 'enterprise']).default('normal'),
        ResourceGroupId: text.default(''),
        Tag: newTags,
      }),
      (context, asked) => {
        const vpcId = asked.VpcId ?? [...context.region.vpcs.values()].find((vpc) => vpc.isDefault)?.vpcId ?? '';
        if (!context.region.vpcs.has(vpcId)) throw notFound('InvalidVpcId.NotFound', 'VpcId');
        if (context.region.securityGroups.size >= context.state.quotas.securityGroups) {
          throw new ApiError(403, 'QuotaExceed.SecurityGroup', 'The maximum number of security groups is reached.');
        }
        const group: SecurityGroup = {
          securityGroupId: context.random.id('sg'),
          vpcId,
          name: asked.SecurityGroupName,
          description: asked.Description,
          type: asked.SecurityGroupType,
          innerAccess: asked.SecurityGroupType === 'enterprise' ? 'Drop' : 'Accept',
          rules: [],
          createdAt: context.clock.now(),
          resourceGroupId: asked.ResourceGroupId,
          tags: asked.Tag,
        };
        context.region.securityGroups.set(group.securityGroupId, group);
        return { SecurityGroupId: group.securityGroupId };
      },
    ),

    DescribeSecurityGroups: action(
      z.object({
        ...paging,
        SecurityGroupId: text.optional(),
        SecurityGroupIds: jsonList.optional(),
        SecurityGroupName: text.optional(),
        SecurityGroupType: text.optional(),
        VpcId: text.optional(),
        Tag: tagFilter,
      }),
      (context, wanted) => {
        const found = [...context.region.securityGroups.values()].filter(
          (group) =>
            (wanted.SecurityGroupId === undefined || group.securityGroupId === wanted.SecurityGroupId) &&
            (wanted.SecurityGroupIds === undefined || wanted.SecurityGroupIds.includes(group.securityGroupId)) &&
            (wanted.SecurityGroupName === undefined || matchesPattern(group.name, wanted.SecurityGroupName)) &&
            (wanted.SecurityGroupType === undefined || group.type === wanted.SecurityGroupType) &&
            (wanted.VpcId === undefined || group.vpcId === wanted.VpcId) &&
            hasTags(group.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return {
          ...fields,
          RegionId: context.regionId,
          SecurityGroups: { SecurityGroup: items.map(listed) },
        };
      },
    ),

    DescribeSecurityGroupAttribute: action(
      z.object({ SecurityGroupId: text, Direction: z.enum(['ingress', 'egress', 'all']).default('all') }),
      (context, wanted) => {
        const group = groupOf(context, wanted.SecurityGroupId);
        const rules = group.rules.filter((rule) => wanted.Direction === 'all' || rule.direction === wanted.Direction);
        return { ...withRules(group, rules), RegionId: context.regionId };
      },
    ),

    ModifySecurityGroupAttribute: action(
      z.object({ SecurityGroupId: text, SecurityGroupName: text.optional(), Description: text.optional() }),
      (context, asked) => {
        const group = groupOf(context, asked.SecurityGroupId);
        group.name = asked.SecurityGroupName ?? group.name;
        group.description = asked.Description ?? group.description;
      },
    ),

    ModifySecurityGroupPolicy: action(
      z.object({ SecurityGroupId: text, InnerAccessPolicy: text.pipe(z.string().regex(/^(accept|drop)$/i)) }),
      (context, asked) => {
        const group = groupOf(context, asked.SecurityGroupId);
        group.innerAccess = /^accept$/i.test(asked.InnerAccessPolicy) ? 'Accept' : 'Drop';
      },
    ),

    DeleteSecurityGroup: action(z.object({ SecurityGroupId: text }), (context, asked) => {
      const group = groupOf(context, asked.SecurityGroupId);
      const dependency = dependencyOf(context, group);
      if (dependency) throw new ApiError(403, 'DependencyViolation', dependency);
      context.region.securityGroups.delete(group.securityGroupId);
    }),
  },
};
