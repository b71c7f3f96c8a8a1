import type { RamPolicy } from '../../../sandbox/cloud/types';
import { STS, TestCloud, VPC, type CallOptions } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());

let keys = 0;

async function as(...statements: RamPolicy['Statement'][number][]): Promise<CallOptions> {
  const keyId = `key-${++keys}`;
  const { secret } = await cloud.control.addAccessKeyWithPolicy(keyId, { Version: '1', Statement: statements });
  return { keyId, secret };
}

const allow = (action: string | string[], resource = '*', condition?: RamPolicy['Statement'][number]['Condition']) => ({
  Effect: 'Allow' as const,
  Action: action,
  Resource: resource,
  ...(condition ? { Condition: condition } : {}),
});

test('an action that no statement allows is refused, and the answer names it', async () => {
  const { secret } = await cloud.control.addAccessKey('reader', ['ecs:Describe*']);
  const reader = { keyId: 'reader', secret };
  expect(await cloud.code('DescribeInstances', {}, reader)).toBe('no error');
  expect(await cloud.call('RunInstances', await cloud.launchParameters(), reader)).toMatchObject({
    status: 403,
    body: {
      Code: 'Forbidden.RAM',
      Message: "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
      AccessDeniedDetail: {
        AuthAction: 'ecs:RunInstances',
        NoPermissionType: 'ImplicitDeny',
        AuthPrincipalDisplayName: 'reader',
      },
    },
  });
  expect(await cloud.code('DescribeVpcs', {}, { ...reader, version: VPC })).toBe('Forbidden.RAM');
});

test('everybody may ask who they are', async () => {
  const answer = await cloud.ok('GetCallerIdentity', {}, { ...(await as()), version: STS });
  expect(answer).toMatchObject({ IdentityType: 'RAMUser', Arn: expect.stringMatching(/^acs:ram::\d+:user\/key-\d+$/) });
});

test('a Deny wins over an Allow', async () => {
  const key = await as(allow('ecs:*'), { Effect: 'Deny', Action: 'ecs:DescribeDisks', Resource: '*' });
  expect(await cloud.code('DescribeInstances', {}, key)).toBe('no error');
  expect((await cloud.call('DescribeDisks', {}, key)).body.AccessDeniedDetail.NoPermissionType).toBe('ExplicitDeny');
});

test('a statement about one resource says nothing about others', async () => {
  const mine = await cloud.launchRunning();
  const other = await cloud.launchRunning();
  const key = await as(allow('ecs:*Instance', `acs:ecs:*:*:instance/${mine}`));
  expect(await cloud.code('StopInstance', { InstanceId: other }, key)).toBe('Forbidden.RAM');
  expect(await cloud.code('StopInstance', { InstanceId: mine }, key)).toBe('no error');
});

test('a condition on tags holds an instance of ours apart from others', async () => {
  const tagged = { 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'job' };
  const ours = await cloud.launchRunning(tagged);
  const foreign = await cloud.launchRunning();
  const key = await as(allow('ecs:DeleteInstance', '*', { StringEquals: { 'acs:ResourceTag/gitlab-spot': 'job' } }));
  expect(await cloud.code('DeleteInstance', { InstanceId: foreign, Force: 'true' }, key)).toBe('Forbidden.RAM');
  expect(await cloud.code('DeleteInstance', { InstanceId: ours, Force: 'true' }, key)).toBe('no error');
});

test('a condition on the tags of the request lets only tagged instances be made', async () => {
  const key = await as(
    allow('ecs:RunInstances', 'acs:ecs:*:*:instance/*', {
      StringEquals: { 'acs:RequestTag/gitlab-spot': ['job', 'image'] },
    }),
    {
      Effect: 'Allow',
      Action: 'ecs:RunInstances',
      Resource: ['acs:ecs:*:*:securitygroup/*', 'acs:ecs:*:*:image/*', 'acs:vpc:*:*:vswitch/*'],
    },
  );
  expect(await cloud.code('RunInstances', await cloud.launchParameters(), key)).toBe('Forbidden.RAM');
  const tagged = await cloud.launchParameters({ 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'job' });
  expect(await cloud.code('RunInstances', tagged, key)).toBe('no error');
});

test('a condition that is not known here allows nothing', async () => {
  const key = await as(allow('ecs:*', '*', { IpAddress: { 'acs:SourceIp': '127.0.0.1' } }));
  expect(await cloud.code('DescribeInstances', {}, key)).toBe('Forbidden.RAM');
});

test('an instance gets a RAM role only from those who may pass it on', async () => {
  const withRole = await cloud.launchParameters({ RamRoleName: 'Admin' });
  expect(
    (await cloud.call('RunInstances', withRole, await as(allow('ecs:*')))).body.AccessDeniedDetail.AuthAction,
  ).toBe('ram:PassRole');
  expect(await cloud.code('RunInstances', withRole, await as(allow(['ecs:*', 'ram:PassRole'])))).toBe('no error');
});
