/**
 * The life of a job stack: the stand-in provider asks the cloud what the real one was seen to ask,
 * in the same order.
 */
import { CloudWithNetwork } from './cloud';
import { facts } from '../../support/facts';
import type { Properties } from '../../../sandbox/provider/values';

interface Request {
  action: string;
  /** Which of the provider's two clients asks. */
  library: 'query' | 'form';
  parameters: string[];
  /** What does not depend on the stack. */
  values: Record<string, string>;
}
const { requests } = facts<{ requests: Record<string, Request[]> }>('alicloud/requests');

const TAGS = { 'gitlab-spot': 'job', 'gitlab-spot/job': '1001' };
const RSA_KEY =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== ci';

const cloud = new CloudWithNetwork();
beforeAll(() => cloud.start());
afterAll(() => cloud.stop());

/** What was asked since the last time, as the table names it. */
function asked(like: readonly Request[]): Request[] {
  const seen = cloud.takeCalls().map(({ action, parameters }, index): Request => {
    const values = Object.keys(like[index]?.values ?? {}).map(
      (name) => [name, parameters[name] ?? '(missing)'] as const,
    );
    return {
      action,
      library: 'SignatureType' in parameters ? 'query' : 'form',
      parameters: Object.keys(parameters)
        .filter((name) => !COMMON.includes(name))
        .sort(),
      values: Object.fromEntries(values),
    };
  });
  return seen;
}

/** Parameters of every call. */
const COMMON = [
  ...['Action', 'Version', 'Format', 'Timestamp', 'AccessKeyId', 'Signature', 'SignatureNonce'],
  ...['SignatureMethod', 'SignatureType', 'SignatureVersion'],
];

test('what it asks to make, read and delete each resource is what the real one asks', async () => {
  const { provider } = cloud;
  async function live(name: string, type: string, given: Properties) {
    const { inputs } = await provider.check(type, given);
    cloud.takeCalls();
    const made = await provider.create(type, inputs);
    expect({ [`create ${name}`]: asked(requests[`create ${name}`]!) }).toEqual({
      [`create ${name}`]: requests[`create ${name}`],
    });
    await provider.read(type, made.id, made.properties, inputs);
    expect(asked(requests[`read ${name}`]!)).toEqual(requests[`read ${name}`]);
    return {
      id: made.id,
      async end() {
        await provider.delete(type, made.id, made.properties);
        expect(asked(requests[`delete ${name}`]!)).toEqual(requests[`delete ${name}`]);
      },
    };
  }
  const key = await live('keyPair', 'alicloud:ecs/keyPair:KeyPair', {
    ...{ keyPairName: 'job-1001', publicKey: RSA_KEY, tags: TAGS },
  });
  const group = await live('securityGroup', 'alicloud:ecs/securityGroup:SecurityGroup', {
    ...{ securityGroupName: 'job-1001', vpcId: cloud.vpcId, innerAccessPolicy: 'Drop', tags: TAGS },
  });
  const rule = await live('rule', 'alicloud:ecs/securityGroupRule:SecurityGroupRule', {
    ...{ type: 'ingress', ipProtocol: 'tcp', nicType: 'intranet', policy: 'accept', portRange: '22/22', priority: 1 },
    ...{ securityGroupId: group.id, cidrIp: '203.0.113.7/32' },
  });
  const instance = await live('instance', 'alicloud:ecs/instance:Instance', {
    ...{ instanceName: 'job-1001', instanceType: 'ecs.c7.xlarge', imageId: 'aliyun_3_x64_20G_alibase.vhd' },
    ...{ vswitchId: cloud.vSwitchId, securityGroups: [group.id], keyName: key.id, userData: 'IyEvYmluL3NoCg==' },
    ...{ instanceChargeType: 'PostPaid', spotStrategy: 'SpotAsPriceGo', spotDuration: 0, internetMaxBandwidthOut: 0 },
    ...{ systemDiskCategory: 'cloud_essd', systemDiskSize: 40, httpTokens: 'required' },
    ...{ autoReleaseTime: cloud.inHours(2), tags: TAGS, volumeTags: TAGS },
  });
  for (const resource of [instance, rule, group, key]) await resource.end();
});

test.each(['required', 'optional'])(
  'httpTokens %s is asked for with the instance, and set once more',
  async (tokens) => {
    const { provider } = cloud;
    const type = 'alicloud:ecs/instance:Instance';
    const group = await provider.create('alicloud:ecs/securityGroup:SecurityGroup', {
      ...{ securityGroupName: `tokens-${tokens}`, vpcId: cloud.vpcId, innerAccessPolicy: 'Drop' },
    });
    const { inputs, failures } = await provider.check(type, {
      ...{ instanceType: 'ecs.c7.xlarge', imageId: 'aliyun_3_x64_20G_alibase.vhd', httpTokens: tokens },
      ...{ vswitchId: cloud.vSwitchId, securityGroups: [group.id], systemDiskCategory: 'cloud_essd' },
    });
    expect(failures).toEqual({});
    cloud.takeCalls();
    const made = await provider.create(type, inputs);
    const calls = cloud.takeCalls().filter(({ parameters }) => 'HttpTokens' in parameters);
    expect(calls.map(({ action, parameters }) => [action, parameters['HttpTokens']])).toEqual([
      ['RunInstances', tokens],
      ['ModifyInstanceMetadataOptions', tokens],
    ]);
    expect(made.properties['httpTokens']).toBe(tokens);
    expect((await provider.diff(type, made.properties, inputs, inputs)).changed).toBe(false);
    await provider.delete(type, made.id, made.properties);
  },
);

test('an egress rule with a description is made, read and taken back as such', async () => {
  const { provider } = cloud;
  const group = await provider.create('alicloud:ecs/securityGroup:SecurityGroup', {
    ...{ securityGroupName: 'egress', vpcId: cloud.vpcId, innerAccessPolicy: 'Drop' },
  });
  const type = 'alicloud:ecs/securityGroupRule:SecurityGroupRule';
  const { inputs, failures } = await provider.check(type, {
    ...{ type: 'egress', ipProtocol: 'tcp', nicType: 'intranet', policy: 'drop', portRange: '25/25', priority: 1 },
    ...{ securityGroupId: group.id, cidrIp: '0.0.0.0/0', description: 'no mail' },
  });
  expect(failures).toEqual({});
  cloud.takeCalls();
  const made = await provider.create(type, inputs);
  expect(made.id).toBe(`${group.id}:egress:tcp:25/25:intranet:0.0.0.0/0:drop:1`);
  expect(made.properties).toMatchObject({
    type: 'egress',
    policy: 'drop',
    description: 'no mail',
    cidrIp: '0.0.0.0/0',
  });
  const [, authorize, describe] = cloud.takeCalls();
  expect(authorize).toMatchObject({
    action: 'AuthorizeSecurityGroupEgress',
    parameters: { 'Permissions.1.DestCidrIp': '0.0.0.0/0', 'Permissions.1.Description': 'no mail' },
  });
  expect(describe!.parameters['Direction']).toBe('egress');
  expect((await provider.diff(type, made.properties, inputs, inputs)).changed).toBe(false);
  await provider.delete(type, made.id, made.properties);
  expect(cloud.takeCalls().at(-1)).toMatchObject({
    action: 'RevokeSecurityGroupEgress',
    parameters: { DestCidrIp: '0.0.0.0/0', Description: 'no mail' },
  });
  expect((await provider.read(type, made.id, made.properties, inputs)).id).toBe('');
});
