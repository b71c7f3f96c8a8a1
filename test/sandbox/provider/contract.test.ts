/**
 * Every request of the stand-in provider, held to Alibaba Cloud's own description of its API; the
 * simulated cloud answers.
 */
import type { Clock } from '../../../sandbox/provider/waits';
import type { Properties } from '../../../sandbox/provider/values';
import { ContractWatch } from '../../support/contract';
import { TestCloud } from '../cloud/support';
import { ProviderUnderTest } from './support';

const watch = new ContractWatch();
const provider = new ProviderUnderTest();
let cloud: TestCloud;

beforeAll(async () => {
  cloud = await TestCloud.start({ onCall: watch.onCall });
  // The provider sleeps by moving the cloud's time on.
  const clock: Clock = {
    now: () => cloud.clock.now(),
    sleep: (ms) => Promise.resolve(cloud.clock.advance(ms)),
  };
  const { endpoint, accessKeyId, accessKeySecret, caFile, region } = cloud.info;
  const env = { ALICLOUD_ACCESS_KEY: accessKeyId, ALICLOUD_SECRET_KEY: accessKeySecret, ALICLOUD_REGION: region };
  const services = { ECS_ENDPOINT: endpoint, VPC_ENDPOINT: endpoint, RAM_ENDPOINT: endpoint, STS_ENDPOINT: endpoint };
  await provider.start({ ...env, ...services, SSL_CERT_FILE: caFile }, clock);
  await provider.configure();
});
afterAll(async () => {
  provider.stop();
  await cloud.stop();
});

const RSA_KEY =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== ci';
const POLICY = JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });

/** A resource's whole life: made, read, changed where it can be; `delete` ends it. */
async function live(type: string, given: Properties, change: Properties | 'no change' = { tags: { a: '2' } }) {
  const { inputs } = await provider.check(type, given);
  const made = await provider.create(type, inputs);
  await provider.read(type, made.id, made.properties, inputs);
  if (change !== 'no change') await provider.update(type, made.id, made.properties, { ...inputs, ...change });
  return { id: made.id, properties: made.properties, delete: () => provider.delete(type, made.id, made.properties) };
}

test('what a job stack and the foundation declare is made, read, changed and deleted by calls of the API', async () => {
  const tags = { a: '1', b: '1' };
  const network = await live('alicloud:vpc/network:Network', { vpcName: 'ours', cidrBlock: '10.86.0.0/16', tags });
  const vSwitch = await live('alicloud:vpc/switch:Switch', {
    ...{ vswitchName: 'ours-k', vpcId: network.id, zoneId: 'cn-hangzhou-k', cidrBlock: '10.86.0.0/21', tags },
  });
  const gateway = await live('alicloud:vpc/natGateway:NatGateway', {
    ...{ vpcId: network.id, vswitchId: vSwitch.id, natType: 'Enhanced', natGatewayName: 'ours', tags },
  });
  const { inputs: addressInputs } = await provider.check('alicloud:ecs/eipAddress:EipAddress', { bandwidth: '10' });
  const address = await provider.create('alicloud:ecs/eipAddress:EipAddress', addressInputs);
  const binding = await live(
    'alicloud:ecs/eipAssociation:EipAssociation',
    { allocationId: address.id, instanceId: gateway.id },
    'no change',
  );
  const entry = await live(
    'alicloud:vpc/snatEntry:SnatEntry',
    {
      snatTableId: gateway.properties.snatTableIds!,
      snatIp: address.properties.ipAddress!,
      sourceVswitchId: vSwitch.id,
    },
    { snatEntryName: 'ours' },
  );
  const group = await live('alicloud:ecs/securityGroup:SecurityGroup', {
    ...{ securityGroupName: 'job-1', vpcId: network.id, innerAccessPolicy: 'Drop', tags },
  });
  const rule = await live(
    'alicloud:ecs/securityGroupRule:SecurityGroupRule',
    { securityGroupId: group.id, type: 'ingress', ipProtocol: 'tcp', portRange: '22/22', cidrIp: '10.0.0.1/32' },
    { description: 'ssh' },
  );
  const key = await live('alicloud:ecs/keyPair:KeyPair', { keyPairName: 'job-1', publicKey: RSA_KEY, tags });
  const instance = await live('alicloud:ecs/instance:Instance', {
    ...{ instanceName: 'job-1', instanceType: 'ecs.c7.xlarge', imageId: 'aliyun_3_x64_20G_alibase.vhd', tags },
    ...{ vswitchId: vSwitch.id, securityGroups: [group.id], keyName: key.id, userData: 'IyEvYmluL3NoCg==' },
    ...{ instanceChargeType: 'PostPaid', spotStrategy: 'SpotWithPriceLimit', spotPriceLimit: 0.4, spotDuration: 0 },
    ...{ systemDiskCategory: 'cloud_essd', systemDiskSize: 40, httpTokens: 'required', internetMaxBandwidthOut: 5 },
  });
  const role = await live(
    'alicloud:ram/role:Role',
    { roleName: 'ours', assumeRolePolicyDocument: POLICY },
    { description: 'x' },
  );
  const policy = await live(
    'alicloud:ram/policy:Policy',
    { policyName: 'ours', policyDocument: POLICY },
    { description: 'x' },
  );
  const attached = { roleName: role.id, policyName: 'ours', policyType: 'Custom' };
  const attachment = await live('alicloud:ram/rolePolicyAttachment:RolePolicyAttachment', attached, 'no change');
  for (const resource of [entry, binding]) await resource.delete();
  await provider.delete('alicloud:ecs/eipAddress:EipAddress', address.id, address.properties);
  for (const resource of [gateway, attachment, policy, role, instance, key, rule, group, vSwitch, network])
    await resource.delete();
  expect(watch.problems).toEqual([]);
  expect(await cloud.control.leftovers()).toEqual({ instances: [], securityGroupIds: [], keyPairNames: [] });
});
