import * as pulumi from '@pulumi/pulumi';
import type { JobStackArgs } from '../../stacks/job';

const args: JobStackArgs = {
  stackName: 'job-gitlab-7-1',
  vpcId: 'vpc-1',
  vSwitchId: 'vsw-1',
  instanceType: 'ecs.c7.xlarge',
  imageId: 'm-1',
  disk: { category: 'cloud_essd', sizeGiB: 40 },
  spot: { strategy: 'SpotWithPriceLimit', priceLimitYuanPerHour: 0.4, durationHours: 1 },
  internetBandwidthMbps: 0,
  sshPort: 22,
  executorCidr: ['10.0.0.5/32'],
  publicKey: 'ssh-ed25519 AAAA job',
  userData: '#cloud-config\nssh_keys: {}\n',
  tags: { 'gitlab-spot': 'job', 'gitlab-spot/job': '7' },
  autoReleaseTime: '2026-11-24T15:11:00Z',
};

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  readonly provider: string | undefined;
}

let declared: Declared[];

/** Runs jobStack with resources that exist at once. */
async function declare(change: Partial<JobStackArgs> = {}) {
  declared = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider }) => {
        declared.push({ type, name, inputs: inputs as Record<string, unknown>, provider });
        return { id: `${name}-id`, state: { privateIp: '172.16.0.9', publicIp: '', ...(inputs as object) } };
      },
      call: () => ({}),
    },
    'gitlab-spot',
    args.stackName,
    false,
  );
  const { jobStack } = await import('../../stacks/job');
  const outputs = jobStack({ ...args, ...change });
  const values = await resolve(pulumi.output(outputs));
  return { values, declared };
}

function resolve<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(withUnknowns: boolean): Promise<T> }).promise(true);
}

function inputsOf(type: string): Record<string, unknown> {
  const found = declared.find((one) => one.type === type);
  if (found === undefined) throw new Error(`no ${type} among ${declared.map((one) => one.type).join(', ')}`);
  return found.inputs;
}

const GROUP = 'alicloud:ecs/securityGroup:SecurityGroup';
const RULE = 'alicloud:ecs/securityGroupRule:SecurityGroupRule';
const KEY = 'alicloud:ecs/keyPair:KeyPair';
const INSTANCE = 'alicloud:ecs/instance:Instance';

test('a job stack is a group, a rule, a key pair and an instance', async () => {
  const { values } = await declare();
  expect(declared.map(({ type }) => type).sort()).toEqual([INSTANCE, KEY, GROUP, RULE].sort());
  expect(values).toEqual({ instanceId: 'job-id', privateIp: '172.16.0.9', publicIp: '' });
});

test('the group is the job’s own, and its members do not reach each other', async () => {
  await declare();
  expect(inputsOf(GROUP)).toEqual({
    securityGroupName: 'job-gitlab-7-1',
    vpcId: 'vpc-1',
    innerAccessPolicy: 'Drop',
    tags: args.tags,
  });
});

test('with a shared group the stack declares what is the job’s own, and nothing that others need', async () => {
  await declare({ securityGroupId: 'sg-shared' });
  expect(declared.map(({ type }) => type).sort()).toEqual([INSTANCE, KEY].sort());
  expect(inputsOf(INSTANCE).securityGroups).toEqual(['sg-shared']);
});

test('only the executor reaches the SSH port', async () => {
  await declare({ sshPort: 2222 });
  expect(inputsOf(RULE)).toEqual({
    securityGroupId: 'job-id',
    type: 'ingress',
    ipProtocol: 'tcp',
    portRange: '2222/2222',
    cidrIp: '10.0.0.5/32',
    nicType: 'intranet',
    policy: 'accept',
    priority: 1,
  });
});

test('each address of the executor gets a rule of its own', async () => {
  await declare({ executorCidr: ['10.0.0.5/32', '10.0.0.6/32'] });
  const rules = declared.filter(({ type }) => type === RULE);
  expect(rules.map(({ name }) => name).sort()).toEqual(['ssh-10.0.0.5/32', 'ssh-10.0.0.6/32']);
});

