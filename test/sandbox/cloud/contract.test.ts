/** Every action of the simulated cloud, held to Alibaba Cloud's own description of its API. */
import { SERVICE_OF_VERSION } from '../../../sandbox/cloud/actions/action';
import { LIMITS } from '../../../sandbox/cloud/actions/limits';
import { actionNames } from '../../../sandbox/cloud/actions/registry';
import type { Nested } from '../../../sandbox/cloud/server/parameters';
import { Contract, ContractWatch } from '../../support/contract';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { STS, TestCloud, VPC as VPC_VERSION } from './support';

const VPC = { version: VPC_VERSION };
const RAM = { version: '2015-05-01' };
const RSA_KEY =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== ci';

const watch = new ContractWatch();
let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start({ onCall: watch.onCall })));
afterAll(() => cloud.stop());

/** Both kinds of things that the two services tag. */
async function tags(ResourceType: string, id: string, options: { version?: string } = {}): Promise<void> {
  const resource = { ResourceType, 'ResourceId.1': id };
  await cloud.ok('TagResources', { ...resource, 'Tag.1.Key': 'a', 'Tag.1.Value': '1' }, options);
  await cloud.ok('ListTagResources', resource, options);
  const removing = options.version === undefined ? 'UntagResources' : 'UnTagResources';
  await cloud.ok(removing, { ...resource, 'TagKey.1': 'a' }, options);
}

async function network(): Promise<void> {
  const { VpcId } = await cloud.ok('CreateVpc', { CidrBlock: '10.0.0.0/8', 'Tag.1.Key': 'a' }, VPC);
  const { VSwitchId } = await cloud.ok(
    'CreateVSwitch',
    { VpcId, ZoneId: 'cn-hangzhou-k', CidrBlock: '10.1.0.0/24' },
    VPC,
  );
  await tags('VPC', VpcId, VPC);
  for (const action of ['DescribeVpcs', 'DescribeVpcAttribute', 'DescribeRouteTableList', 'DescribeVSwitches'])
    await cloud.ok(action, { VpcId }, VPC);
  await cloud.ok('DescribeVSwitchAttributes', { VSwitchId }, VPC);
  await cloud.ok('ModifyVpcAttribute', { VpcId, VpcName: 'ours' }, VPC);
  await cloud.ok('ModifyVSwitchAttribute', { VSwitchId, VSwitchName: 'ours' }, VPC);
  await wayOut(VpcId, VSwitchId);
  await cloud.ok('DeleteVSwitch', { VSwitchId }, VPC);
  await cloud.ok('DeleteVpc', { VpcId }, VPC);
}

async function wayOut(VpcId: string, VSwitchId: string): Promise<void> {
  const made = await cloud.ok('CreateNatGateway', { VpcId, VSwitchId, NatType: 'Enhanced', Name: 'ours' }, VPC);
  const { NatGatewayId } = made;
  const SnatTableId = made.SnatTableIds.SnatTableId[0] as string;
  const { AllocationId, EipAddress: SnatIp } = await cloud.ok('AllocateEipAddress', { Bandwidth: '10' }, VPC);
  const entry = { SnatTableId, SnatIp, SourceVSwitchId: VSwitchId };
  expect(await cloud.code('CreateSnatEntry', entry, { version: VPC_VERSION })).toBe('EIP_NOT_IN_GATEWAY');
  const binding = { AllocationId, InstanceId: NatGatewayId, InstanceType: 'Nat' };
  await cloud.ok('AssociateEipAddress', binding, VPC);
  const { SnatEntryId } = await cloud.ok('CreateSnatEntry', entry, VPC);
  await tags('NATGATEWAY', NatGatewayId, VPC);
  await tags('EIP', AllocationId, VPC);
  await cloud.ok('DescribeNatGateways', { VpcId }, VPC);
  await cloud.ok('DescribeSnatTableEntries', { NatGatewayId }, VPC);
  await cloud.ok('DescribeEipAddresses', { AllocationId }, VPC);
  await cloud.ok('ModifySnatEntry', { SnatTableId, SnatEntryId, SnatEntryName: 'ours' }, VPC);
  await cloud.ok('ModifyEipAddressAttribute', { AllocationId, Bandwidth: '20' }, VPC);
  // Each is held by the next: the cloud takes them down in one order only.
  const refusal = (action: string, asked: Record<string, string>) =>
    cloud.code(action, asked, { version: VPC_VERSION });
  expect(await refusal('DeleteNatGateway', { NatGatewayId })).toBe('DependencyViolation.EIPS');
  expect(await refusal('ReleaseEipAddress', { AllocationId })).toBe('IncorrectEipStatus');
  expect(await refusal('UnassociateEipAddress', binding)).toBe('InvalidIpStatus.HasBeenUsedBySnatTable');
  expect(await refusal('DeleteVSwitch', { VSwitchId })).toBe('DependencyViolation');
  await cloud.ok('DeleteSnatEntry', { SnatTableId, SnatEntryId }, VPC);
  await cloud.ok('UnassociateEipAddress', binding, VPC);
  await cloud.ok('ReleaseEipAddress', { AllocationId }, VPC);
  await cloud.ok('DeleteNatGateway', { NatGatewayId }, VPC);
}

