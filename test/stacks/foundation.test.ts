import * as pulumi from '@pulumi/pulumi';
import { vSwitchCidr } from '../../stacks/cidr';
import { foundation, type FoundationArgs } from '../../stacks/foundation';
import { foundationArgsFromConfig } from '../../stacks/foundation-config';

const args: FoundationArgs = {
  name: 'gitlab-spot',
  region: 'cn-hangzhou',
  instanceTypes: ['ecs.c7.xlarge', 'ecs.c8a.xlarge'],
  network: {},
  cache: { expireDays: 14 },
  state: {},
  role: { images: true },
};

const zones = [
  { id: 'cn-hangzhou-k', availableInstanceTypes: ['ecs.c8a.xlarge', 'ecs.g7.large'] },
  { id: 'cn-hangzhou-h', availableInstanceTypes: ['ecs.c7.xlarge'] },
  { id: 'cn-hangzhou-b', availableInstanceTypes: ['ecs.g7.large'] },
];

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

async function declare(change: Partial<FoundationArgs> = {}) {
  const declared: Declared[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        declared.push({ type: type.replace(/^.*:/, ''), name, inputs: inputs as Record<string, unknown> });
        return {
          id: type.includes('Network') ? 'vpc-new1' : ((inputs as { bucket?: string }).bucket ?? `${name}-id`),
          state: inputs as object,
        };
      },
      call: ({ token }) => (token.endsWith('getZones') ? { zones } : {}),
    },
    'gitlab-spot',
    'foundation',
    false,
  );
  const outputs = await resolve(pulumi.output(await foundation({ ...args, ...change })));
  await pulumi.runtime.disconnect();
  const of = (type: string) => declared.filter((one) => one.type === type);
  return { outputs, of };
}

function resolve<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(withUnknowns: boolean): Promise<T> }).promise(true);
}

test('a group for all jobs, where it is wanted: nobody in it reaches another, the executor reaches all', async () => {
  expect((await declare()).of('SecurityGroup')).toEqual([]);
  const securityGroup = { executorCidr: ['10.0.0.5/32', '10.0.0.6/32'], sshPort: 2222 };
  const { outputs, of } = await declare({ securityGroup });
  expect(of('SecurityGroup')).toMatchObject([
    { inputs: { securityGroupName: 'gitlab-spot-jobs', vpcId: 'vpc-new1', innerAccessPolicy: 'Drop' } },
  ]);
  expect(
    of('SecurityGroupRule').map(({ inputs }) => [inputs.cidrIp, inputs.portRange, inputs.securityGroupId]),
  ).toEqual([
    ['10.0.0.5/32', '2222/2222', 'jobs-id'],
    ['10.0.0.6/32', '2222/2222', 'jobs-id'],
  ]);
  expect(outputs).toMatchObject({ securityGroupId: 'jobs-id' });
});

test('every zone that sells a wanted type gets a vSwitch, no other', async () => {
  const { outputs, of } = await declare();
  expect(of('Switch').map(({ name, inputs }) => [name, inputs['cidrBlock']])).toEqual([
    ['cn-hangzhou-h', '10.86.56.0/21'],
    ['cn-hangzhou-k', '10.86.80.0/21'],
  ]);
  expect(outputs).toMatchObject({ vpcId: 'vpc-new1', vSwitchIds: { 'cn-hangzhou-h': 'cn-hangzhou-h-id' } });
});

test('buckets are named after the VPC, the cache expires, the state keeps its versions', async () => {
  const { outputs, of } = await declare();
  const [cache, state] = ['cache', 'state'].map((name) => of('Bucket').find((bucket) => bucket.name === name)!.inputs);
  expect(cache).toMatchObject({ bucket: 'gitlab-spot-cache-new1', lifecycleRules: [{ expirations: [{ days: 14 }] }] });
  expect(state).toMatchObject({ bucket: 'gitlab-spot-state-new1', versioning: { status: 'Enabled' } });
  expect(state).not.toHaveProperty('forceDestroy');
  expect(outputs).toMatchObject({
    backendUrl:
      's3://gitlab-spot-state-new1?region=cn-hangzhou&endpoint=https://s3.oss-cn-hangzhou-internal.aliyuncs.com',
  });
});

test('the state’s old versions go after a month, and the markers of what was deleted at once', async () => {
  const { of } = await declare();
  expect(of('Bucket').find(({ name }) => name === 'state')!.inputs['lifecycleRules']).toMatchObject([
    { noncurrentVersionExpirations: [{ days: 30 }], expirations: [{ expiredObjectDeleteMarker: true }] },
  ]);
});

test('hosts outside the region reach the state by the public endpoint', async () => {
  const { outputs } = await declare({ state: { endpoint: 'public' } });
  expect(outputs.backendUrl).toMatch(/endpoint=https:\/\/s3\.oss-cn-hangzhou\.aliyuncs\.com$/);
});