describe('what goes out', () => {
  const out = () => declared.filter(({ type, inputs }) => type === RULE && inputs.type === 'egress');

  test('is not held back by itself, nor in a shared group', async () => {
    await declare();
    expect(out()).toEqual([]);
    await declare({ securityGroupId: 'sg-shared', egress: [] });
    expect(out()).toEqual([]);
  });

  test('is what the profile says, name resolution and the metadata service; all else is dropped', async () => {
    const gitlab = { to: '10.0.0.5/32', protocol: 'tcp', ports: '443/443' } as const;
    await declare({ egress: [gitlab, gitlab, { to: '2400::/16', protocol: 'all', ports: '-1/-1' }] });
    const accepted = out().filter(({ inputs }) => inputs.policy === 'accept');
    expect(
      accepted.map(({ inputs: { cidrIp, ipv6CidrIp, ipProtocol, portRange } }) => [
        cidrIp ?? ipv6CidrIp,
        ipProtocol,
        portRange,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['10.0.0.5/32', 'tcp', '443/443'],
        ['2400::/16', 'all', '-1/-1'],
        ['100.100.2.136/32', 'udp', '53/53'],
        ['100.100.100.200/32', 'tcp', '80/80'],
      ]),
    );
    expect(accepted).toHaveLength(7);
    const dropped = { type: 'egress', ipProtocol: 'all', portRange: '-1/-1', policy: 'drop', priority: 100 };
    expect(
      out()
        .filter(({ inputs }) => inputs.policy === 'drop')
        .map(({ inputs }) => inputs),
    ).toEqual([
      expect.objectContaining({ ...dropped, cidrIp: '0.0.0.0/0' }),
      expect.objectContaining({ ...dropped, ipv6CidrIp: '::/0' }),
    ]);
    for (const { name, inputs } of out()) {
      expect(inputs).toMatchObject({ securityGroupId: 'job-id', nicType: 'intranet' });
      expect(name).not.toContain('::');
    }
  });
});

test('the instance carries the job’s key, tags, release time and, where it is asked for, hardened metadata', async () => {
  await declare({ httpTokens: 'required' });
  expect(inputsOf(INSTANCE)).toMatchObject({
    instanceName: 'job-gitlab-7-1',
    instanceType: 'ecs.c7.xlarge',
    imageId: 'm-1',
    vswitchId: 'vsw-1',
    securityGroups: ['job-id'],
    keyName: 'job-gitlab-7-1',
    systemDiskCategory: 'cloud_essd',
    systemDiskSize: 40,
    internetMaxBandwidthOut: 0,
    httpTokens: 'required',
    autoReleaseTime: '2026-11-24T15:11:00Z',
    tags: args.tags,
  });
  expect(inputsOf(INSTANCE)).not.toHaveProperty('roleName');
  await declare();
  expect(inputsOf(INSTANCE)['httpTokens']).toBe('optional');
});

test.each([
  [undefined, undefined],
  ['PL0', 'PL0'],
])('a disk of level %s is asked for as such', async (performanceLevel, asked) => {
  await declare({ disk: { category: 'cloud_essd', performanceLevel, sizeGiB: 40 } });
  expect(inputsOf('alicloud:ecs/instance:Instance').systemDiskPerformanceLevel).toBe(asked);
});

test('user data is secret, and base64 whatever it looks like', async () => {
  await declare({ userData: 'abcd' });
  expect(inputsOf(INSTANCE)['userData']).toEqual({
    '4dabf18193072939515e22adb298388d': '1b47061264138c4ac30d75fd1eb44270',
    value: Buffer.from('abcd').toString('base64'),
  });
});

test.each([
  ['SpotWithPriceLimit', { spotStrategy: 'SpotWithPriceLimit', spotDuration: 1, spotPriceLimit: 0.4 }],
  ['SpotAsPriceGo', { spotStrategy: 'SpotAsPriceGo', spotDuration: 1 }],
  ['NoSpot', { spotStrategy: 'NoSpot' }],
] as const)('%s is billed by the second, with only the parameters it knows', async (strategy, expected) => {
  await declare({ spot: { strategy, priceLimitYuanPerHour: 0.4, durationHours: 1 } });
  const inputs = inputsOf(INSTANCE);
  const billing = Object.entries(inputs).filter(([name]) => name.startsWith('spot'));
  expect(Object.fromEntries(billing)).toEqual(expected);
  expect(inputs['instanceChargeType']).toBe('PostPaid');
});

test('a region makes a provider of the stack’s own, which writes it into the state', async () => {
  await declare({ region: 'cn-shanghai' });
  expect(inputsOf('pulumi:providers:alicloud')).toEqual({ region: 'cn-shanghai' });
  const resources = declared.filter(({ type }) => type.startsWith('alicloud:'));
  expect(resources.every(({ provider }) => provider?.includes('pulumi:providers:alicloud::alicloud'))).toBe(true);
});

test('a zone is handed to the cloud for comparison', async () => {
  await declare({ zoneId: 'cn-hangzhou-k' });
  expect(inputsOf(INSTANCE)['availabilityZone']).toBe('cn-hangzhou-k');
});
