/** alicloud.ram.Role, Policy and RolePolicyAttachment. */
import type { Answer, Params } from '../api/client';
import { text, type Properties } from '../values';
import { callApi, callUnless } from './calls';
import { existing, minutes, type Context, type ResourceType, type State } from './resource';
import { optional } from './security-group';

const RAM = { product: 'ram', withoutRegion: true } as const;
const GONE = [
  'EntityNotExist.Role',
  'EntityNotExist.Policy',
  'EntityNotExist.CustomPolicy',
  'EntityNotExist.Role.Policy',
];
const READ_MS = 60_000;

function call(context: Context, action: string, params: Params, resource: string, timeoutMs: number): Promise<Answer> {
  return callApi(context, { action, params, options: RAM, timeoutMs, resource, where: `${fileOf(action)}:418` });
}

/** Undefined where there is nothing of that name. */
function callIfThere(context: Context, action: string, params: Params, resource: string, timeoutMs = READ_MS) {
  const where = `${fileOf(action)}:520`;
  const retryCodes = ['DeleteConflict.Role.Policy', 'DeleteConflict.Policy.Role'];
  return callUnless(context, GONE, { action, params, options: RAM, timeoutMs, retryCodes, resource, where });
}

function fileOf(action: string): string {
  if (/PolicyToRole|PolicyFromRole|PoliciesForRole/.test(action))
    return 'resource_alicloud_ram_role_policy_attachment.go';
  return action.endsWith('Role') ? 'resource_alicloud_ram_role.go' : 'resource_alicloud_ram_policy.go';
}

export const ramRole: ResourceType = {
  token: 'alicloud:ram/role:Role',
  required: [],
  defaults: {},
  computed: [
    ...[
      'arn',
      'assumeRolePolicyDocument',
      'createTime',
      'document',
      'maxSessionDuration',
      'name',
      'ramUsers',
      'roleId',
    ],
    ...['roleName', 'services', 'version'],
  ],
  replaceOn: ['roleName', 'name'],
  timeouts: minutes(5, 5, 5),
  same: sameJson,

  async create(context, inputs, created) {
    const params = {
      RoleName: text(inputs['roleName'] ?? inputs['name']),
      Description: optional(inputs['description']),
      MaxSessionDuration: optional(inputs['maxSessionDuration']),
      AssumeRolePolicyDocument: optional(inputs['assumeRolePolicyDocument'] ?? inputs['document']),
    };
    const answer = await call(context, 'CreateRole', params, 'alicloud_ram_role', context.timeouts.create);
    const id = text(answer.Role?.RoleName);
    created(id);
    return existing(await readRole(context, id), id);
  },

  read: (context, id) => readRole(context, id),

  async update(context, id, _before, inputs) {
    const params = {
      RoleName: id,
      NewDescription: optional(inputs['description']),
      NewMaxSessionDuration: optional(inputs['maxSessionDuration']),
      NewAssumeRolePolicyDocument: optional(inputs['assumeRolePolicyDocument'] ?? inputs['document']),
    };
    await call(context, 'UpdateRole', params, id, context.timeouts.update);
    return existing(await readRole(context, id), id);
  },

  async delete(context, id) {
    await callIfThere(context, 'DeleteRole', { RoleName: id }, id, context.timeouts.delete);
  },
};

async function readRole(context: Context, id: string): Promise<State | undefined> {
  const answer = await callIfThere(context, 'GetRole', { RoleName: id }, id);
  const role: Answer = answer?.Role;
  if (role === undefined) return undefined;
  await callIfThere(context, 'ListTagResources', { ResourceType: 'role', ResourceNames: JSON.stringify([id]) }, id);
  const document = text(role.AssumeRolePolicyDocument);
  return {
    id,
    arn: text(role.Arn),
    assumeRolePolicyDocument: document,
    createTime: text(role.CreateDate),
    description: text(role.Description),
    document,
    maxSessionDuration: Number(role.MaxSessionDuration ?? 3600),
    name: id,
    ...principals(document),
    roleId: text(role.RoleId),
    roleName: id,
    version: '1',
  };
}

function principals(document: string): Properties {
  const statements = (JSON.parse(document) as { Statement?: readonly Answer[] }).Statement ?? [];
  const named = (kind: string) => statements.flatMap(({ Principal }): string[] => Principal?.[kind] ?? []);
  return { ramUsers: named('RAM'), services: named('Service') };
}

