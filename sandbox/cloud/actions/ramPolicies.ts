/** RAM's own policies: documents with versions. */
import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { ManagedPolicy } from '../model/records';
import { ramPolicySchema } from '../model/ramPolicy';
import { ApiError } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { flag, text } from './fields';

const KEPT_VERSIONS = 5;

export function policyOf(context: Context, name: string, type: string): ManagedPolicy {
  const policy = type === 'System' ? systemPolicy(name) : context.state.ram.policies.get(name);
  if (!policy) throw new ApiError(404, 'EntityNotExist.Policy', `The policy does not exist : ${name} .`);
  return policy;
}

/**
 * Every `Aliyun…` policy exists, and allows everything: what they really allow is not simulated.
 */
function systemPolicy(name: string): ManagedPolicy | undefined {
  if (!/^(Aliyun|AdministratorAccess)/.test(name)) return undefined;
  const document = JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
  return {
    name,
    description: '',
    createdAt: 0,
    versions: [{ id: 'v1', document, createdAt: 0 }],
    defaultVersion: 'v1',
    tags: {},
  };
}

/** The document in force. */
export function documentOf(policy: ManagedPolicy): string {
  return policy.versions.find((version) => version.id === policy.defaultVersion)?.document ?? '';
}

function checkedDocument(document: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(document);
  } catch {
    throw new ApiError(400, 'InvalidParameter.PolicyDocument.Format', 'The policy document is not valid JSON.');
  }
  if (!ramPolicySchema.safeParse(parsed).success) {
    throw new ApiError(400, 'InvalidParameter.PolicyDocument', 'The specified policy document is not valid.');
  }
  return document;
}

function attachments(context: Context, name: string, type: string): string[] {
  return [...context.state.ram.roles.values()]
    .filter((role) => role.policies.some((policy) => policy.name === name && policy.type === type))
    .map((role) => role.name);
}

/** What the call that made it answers. */
function made(policy: ManagedPolicy, type: string) {
  return {
    PolicyName: policy.name,
    PolicyType: type,
    Description: policy.description,
    DefaultVersion: policy.defaultVersion,
    CreateDate: utcSeconds(policy.createdAt),
  };
}

function describe(context: Context, policy: ManagedPolicy, type: string) {
  return {
    ...made(policy, type),
    AttachmentCount: attachments(context, policy.name, type).length,
    UpdateDate: utcSeconds(policy.versions.at(-1)?.createdAt ?? policy.createdAt),
  };
}

function describeVersion(policy: ManagedPolicy, version: ManagedPolicy['versions'][number]) {
  return {
    VersionId: version.id,
    IsDefaultVersion: version.id === policy.defaultVersion,
    PolicyDocument: version.document,
    CreateDate: utcSeconds(version.createdAt),
  };
}

const named = { PolicyName: text, PolicyType: z.enum(['System', 'Custom']).default('Custom') };

