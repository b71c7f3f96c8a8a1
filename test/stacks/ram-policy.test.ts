import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startCloud, type Cloud } from '../../sandbox/cloud';
import { Provider } from '../../sandbox/provider/provider';
import type { Properties } from '../../sandbox/provider/values';
import { bucketGiB } from '../../src/cloud/bucket-size';
import { executorPolicy, foundationPolicy } from '../../stacks/ram-policy';
import { NotedMachines } from '../sandbox/cloud/support';
import { clientOf } from '../support/cloud-client';

const GROUP = 'alicloud:ecs/securityGroup:SecurityGroup';
const RULE = 'alicloud:ecs/securityGroupRule:SecurityGroupRule';
const KEY = 'alicloud:ecs/keyPair:KeyPair';
const INSTANCE = 'alicloud:ecs/instance:Instance';
const PUBLIC_KEY =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== try';
const tags = { 'gitlab-spot': 'job' };

let cloud: Cloud;
let provider: Provider;
const directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-policy-'));

beforeAll(async () => {
  cloud = await startCloud({ directory, startMachine: new NotedMachines().start });
  const { secret } = await cloud.control.addAccessKeyWithPolicy('executor-key', executorPolicy({ images: false }));
  provider = new Provider({
    env: {
      ALICLOUD_ACCESS_KEY: 'executor-key',
      ALICLOUD_SECRET_KEY: secret,
      ALICLOUD_REGION: cloud.info.region,
      ECS_ENDPOINT: cloud.info.endpoint,
      VPC_ENDPOINT: cloud.info.endpoint,
      SANDBOX_PROVIDER_SLEEPS: 'create=0,delete=0,network=0,poll=20,retry=20',
    },
  });
  provider.configure({ protocol: 'HTTP' });
});

afterAll(async () => {
  await cloud.close();
  rmSync(directory, { recursive: true, force: true });
});

test('suffices for the whole life of a job stack', async () => {
  const group = await provider.create(GROUP, {
    securityGroupName: 'job-1',
    vpcId: cloud.info.vpcId,
    innerAccessPolicy: 'Drop',
    tags,
  });
  const cidr = { portRange: '22/22', cidrIp: '127.0.0.1/32', nicType: 'intranet', policy: 'accept', priority: 1 };
  const rule = await ruleOf(group.id, cidr);
  for (const out of [
    { cidrIp: '10.0.0.5/32', ipProtocol: 'tcp', portRange: '443/443', policy: 'accept', priority: 1 },
    { ipv6CidrIp: '::/0', ipProtocol: 'all', portRange: '-1/-1', policy: 'drop', priority: 100 },
  ]) {
    const inputs = { ...out, securityGroupId: group.id, type: 'egress', nicType: 'intranet' };
    const { id, properties } = await provider.create(RULE, inputs);
    await expect(provider.read(RULE, id, properties, {})).resolves.toBeDefined();
  }
  const key = await provider.create(KEY, { keyPairName: 'job-1', publicKey: PUBLIC_KEY, tags });
  const instance = await provider.create(INSTANCE, instanceInputs(group.id));
  const made = [
    [GROUP, group],
    [RULE, rule],
    [KEY, key],
    [INSTANCE, instance],
  ] as const;
  for (const [type, { id, properties }] of made) {
    await expect(provider.read(type, id, properties, {})).resolves.toBeDefined();
  }
  // The rule's deletion speaks TLS, which the cloud's own tests cover; the group takes its rules
  // with it.
  for (const [type, { id, properties }] of [made[3], made[2], made[0]]) await provider.delete(type, id, properties);
  await expect(cloud.control.leftovers()).resolves.toMatchObject({
    instances: [],
    keyPairNames: [],
    securityGroupIds: [],
  });
});

test('lets nothing be made without the tag by which it is found again', async () => {
  await expect(provider.create(KEY, { keyPairName: 'job-2', publicKey: PUBLIC_KEY }, {})).rejects.toThrow(
    /Code: Forbidden\.RAM/,
  );
});

test('with deleteTagged nothing is deleted or tagged that lacks our tag, and what has it is', async () => {
  const policy = executorPolicy({ images: false, deleteTagged: true });
  const { secret } = await cloud.control.addAccessKeyWithPolicy('own-key', policy);
  const env = {
    ALICLOUD_REGION: cloud.info.region,
    ECS_ENDPOINT: cloud.info.endpoint,
    VPC_ENDPOINT: cloud.info.endpoint,
    SANDBOX_PROVIDER_SLEEPS: 'create=0,delete=0,network=0,poll=20,retry=20',
  };
  const own = new Provider({ env: { ...env, ALICLOUD_ACCESS_KEY: 'own-key', ALICLOUD_SECRET_KEY: secret } });
  const free = await cloud.control.addAccessKeyWithPolicy('free-key', {
    Version: '1',
    Statement: [{ Effect: 'Allow', Action: ['*'], Resource: ['*'] }],
  });
  const anybody = new Provider({ env: { ...env, ALICLOUD_ACCESS_KEY: 'free-key', ALICLOUD_SECRET_KEY: free.secret } });
  for (const one of [own, anybody]) one.configure({ protocol: 'HTTP' });

  const theirs = await anybody.create(GROUP, { securityGroupName: 'theirs', vpcId: cloud.info.vpcId });
  const ours = await own.create(GROUP, { securityGroupName: 'job-9', vpcId: cloud.info.vpcId, tags });
  await expect(own.delete(GROUP, theirs.id, theirs.properties)).rejects.toThrow(/Forbidden\.RAM/);
  await expect(own.update(GROUP, theirs.id, theirs.properties, { ...theirs.properties, tags })).rejects.toThrow();
  await own.delete(GROUP, ours.id, ours.properties);
  await anybody.delete(GROUP, theirs.id, theirs.properties);
});