test('a way out is made only where it is wanted: one gateway, one address, an entry for each vSwitch', async () => {
  expect((await declare()).of('NatGateway')).toEqual([]);
  const { outputs, of } = await declare({ network: { nat: { bandwidthMbps: 100 } } });
  expect(of('NatGateway').map(({ inputs }) => inputs)).toMatchObject([
    { vpcId: 'vpc-new1', vswitchId: 'cn-hangzhou-h-id', natType: 'Enhanced', paymentType: 'PayAsYouGo' },
  ]);
  expect(of('EipAddress').map(({ inputs }) => inputs)).toMatchObject([
    { bandwidth: '100', internetChargeType: 'PayByTraffic' },
  ]);
  expect(of('EipAssociation')).toHaveLength(1);
  expect(of('SnatEntry').map(({ inputs }) => inputs['sourceVswitchId'])).toEqual([
    'cn-hangzhou-h-id',
    'cn-hangzhou-k-id',
  ]);
  expect(outputs).toHaveProperty('natAddress');
});

test('the role is for ECS hosts only, and reaches these two buckets only', async () => {
  const { outputs, of } = await declare();
  expect(String(of('Role')[0]!.inputs['assumeRolePolicyDocument'])).toContain('"Service":["ecs.aliyuncs.com"]');
  const document = String(of('Policy')[0]!.inputs['policyDocument']);
  expect(document.match(/acs:oss:[^"]*/g)).toEqual([
    'acs:oss:*:*:gitlab-spot-state-new1',
    'acs:oss:*:*:gitlab-spot-state-new1/*',
    'acs:oss:*:*:gitlab-spot-cache-new1',
    'acs:oss:*:*:gitlab-spot-cache-new1/*',
  ]);
  expect(outputs).toMatchObject({ roleName: 'gitlab-spot-executor' });
});

test('existing networks are used as they are', async () => {
  const { outputs, of } = await declare({
    network: { vpcId: 'vpc-old', vSwitchIds: { 'cn-hangzhou-h': 'vsw-old' } },
    cache: undefined,
    state: undefined,
    role: undefined,
  });
  expect([of('Network'), of('Switch'), of('Bucket'), of('Role')]).toEqual([[], [], [], []]);
  expect(outputs).toEqual({
    region: 'cn-hangzhou',
    vpcId: 'vpc-old',
    vSwitchIds: { 'cn-hangzhou-h': 'vsw-old' },
  });
});

test('an existing VPC gets vSwitches where a free block of it is named', async () => {
  const { of } = await declare({ network: { vpcId: 'vpc-old', cidrBlock: '172.20.0.0/16', zones: ['cn-hangzhou-k'] } });
  expect(of('Switch').map(({ inputs }) => [inputs['vpcId'], inputs['cidrBlock']])).toEqual([
    ['vpc-old', '172.20.80.0/21'],
  ]);
});

test.each([
  ['no zone sells the types', { instanceTypes: ['ecs.x.large'] }, /^no zone of cn-hangzhou sells ecs\.x\.large/],
  ['no allowed zone sells the types', { network: { zones: ['cn-hangzhou-b'] } }, /among cn-hangzhou-b sells/],
  ['an existing VPC has no vSwitch', { network: { vpcId: 'vpc-old' } }, /network\.vSwitchIds, or give a free \/16/],
  [
    'the block is too small',
    { network: { cidrBlock: '10.0.0.0/24' } },
    /network\.cidrBlock "10\.0\.0\.0\/24": expected a \/16/,
  ],
] as const)('one sentence when %s', async (_what, change, sentence) => {
  await expect(declare(change as Partial<FoundationArgs>)).rejects.toThrow(sentence);
});

test('each letter has a block of its own, whatever other zones there are', () => {
  const blocks = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => vSwitchCidr('10.1.0.0/16', `cn-hangzhou-${letter}`));
  expect(new Set(blocks).size).toBe(26);
  expect(blocks.at(-1)).toBe('10.1.200.0/21');
});

describe('configuration', () => {
  const config = (value: unknown) => {
    pulumi.runtime.setAllConfig({ 'gitlab-spot:foundation': JSON.stringify(value) });
    return new pulumi.Config('gitlab-spot');
  };

  test('needs a region only', () => {
    expect(foundationArgsFromConfig(config({}), 'cn-hangzhou')).toMatchObject({ name: 'gitlab-spot', state: {} });
    expect(() => foundationArgsFromConfig(config({}), undefined)).toThrow(
      /^stack foundation needs a region: pulumi config/,
    );
  });

  test('turns parts off', () => {
    expect(foundationArgsFromConfig(config({ cache: false, role: false }), 'cn-hangzhou')).toMatchObject({
      cache: undefined,
      role: undefined,
      state: {},
    });
  });
});