async function groupsAndKeys(): Promise<void> {
  const SecurityGroupId = await cloud.securityGroup({ SecurityGroupName: 'job' });
  for (const [direction, peer] of [
    ['', 'SourceCidrIp'],
    ['Egress', 'DestCidrIp'],
  ] as const) {
    const rule = { IpProtocol: 'tcp', PortRange: '22/22', [peer]: '10.0.0.0/8', NicType: 'intranet' };
    const permissions = Object.fromEntries(
      Object.entries(rule).map(([name, value]) => [`Permissions.1.${name}`, value]),
    );
    await cloud.ok(`AuthorizeSecurityGroup${direction}`, { SecurityGroupId, ...permissions });
    await cloud.ok('DescribeSecurityGroupAttribute', { SecurityGroupId });
    await cloud.ok(`RevokeSecurityGroup${direction}`, { SecurityGroupId, ...rule });
  }
  await cloud.ok('ModifySecurityGroupRule', { SecurityGroupId, SecurityGroupRuleId: 'sgr-1', Description: 'none' });
  await cloud.ok('ModifySecurityGroupAttribute', { SecurityGroupId, SecurityGroupName: 'other' });
  await cloud.ok('ModifySecurityGroupPolicy', { SecurityGroupId, InnerAccessPolicy: 'Drop' });
  await cloud.ok('DescribeSecurityGroups', { SecurityGroupId });
  await cloud.ok('DeleteSecurityGroup', { SecurityGroupId });
  await cloud.ok('ImportKeyPair', { KeyPairName: 'ours', PublicKeyBody: RSA_KEY, 'Tag.1.Key': 'a' });
  await cloud.ok('CreateKeyPair', { KeyPairName: 'theirs' });
  await cloud.ok('DescribeKeyPairs', { KeyPairName: 'o*' });
  await cloud.ok('DeleteKeyPairs', { KeyPairNames: '["ours","theirs"]' });
}

