import { STS, TestCloud } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());

const RAM = { version: '2015-05-01' };
const trust = JSON.stringify({
  Version: '1',
  Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: ['ecs.aliyuncs.com'] } }],
});
const document = (action: string): string =>
  JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action: [action], Resource: ['*'] }] });

let roles = 0;

/** A role with one policy, attached; their common name. */
async function role(action: string): Promise<string> {
  const name = `role-${++roles}`;
  await cloud.ok('CreateRole', { RoleName: name, AssumeRolePolicyDocument: trust }, RAM);
  await cloud.ok('CreatePolicy', { PolicyName: name, PolicyDocument: document(action) }, RAM);
  await cloud.ok('AttachPolicyToRole', { RoleName: name, PolicyName: name, PolicyType: 'Custom' }, RAM);
  return name;
}

async function assume(name: string) {
  const arn = (await cloud.ok('GetRole', { RoleName: name }, RAM)).Role.Arn;
  const asked = { RoleArn: arn, RoleSessionName: 'test', DurationSeconds: '900' };
  const { Credentials } = await cloud.ok('AssumeRole', asked, { version: STS });
  return {
    token: { SecurityToken: Credentials.SecurityToken },
    as: { keyId: Credentials.AccessKeyId, secret: Credentials.AccessKeySecret },
  };
}

test('a role and its policy go in the reverse order only', async () => {
  const name = await role('ecs:*');
  const attached = { RoleName: name, PolicyName: name, PolicyType: 'Custom' };
  expect((await cloud.ok('ListPoliciesForRole', { RoleName: name }, RAM)).Policies.Policy).toEqual([
    expect.objectContaining({ PolicyName: name, PolicyType: 'Custom' }),
  ]);
  expect(await cloud.code('DeleteRole', { RoleName: name }, RAM)).toBe('DeleteConflict.Role.Policy');
  expect(await cloud.code('DeletePolicy', { PolicyName: name }, RAM)).toBe('DeleteConflict.Policy.Role');
  await cloud.ok('DetachPolicyFromRole', attached, RAM);
  expect(await cloud.code('DetachPolicyFromRole', attached, RAM)).toBe('EntityNotExist.Role.Policy');
  await cloud.ok('DeleteRole', { RoleName: name }, RAM);
  await cloud.ok('DeletePolicy', { PolicyName: name }, RAM);
  expect(await cloud.code('GetRole', { RoleName: name }, RAM)).toBe('EntityNotExist.Role');
  expect(await cloud.code('GetPolicy', { PolicyName: name }, RAM)).toBe('EntityNotExist.Policy');
});

test('what is there already, or is no policy, is refused', async () => {
  const name = await role('ecs:*');
  expect(await cloud.code('CreateRole', { RoleName: name, AssumeRolePolicyDocument: trust }, RAM)).toBe(
    'EntityAlreadyExists.Role',
  );
  expect(await cloud.code('CreatePolicy', { PolicyName: name, PolicyDocument: document('*') }, RAM)).toBe(
    'EntityAlreadyExists.Policy',
  );
  expect(await cloud.code('CreatePolicy', { PolicyName: 'new', PolicyDocument: '{' }, RAM)).toBe(
    'InvalidParameter.PolicyDocument.Format',
  );
  expect(await cloud.code('CreatePolicy', { PolicyName: 'new', PolicyDocument: '{}' }, RAM)).toBe(
    'InvalidParameter.PolicyDocument',
  );
});

test('a policy keeps five versions, and the default one decides', async () => {
  const name = await role('ecs:DescribeInstances');
  const version = { PolicyName: name, PolicyDocument: document('ecs:DescribeDisks'), SetAsDefault: 'true' };
  for (let count = 0; count < 4; count++) await cloud.ok('CreatePolicyVersion', version, RAM);
  expect(await cloud.code('CreatePolicyVersion', version, RAM)).toBe('LimitExceeded.Policy.Version');
  const rotated = { ...version, RotateStrategy: 'DeleteOldestNonDefaultVersionWhenLimitExceeded' };
  expect((await cloud.ok('CreatePolicyVersion', rotated, RAM)).PolicyVersion.VersionId).toBe('v6');
  const policy = await cloud.ok('GetPolicy', { PolicyName: name, PolicyType: 'Custom' }, RAM);
  expect(policy).toMatchObject({
    Policy: { DefaultVersion: 'v6', AttachmentCount: 1 },
    DefaultPolicyVersion: { PolicyDocument: document('ecs:DescribeDisks') },
  });
});

test('who takes a role on may do what its policies say, until the credentials end', async () => {
  const { token, as } = await assume(await role('ecs:DescribeInstances'));
  expect(await cloud.code('DescribeInstances', token, as)).toBe('no error');
  expect(await cloud.code('DescribeDisks', token, as)).toBe('Forbidden.RAM');
  expect(await cloud.ok('GetCallerIdentity', token, { ...as, version: STS })).toMatchObject({
    IdentityType: 'AssumedRoleUser',
  });
  cloud.clock.advance(901_000);
  expect(await cloud.code('DescribeInstances', token, as)).toBe('InvalidSecurityToken.Expired');
});

test('an access key can be disabled', async () => {
  const { secret } = await cloud.control.addAccessKey('old-key', ['ecs:*']);
  await cloud.control.disableAccessKey('old-key');
  expect(await cloud.code('DescribeInstances', {}, { keyId: 'old-key', secret })).toBe('InvalidAccessKeyId.Inactive');
});

test('roles and policies have tags', async () => {
  const name = await role('ecs:*');
  for (const type of ['role', 'policy']) {
    const resource = { ResourceType: type, ResourceNames: JSON.stringify([name]) };
    await cloud.ok('TagResources', { ...resource, Tag: JSON.stringify([{ Key: 'a', Value: '1' }]) }, RAM);
    await cloud.ok('TagResources', { ...resource, 'Tag.1.Key': 'b', 'Tag.1.Value': '2' }, RAM);
    await cloud.ok('UntagResources', { ...resource, TagKeys: '["a"]' }, RAM);
    expect((await cloud.ok('ListTagResources', resource, RAM)).TagResources).toEqual([
      expect.objectContaining({ TagKey: 'b', TagValue: '2' }),
    ]);
  }
});
