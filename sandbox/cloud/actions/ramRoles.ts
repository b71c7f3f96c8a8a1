/** RAM roles: what a service or an account may take on. */
import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { Role } from '../model/records';
import { ApiError } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { integer, jsonList, newTags, tagSet, text } from './fields';
import { policyOf } from './ramPolicies';

function roleOf(context: Context, name: string): Role {
  const role = context.state.ram.roles.get(name);
  if (!role) throw new ApiError(404, 'EntityNotExist.Role', `The role not exists : ${name} .`);
  return role;
}

function roleArn(context: Context, name: string): string {
  return `acs:ram::${context.state.accountId}:role/${name.toLowerCase()}`;
}

function common(context: Context, role: Role) {
  return {
    RoleId: role.roleId,
    RoleName: role.name,
    Arn: roleArn(context, role.name),
    Description: role.description,
    MaxSessionDuration: role.maxSessionSeconds,
    CreateDate: utcSeconds(role.createdAt),
  };
}

/** What the call that made it answers. */
function made(context: Context, role: Role) {
  return { ...common(context, role), AssumeRolePolicyDocument: role.trustDocument };
}

function describe(context: Context, role: Role) {
  return { ...made(context, role), UpdateDate: utcSeconds(role.createdAt) };
}

function listed(context: Context, role: Role) {
  return { ...common(context, role), UpdateDate: utcSeconds(role.createdAt) };
}

const sessionSeconds = integer(3600, 43_200);

function jsonDocument(document: string): string {
  try {
    JSON.parse(document);
    return document;
  } catch {
    throw new ApiError(400, 'MalformedPolicyDocument', 'The assume role policy document is not valid JSON.');
  }
}

const attachment = z.object({ RoleName: text, PolicyName: text, PolicyType: z.enum(['System', 'Custom']) });

/** RAM names what it tags by `ResourceNames`. */
function taggedOf(context: Context, type: string, names: readonly string[]) {
  return names.map((name) => (type === 'role' ? roleOf(context, name) : policyOf(context, name, 'Custom')));
}

const tagged = { ResourceType: z.enum(['role', 'policy']), ResourceNames: jsonList };

export const ramRoleActions: ActionGroup = {
  service: 'ram',
  actions: {
    CreateRole: action(
      z.object({
        RoleName: z.string().regex(/^[A-Za-z0-9.-]{1,64}$/),
        AssumeRolePolicyDocument: text,
        Description: text.default(''),
        MaxSessionDuration: sessionSeconds.default(3600),
      }),
      (context, asked) => {
        if (context.state.ram.roles.has(asked.RoleName)) {
          throw new ApiError(409, 'EntityAlreadyExists.Role', `The role already exists : ${asked.RoleName} .`);
        }
        const role: Role = {
          roleId: `3${String(context.random.integer(10 ** 8)).padStart(8, '0')}${String(context.random.integer(10 ** 8)).padStart(8, '0')}`,
          name: asked.RoleName,
          description: asked.Description,
          trustDocument: jsonDocument(asked.AssumeRolePolicyDocument),
          maxSessionSeconds: asked.MaxSessionDuration,
          policies: [],
          createdAt: context.clock.now(),
          tags: {},
        };
        context.state.ram.roles.set(role.name, role);
        return { Role: made(context, role) };
      },
    ),

    GetRole: action(z.object({ RoleName: text }), (context, wanted) => ({
      Role: describe(context, roleOf(context, wanted.RoleName)),
    })),

    ListRoles: action(z.object({}), (context) => ({
      IsTruncated: false,
      Roles: { Role: [...context.state.ram.roles.values()].map((role) => listed(context, role)) },
    })),

    UpdateRole: action(
      z.object({
        RoleName: text,
        NewAssumeRolePolicyDocument: text.optional(),
        NewDescription: text.optional(),
        NewMaxSessionDuration: sessionSeconds.optional(),
      }),
      (context, asked) => {
        const role = roleOf(context, asked.RoleName);
        role.trustDocument = jsonDocument(asked.NewAssumeRolePolicyDocument ?? role.trustDocument);
        role.description = asked.NewDescription ?? role.description;
        role.maxSessionSeconds = asked.NewMaxSessionDuration ?? role.maxSessionSeconds;
        return { Role: describe(context, role) };
      },
    ),

    DeleteRole: action(z.object({ RoleName: text }), (context, asked) => {
      const role = roleOf(context, asked.RoleName);
      if (role.policies.length > 0) {
        throw new ApiError(
          409,
          'DeleteConflict.Role.Policy',
          'The role can not be deleted: policies are attached to it.',
        );
      }
      context.state.ram.roles.delete(role.name);
    }),

    AttachPolicyToRole: action(attachment, (context, asked) => {
      const role = roleOf(context, asked.RoleName);
      policyOf(context, asked.PolicyName, asked.PolicyType);
      if (role.policies.some((one) => one.name === asked.PolicyName && one.type === asked.PolicyType)) {
        throw new ApiError(409, 'EntityAlreadyExists.Role.Policy', 'The policy is attached to the role already.');
      }
      role.policies.push({ name: asked.PolicyName, type: asked.PolicyType });
    }),

    DetachPolicyFromRole: action(attachment, (context, asked) => {
      const role = roleOf(context, asked.RoleName);
      const left = role.policies.filter((one) => one.name !== asked.PolicyName || one.type !== asked.PolicyType);
      if (left.length === role.policies.length) {
        throw new ApiError(404, 'EntityNotExist.Role.Policy', 'The policy is not attached to the role.');
      }
      role.policies = left;
    }),

    ListPoliciesForRole: action(z.object({ RoleName: text }), (context, wanted) => ({
      Policies: {
        Policy: roleOf(context, wanted.RoleName).policies.map(({ name, type }) => ({
          PolicyName: name,
          PolicyType: type,
          Description: policyOf(context, name, type).description,
          DefaultVersion: policyOf(context, name, type).defaultVersion,
          AttachDate: utcSeconds(context.clock.now()),
        })),
      },
    })),

    /** Tags come as a JSON list of `{ Key, Value }` or as `Tag.N`. */
    TagResources: action(z.object({ ...tagged, Tag: z.union([newTags, jsonTags()]) }), (context, asked) => {
      for (const one of taggedOf(context, asked.ResourceType, asked.ResourceNames))
        one.tags = { ...one.tags, ...asked.Tag };
    }),

    UntagResources: action(z.object({ ...tagged, TagKeys: jsonList }), (context, asked) => {
      for (const one of taggedOf(context, asked.ResourceType, asked.ResourceNames)) {
        one.tags = Object.fromEntries(Object.entries(one.tags).filter(([key]) => !asked.TagKeys.includes(key)));
      }
    }),

    ListTagResources: action(z.object(tagged), (context, wanted) => ({
      NextToken: '',
      TagResources: taggedOf(context, wanted.ResourceType, wanted.ResourceNames).flatMap((one) =>
        tagSet(one.tags).Tag.map((tag) => ({ ...tag, ResourceType: wanted.ResourceType, ResourceName: one.name })),
      ),
    })),
  },
};

function jsonTags() {
  const list = z.array(z.object({ Key: z.string(), Value: z.string().default('') }));
  return z.string().transform((value, issues) => {
    try {
      return Object.fromEntries(list.parse(JSON.parse(value)).map(({ Key, Value }) => [Key, Value]));
    } catch {
      issues.addIssue({ code: 'custom', message: 'The specified parameter Tag is not a JSON list.' });
      return z.NEVER;
    }
  });
}