async function instances(): Promise<void> {
  const other = await cloud.securityGroup();
  const InstanceId = await cloud.launchRunning({ 'Tag.1.Key': 'a', 'Tag.1.Value': '1', RamRoleName: 'role' });
  const ids = JSON.stringify([InstanceId]);
  await cloud.control.interrupt(InstanceId, 3600_000);
  await tags('instance', InstanceId);
  await cloud.ok('DescribeInstances', { InstanceIds: ids });
  await cloud.ok('DescribeInstances', { MaxResults: '10' });
  await cloud.ok('DescribeInstanceStatus', { 'InstanceId.1': InstanceId });
  for (const action of ['DescribeInstanceAttribute', 'DescribeUserData', 'DescribeDisks', 'DescribeNetworkInterfaces'])
    await cloud.ok(action, { InstanceId });
  await cloud.ok('DescribeInstanceRamRole', { InstanceIds: ids });
  await cloud.ok('DescribeInstanceMaintenanceAttributes', { 'InstanceId.1': InstanceId });
  await cloud.ok('DescribeInstanceAttachmentAttributes', { InstanceIds: ids });
  await cloud.ok('ModifyInstanceAutoReleaseTime', { InstanceId });
  await cloud.ok('ModifyInstanceAttribute', { InstanceId, InstanceName: 'ours' });
  await cloud.ok('ModifyInstanceMetadataOptions', { InstanceId, HttpEndpoint: 'enabled', HttpTokens: 'required' });
  await cloud.ok('JoinSecurityGroup', { InstanceId, SecurityGroupId: other });
  await cloud.ok('LeaveSecurityGroup', { InstanceId, SecurityGroupId: other });
  await image(InstanceId);
  for (const [one, many] of [
    ['RebootInstance', 'RebootInstances'],
    ['StopInstance', 'StopInstances'],
    ['StartInstance', 'StartInstances'],
    ['DeleteInstance', 'DeleteInstances'],
  ] as const) {
    const force = one === 'DeleteInstance' ? { Force: 'true' } : {};
    await cloud.ok(one, { InstanceId, ...force });
    cloud.clock.advance(1000);
    if (one === 'DeleteInstance') await cloud.ok(many, { 'InstanceId.1': await cloud.launchRunning(), ...force });
    else await cloud.ok(many, { 'InstanceId.1': InstanceId });
    cloud.clock.advance(1000);
  }
}

async function image(InstanceId: string): Promise<void> {
  const { ImageId } = await cloud.ok('CreateImage', { InstanceId, ImageName: 'baked', ImageFamily: 'ours' });
  await cloud.ok('DescribeImages', { Status: 'Creating' });
  cloud.clock.advance(1000);
  const { Images } = await cloud.ok('DescribeImages', { ImageId });
  await cloud.ok('ModifyImageAttribute', { ImageId, Description: 'baked by a test' });
  await cloud.ok('DescribeImageFromFamily', { ImageFamily: 'ours' });
  await cloud.ok('DeleteImage', { ImageId });
  await cloud.ok('DescribeSnapshots');
  await cloud.ok('DeleteSnapshot', {
    SnapshotId: Images.Image[0].DiskDeviceMappings.DiskDeviceMapping[0].SnapshotId,
  });
}

async function market(): Promise<void> {
  const InstanceType = 'ecs.c7.xlarge';
  for (const DestinationResource of ['InstanceType', 'SystemDisk', 'Zone'])
    await cloud.ok('DescribeAvailableResource', { DestinationResource, InstanceType });
  await cloud.ok('DescribeSpotPriceHistory', { InstanceType, NetworkType: 'vpc' });
  await cloud.ok('DescribeSpotAdvice', { 'InstanceTypes.1': InstanceType });
  const disks = { 'SystemDisk.Category': 'cloud_essd', 'SystemDisk.Size': '40', 'DataDisk.1.Category': 'cloud_essd' };
  await cloud.ok('DescribePrice', { ResourceType: 'instance', InstanceType, ...disks });
  const size = { Namespace: 'acs_oss_dashboard', MetricName: 'MeteringStorageUtilization' };
  await cloud.ok('DescribeMetricLast', { ...size, Dimensions: '{"BucketName":"state"}' }, { version: '2019-01-01' });
  for (const action of [
    'DescribeRegions',
    'DescribeZones',
    'DescribeInstanceTypes',
    'DescribeInstanceTypeFamilies',
    'DescribeAccountAttributes',
  ])
    await cloud.ok(action);
}