export const ramPolicy: ResourceType = {
  token: 'alicloud:ram/policy:Policy',
  required: [],
  defaults: {},
  computed: [
    ...['attachmentCount', 'createTime', 'defaultVersion', 'document', 'name', 'policyDocument', 'policyName'],
    ...['statements', 'type', 'version', 'versionId'],
  ],
  replaceOn: ['policyName', 'name', 'description'],
  timeouts: minutes(5, 5, 26),
  same: sameJson,

  async create(context, inputs, created) {
    const params = {
      PolicyName: text(inputs['policyName'] ?? inputs['name']),
      Description: optional(inputs['description']),
      PolicyDocument: optional(inputs['policyDocument'] ?? inputs['document']),
    };
    const answer = await call(context, 'CreatePolicy', params, 'alicloud_ram_policy', context.timeouts.create);
    const id = text(answer.Policy?.PolicyName);
    created(id);
    return existing(await readPolicy(context, id), id);
  },

  read: (context, id) => readPolicy(context, id),

  async update(context, id, _before, inputs) {
    const document = optional(inputs['policyDocument'] ?? inputs['document']);
    const params = { PolicyName: id, PolicyDocument: document, SetAsDefault: true };
    await call(context, 'CreatePolicyVersion', params, id, context.timeouts.update);
    return existing(await readPolicy(context, id), id);
  },

  async delete(context, id) {
    const params = { PolicyName: id, CascadingDelete: true };
    await callIfThere(context, 'DeletePolicy', params, id, context.timeouts.delete);
  },
};

async function readPolicy(context: Context, id: string): Promise<State | undefined> {
  const answer = await callIfThere(context, 'GetPolicy', { PolicyName: id, PolicyType: 'Custom' }, id);
  const policy: Answer = answer?.Policy;
  if (policy === undefined) return undefined;
  await callIfThere(context, 'ListTagResources', { ResourceType: 'policy', ResourceNames: JSON.stringify([id]) }, id);
  const version: Answer = answer.DefaultPolicyVersion ?? {};
  const document = text(version.PolicyDocument);
  return {
    id,
    attachmentCount: Number(policy.AttachmentCount ?? 0),
    createTime: text(policy.CreateDate),
    defaultVersion: text(policy.DefaultVersion),
    description: text(policy.Description),
    document,
    name: id,
    policyDocument: document,
    policyName: id,
    type: text(policy.PolicyType),
    version: '1',
    versionId: text(version.VersionId),
  };
}

export const ramRolePolicyAttachment: ResourceType = {
  token: 'alicloud:ram/rolePolicyAttachment:RolePolicyAttachment',
  required: ['policyName', 'policyType', 'roleName'],
  defaults: {},
  computed: [],
  replaceOn: ['policyName', 'policyType', 'roleName'],
  timeouts: minutes(5, 5, 5),
  immutable: true,

  async create(context, inputs, created) {
    const params = attachmentParams(inputs);
    await call(context, 'AttachPolicyToRole', params, 'alicloud_ram_role_policy_attachment', context.timeouts.create);
    const id = `role:${params.PolicyName}:${params.PolicyType}:${params.RoleName}`;
    created(id);
    return existing(await readAttachment(context, id), id);
  },

  read: (context, id) => readAttachment(context, id),

  async delete(context, id, before) {
    await callIfThere(context, 'DetachPolicyFromRole', attachmentParams(before), id, context.timeouts.delete);
  },
};

async function readAttachment(context: Context, id: string): Promise<State | undefined> {
  const [, policyName = '', policyType = '', roleName = ''] = id.split(':');
  const answer = await callIfThere(context, 'ListPoliciesForRole', { RoleName: roleName }, id);
  const policies: readonly Answer[] = answer?.Policies?.Policy ?? [];
  const found = policies.some((one) => one.PolicyName === policyName && one.PolicyType === policyType);
  return found ? { id, policyName, policyType, roleName } : undefined;
}

function attachmentParams(properties: Properties) {
  return {
    PolicyType: text(properties['policyType']),
    PolicyName: text(properties['policyName']),
    RoleName: text(properties['roleName']),
  };
}

/** Documents are compared by what they say. */
function sameJson(name: string, before: unknown, after: unknown): boolean {
  if (!name.toLowerCase().endsWith('document')) return false;
  try {
    return JSON.stringify(JSON.parse(String(before))) === JSON.stringify(JSON.parse(String(after)));
  } catch {
    return false;
  }
}