export const ramPolicyActions: ActionGroup = {
  service: 'ram',
  actions: {
    CreatePolicy: action(
      z.object({ PolicyName: text, PolicyDocument: text, Description: text.default('') }),
      (context, asked) => {
        if (context.state.ram.policies.has(asked.PolicyName)) {
          throw new ApiError(409, 'EntityAlreadyExists.Policy', `The policy already exists : ${asked.PolicyName} .`);
        }
        const now = context.clock.now();
        const policy: ManagedPolicy = {
          name: asked.PolicyName,
          description: asked.Description,
          createdAt: now,
          versions: [{ id: 'v1', document: checkedDocument(asked.PolicyDocument), createdAt: now }],
          defaultVersion: 'v1',
          tags: {},
        };
        context.state.ram.policies.set(policy.name, policy);
        return { Policy: made(policy, 'Custom') };
      },
    ),

    GetPolicy: action(z.object(named), (context, wanted) => {
      const policy = policyOf(context, wanted.PolicyName, wanted.PolicyType);
      const version = policy.versions.find((one) => one.id === policy.defaultVersion);
      return {
        Policy: describe(context, policy, wanted.PolicyType),
        DefaultPolicyVersion: version ? describeVersion(policy, version) : {},
      };
    }),

    ListPolicies: action(z.object({ PolicyType: text.optional() }), (context, wanted) => {
      const found = wanted.PolicyType === 'System' ? [] : [...context.state.ram.policies.values()];
      return { IsTruncated: false, Policies: { Policy: found.map((policy) => describe(context, policy, 'Custom')) } };
    }),

    CreatePolicyVersion: action(
      z.object({
        PolicyName: text,
        PolicyDocument: text,
        SetAsDefault: flag.default(false),
        RotateStrategy: text.optional(),
      }),
      (context, asked) => {
        const policy = policyOf(context, asked.PolicyName, 'Custom');
        const oldest = policy.versions.find((version) => version.id !== policy.defaultVersion);
        if (policy.versions.length >= KEPT_VERSIONS) {
          if (asked.RotateStrategy !== 'DeleteOldestNonDefaultVersionWhenLimitExceeded' || !oldest) {
            throw new ApiError(
              409,
              'LimitExceeded.Policy.Version',
              'The count of policy versions is beyond the current limits.',
            );
          }
          policy.versions.splice(policy.versions.indexOf(oldest), 1);
        }
        const last = Math.max(...policy.versions.map((version) => Number(version.id.slice(1))));
        const version = {
          id: `v${last + 1}`,
          document: checkedDocument(asked.PolicyDocument),
          createdAt: context.clock.now(),
        };
        policy.versions.push(version);
        if (asked.SetAsDefault) policy.defaultVersion = version.id;
        return { PolicyVersion: describeVersion(policy, version) };
      },
    ),

    ListPolicyVersions: action(z.object(named), (context, wanted) => {
      const policy = policyOf(context, wanted.PolicyName, wanted.PolicyType);
      return { PolicyVersions: { PolicyVersion: policy.versions.map((version) => describeVersion(policy, version)) } };
    }),

    DeletePolicyVersion: action(z.object({ PolicyName: text, VersionId: text }), (context, asked) => {
      const policy = policyOf(context, asked.PolicyName, 'Custom');
      if (asked.VersionId === policy.defaultVersion) {
        throw new ApiError(
          409,
          'DeleteConflict.PolicyVersion.Default',
          'The default policy version can not be deleted.',
        );
      }
      policy.versions = policy.versions.filter((version) => version.id !== asked.VersionId);
    }),

    UpdatePolicyDescription: action(
      z.object({ PolicyName: text, NewDescription: text.default('') }),
      (context, asked) => {
        policyOf(context, asked.PolicyName, 'Custom').description = asked.NewDescription;
      },
    ),

    DeletePolicy: action(z.object({ PolicyName: text, CascadingDelete: flag.default(false) }), (context, asked) => {
      const policy = policyOf(context, asked.PolicyName, 'Custom');
      if (attachments(context, policy.name, 'Custom').length > 0) {
        throw new ApiError(409, 'DeleteConflict.Policy.Role', 'The policy is attached to one or more roles.');
      }
      if (policy.versions.length > 1 && !asked.CascadingDelete) {
        throw new ApiError(409, 'DeleteConflict.Policy.Version', 'The policy has more than one version.');
      }
      context.state.ram.policies.delete(policy.name);
    }),

    ListEntitiesForPolicy: action(z.object(named), (context, wanted) => ({
      Groups: { Group: [] },
      Users: { User: [] },
      Roles: {
        Role: attachments(context, wanted.PolicyName, wanted.PolicyType).map((name) => ({
          RoleName: name,
          RoleId: context.state.ram.roles.get(name)?.roleId ?? '',
          Arn: `acs:ram::${context.state.accountId}:role/${name.toLowerCase()}`,
        })),
      },
    })),
  },
};