test.each<[string, { readonly cacheBucket?: string }, unknown]>([
  ['with a bucket', { cacheBucket: 'cache' }, undefined],
  ['without one', {}, expect.objectContaining({ code: 'Forbidden.RAM' })],
])('%s: whether its size may be asked', async (name, scope, refusal) => {
  const { secret } = await cloud.control.addAccessKeyWithPolicy(name, executorPolicy({ images: false, ...scope }));
  const { rpc } = clientOf({ info: { ...cloud.info, accessKeyId: name, accessKeySecret: secret } });
  await expect(bucketGiB(rpc, 'cache').catch((error: unknown) => error)).resolves.toEqual(refusal);
});

test('does not let the executor touch the network or images', async () => {
  await expect(provider.create('alicloud:vpc/network:Network', { cidrBlock: '10.0.0.0/16' })).rejects.toThrow(
    /Code: Forbidden\.RAM/,
  );
  const actions = executorPolicy({ images: false }).Statement.flatMap(({ Action }) => Action);
  expect(actions.filter((action) => /Vpc|VSwitch|Image|^ram:|\*/.test(action) && !/:Describe/.test(action))).toEqual(
    [],
  );
});

test('what makes the foundation’s network, the way out included, suffices for its whole life, and is not the executor’s', async () => {
  const { secret } = await cloud.control.addAccessKeyWithPolicy('init-key', foundationPolicy());
  const maker = new Provider({
    env: {
      ALICLOUD_ACCESS_KEY: 'init-key',
      ALICLOUD_SECRET_KEY: secret,
      ALICLOUD_REGION: cloud.info.region,
      ECS_ENDPOINT: cloud.info.endpoint,
      VPC_ENDPOINT: cloud.info.endpoint,
      SANDBOX_PROVIDER_SLEEPS: 'create=0,delete=0,network=0,poll=20,retry=20',
    },
  });
  maker.configure({ protocol: 'HTTP' });
  const made: [string, Awaited<ReturnType<Provider['create']>>][] = [];
  const make = async (type: string, inputs: Properties) => {
    const resource = await maker.create(type, inputs);
    made.push([type, resource]);
    await maker.read(type, resource.id, resource.properties, {});
    return resource;
  };
  const foundationTags = { 'gitlab-spot': 'foundation' };
  const network = await make('alicloud:vpc/network:Network', { cidrBlock: '10.86.0.0/16', tags: foundationTags });
  const vSwitch = await make('alicloud:vpc/switch:Switch', {
    ...{ vpcId: network.id, zoneId: 'cn-hangzhou-k', cidrBlock: '10.86.0.0/21', tags: foundationTags },
  });
  const gateway = await make('alicloud:vpc/natGateway:NatGateway', {
    ...{ vpcId: network.id, vswitchId: vSwitch.id, natType: 'Enhanced', tags: foundationTags },
  });
  const address = await make('alicloud:ecs/eipAddress:EipAddress', { bandwidth: '10', tags: foundationTags });
  await make('alicloud:ecs/eipAssociation:EipAssociation', { allocationId: address.id, instanceId: gateway.id });
  const { snatTableIds: snatTableId = '' } = gateway.properties;
  const { ipAddress: snatIp = '' } = address.properties;
  await make('alicloud:vpc/snatEntry:SnatEntry', { snatTableId, snatIp, sourceVswitchId: vSwitch.id });
  for (const [type, { id, properties }] of made.reverse()) await maker.delete(type, id, properties);
  const ofExecutor = executorPolicy({ images: true }).Statement.flatMap(({ Action }) => Action);
  expect(ofExecutor.filter((action) => /NatGateway|Snat|Eip/.test(action) && !/:Describe/.test(action))).toEqual([]);
});

test('images and buckets are granted only where they are wanted', () => {
  const actions = executorPolicy({ images: true, stateBucket: 'state-1' }).Statement.flatMap(({ Action }) => Action);
  expect(actions).toEqual(expect.arrayContaining(['ecs:CreateImage', 'oss:PutObject']));
  expect(JSON.stringify(executorPolicy({ images: false }))).not.toContain('oss:');
  const actionsOf = (tagCondition: boolean) =>
    executorPolicy({ images: true, tagCondition }).Statement.flatMap(({ Action }) => Action);
  // Without the condition it grants the same, and no more.
  expect([...actionsOf(false)].sort()).toEqual([...actionsOf(true)].sort());
  expect(JSON.stringify(executorPolicy({ images: true, tagCondition: false }))).not.toContain('Condition');
});

function ruleOf(securityGroupId: string, permission: Properties) {
  return provider.create(RULE, { securityGroupId, type: 'ingress', ipProtocol: 'tcp', ...permission });
}

function instanceInputs(groupId: string): Properties {
  return {
    instanceName: 'job-1',
    instanceType: 'ecs.c7.xlarge',
    imageId: cloud.info.imageIds[0]!,
    instanceChargeType: 'PostPaid',
    spotStrategy: 'SpotAsPriceGo',
    spotDuration: 0,
    securityGroups: [groupId],
    keyName: 'job-1',
    vswitchId: Object.values(cloud.info.vSwitchIds)[0]!,
    httpTokens: 'required',
    systemDiskCategory: 'cloud_essd',
    systemDiskSize: 40,
    tags,
  };
}