async function roles(): Promise<void> {
  const role = { RoleName: 'ours' };
  const policy = { PolicyName: 'ours', PolicyType: 'Custom' };
  const statement = [{ Effect: 'Allow', Action: '*', Resource: '*' }];
  const PolicyDocument = JSON.stringify({ Version: '1', Statement: statement });
  const made = await cloud.ok('CreateRole', { ...role, AssumeRolePolicyDocument: '{}' }, RAM);
  await cloud.ok('CreatePolicy', { PolicyName: 'ours', PolicyDocument }, RAM);
  await cloud.ok('AttachPolicyToRole', { ...role, ...policy }, RAM);
  for (const action of ['GetRole', 'ListPoliciesForRole', 'UpdateRole']) await cloud.ok(action, role, RAM);
  for (const action of ['GetPolicy', 'ListPolicyVersions', 'ListEntitiesForPolicy'])
    await cloud.ok(action, policy, RAM);
  for (const action of ['ListRoles', 'ListPolicies']) await cloud.ok(action, {}, RAM);
  await cloud.ok('CreatePolicyVersion', { PolicyName: 'ours', PolicyDocument, SetAsDefault: 'true' }, RAM);
  await cloud.ok('DeletePolicyVersion', { PolicyName: 'ours', VersionId: 'v1' }, RAM);
  await cloud.ok('UpdatePolicyDescription', { PolicyName: 'ours', NewDescription: 'none' }, RAM);
  const tagged = { ResourceType: 'role', ResourceNames: '["ours"]' };
  await cloud.ok('TagResources', { ...tagged, 'Tag.1.Key': 'a', 'Tag.1.Value': '1' }, RAM);
  await cloud.ok('ListTagResources', tagged, RAM);
  await cloud.ok('UntagResources', { ...tagged, TagKeys: '["a"]' }, RAM);
  await cloud.ok('GetCallerIdentity', {}, { version: STS });
  await cloud.ok('AssumeRole', { RoleArn: made.Role.Arn, RoleSessionName: 'test' }, { version: STS });
  await cloud.ok('DetachPolicyFromRole', { ...role, ...policy }, RAM);
  await cloud.ok('DeleteRole', role, RAM);
  await cloud.ok('DeletePolicy', { PolicyName: 'ours' }, RAM);
}

test('every action is one of the API, takes its parameters, and answers with its fields', async () => {
  await network();
  await groupsAndKeys();
  await instances();
  await market();
  await roles();
  const seen = [...watch.seen].map((call) => call.split(' ') as [string, string]);
  const driven = seen.map(([version, action]) => `${SERVICE_OF_VERSION[version]}:${action}`);
  expect(actionNames().filter((name) => !driven.includes(name) && !name.startsWith('location:'))).toEqual([]);
  expect(watch.problems).toEqual([]);
});

/** Numbered, as on the wire. */
function flat(name: string, value: Nested): Record<string, string> {
  if (typeof value === 'string') return { [name]: value };
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [`${name}.${Number(key) + 1}`, String(one)]));
}

describe('the limit of', () => {
  const cases = LIMITS.map((limit) => [`${limit.action} ${limit.parameter}`, limit] as const);

  test.each(cases)('%s is the documented one, and kept', async (_name, limit) => {
    const version = Object.entries(SERVICE_OF_VERSION).find(([, service]) => service === limit.service)![0];
    expect(Contract.of(version, limit.action)?.says(limit.parameter)).toContain(limit.says);
    expect(limit.allows(limit.good)).toBe(true);
    expect(await cloud.code(limit.action, flat(limit.parameter, limit.bad), { version })).toBe(limit.code);
  });
});

describeWithFixtures('what the real provider sends', 'alicloud', () => {
  test('is in the description of the API, so that the description can be trusted', () => {
    const recorded = fixture('alicloud/requests-up-refresh-preview-destroy.jsonl').trim().split('\n');
    const problems = recorded.flatMap((line) => {
      const { params } = JSON.parse(line) as { params: Record<string, string> };
      return Contract.of(params.Version!, params.Action!)?.requestProblems(params) ?? [`no ${params.Action}`];
    });
    expect(problems).toEqual([]);
  });
});
