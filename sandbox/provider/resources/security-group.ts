/** alicloud.ecs.SecurityGroup */
import { clientToken, type Answer } from '../api/client';
import { text, type Properties } from '../values';
import { callApi, callUnless } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { changeTags, createTagParams, readTags } from './tags';

const FILE = 'resource_alicloud_security_group.go';

export const securityGroup: ResourceType = {
  token: 'alicloud:ecs/securityGroup:SecurityGroup',
  required: [],
  defaults: {},
  computed: [
    'createTime',
    'innerAccess',
    'innerAccessPolicy',
    'name',
    'resourceGroupId',
    'securityGroupName',
    'securityGroupType',
    'vpcId',
  ],
  replaceOn: ['vpcId', 'securityGroupType'],
  timeouts: minutes(5, 5, 10),

  check({ innerAccessPolicy }): Record<string, string> {
    return typeof innerAccessPolicy === 'string' && !['Accept', 'Drop'].includes(innerAccessPolicy)
      ? { innerAccessPolicy: `expected inner_access_policy to be one of [Accept Drop], got ${innerAccessPolicy}` }
      : {};
  },

  async create(context, inputs, created) {
    const answer = await callApi(context, {
      action: 'CreateSecurityGroup',
      params: {
        ClientToken: clientToken('CreateSecurityGroup'),
        SecurityGroupName: optional(inputs['securityGroupName'] ?? inputs['name']),
        SecurityGroupType: optional(inputs['securityGroupType']),
        Description: optional(inputs['description']),
        ResourceGroupId: optional(inputs['resourceGroupId']),
        VpcId: optional(inputs['vpcId']),
        ...createTagParams(inputs),
      },
      timeoutMs: context.timeouts.create,
      resource: 'alicloud_security_group',
      where: `${FILE}:141`,
    });
    const id = text(answer.SecurityGroupId);
    created(id);
    return apply(context, id, {}, inputs);
  },

  read,

  async update(context, id, before, inputs) {
    const changed = (name: string) => inputs[name] !== undefined && text(inputs[name]) !== text(before[name]);
    if (changed('securityGroupName') || changed('description')) {
      await callApi(context, {
        action: 'ModifySecurityGroupAttribute',
        params: {
          SecurityGroupId: id,
          SecurityGroupName: optional(inputs['securityGroupName']),
          Description: optional(inputs['description']),
        },
        timeoutMs: context.timeouts.update,
        resource: id,
        where: `${FILE}:250`,
      });
    }
    await changeTags(context, 'securitygroup', id, before['tags'], inputs['tags']);
    return apply(context, id, before, inputs);
  },

  async delete(context, id) {
    await callUnless(context, ['InvalidSecurityGroupId.NotFound'], {
      action: 'DeleteSecurityGroup',
      params: { SecurityGroupId: id },
      timeoutMs: context.timeouts.delete,
      // The group refuses to go while an instance is in it.
      retryCodes: ['DependencyViolation'],
      resource: id,
      where: `${FILE}:376`,
    });
  },
};

/** What a new group and a changed one have in common. */
async function apply(context: Context, id: string, before: Properties, inputs: Properties): Promise<State> {
  await describeAttribute(context, id);
  const policy = inputs['innerAccessPolicy'];
  if (policy !== undefined && policy !== before['innerAccessPolicy']) {
    await callApi(context, {
      action: 'ModifySecurityGroupPolicy',
      params: {
        ClientToken: clientToken('ModifySecurityGroupPolicy'),
        SecurityGroupId: id,
        InnerAccessPolicy: text(policy),
      },
      timeoutMs: context.timeouts.update,
      resource: id,
      where: `${FILE}:300`,
    });
  }
  return existing(await read(context, id), id);
}

async function read(context: Context, id: string): Promise<State | undefined> {
  const answer = await callApi(context, {
    action: 'DescribeSecurityGroups',
    params: { SecurityGroupId: id },
    timeoutMs: 60_000,
    resource: id,
    where: 'service_alicloud_ecs_v2.go:524',
  });
  const group: Answer = answer.SecurityGroups?.SecurityGroup?.[0];
  if (group === undefined) return undefined;
  const policy = text((await describeAttribute(context, id))?.InnerAccessPolicy);
  return {
    id,
    description: text(group.Description),
    innerAccess: policy === 'Accept',
    innerAccessPolicy: policy,
    name: text(group.SecurityGroupName),
    resourceGroupId: text(group.ResourceGroupId),
    securityGroupName: text(group.SecurityGroupName),
    securityGroupType: text(group.SecurityGroupType),
    tags: readTags(group.Tags),
    vpcId: text(group.VpcId),
    ...(group.CreationTime === undefined ? {} : { createTime: text(group.CreationTime) }),
  };
}

function describeAttribute(context: Context, id: string): Promise<Answer | undefined> {
  return callUnless(context, ['InvalidSecurityGroupId.NotFound'], {
    action: 'DescribeSecurityGroupAttribute',
    params: { SecurityGroupId: id },
    timeoutMs: 60_000,
    resource: id,
    where: 'service_alicloud_ecs_v2.go:573',
  });
}

/** A parameter that is left out where the program says nothing. */
export function optional(value: Properties[string] | undefined): string | undefined {
  return value === undefined || value === null || value === '' ? undefined : text(value);
}
