import { TestCloud, VPC } from './support';

const PUBLIC_KEY =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== job';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());

describe('a security group', () => {
  const rule = { IpProtocol: 'tcp', PortRange: '22/22', NicType: 'intranet', SourceCidrIp: '10.0.0.5/32' };
  const rulesOf = async (id: string, direction = 'all') =>
    (await cloud.ok('DescribeSecurityGroupAttribute', { SecurityGroupId: id, Direction: direction })).Permissions
      .Permission;

  test('with an instance in it refuses to go until the instance is gone for good', async () => {
    const id = await cloud.securityGroup();
    const instanceId = await cloud.launchRunning({ 'SecurityGroupIds.1': id });
    expect(await cloud.call('DeleteSecurityGroup', { SecurityGroupId: id })).toMatchObject({
      status: 403,
      body: { Code: 'DependencyViolation' },
    });
    await cloud.ok('DeleteInstance', { InstanceId: instanceId, Force: 'true' });
    expect(await cloud.code('DeleteSecurityGroup', { SecurityGroupId: id })).toBe('DependencyViolation');
    cloud.clock.advance(1000);
    expect(await cloud.code('DeleteSecurityGroup', { SecurityGroupId: id })).toBe('no error');
    expect(await cloud.code('DeleteSecurityGroup', { SecurityGroupId: id })).toBe('InvalidSecurityGroupId.NotFound');
  });

  test('that a rule of another one names refuses to go', async () => {
    const id = await cloud.securityGroup();
    const other = await cloud.securityGroup();
    await cloud.ok('AuthorizeSecurityGroup', {
      SecurityGroupId: other,
      IpProtocol: 'tcp',
      PortRange: '22/22',
      SourceGroupId: id,
    });
    expect(await cloud.code('DeleteSecurityGroup', { SecurityGroupId: id })).toBe('DependencyViolation');
  });

  test('takes a rule once, in either form, and gives it back by its fields or by its id', async () => {
    const id = await cloud.securityGroup();
    const numbered = Object.fromEntries(Object.entries(rule).map(([name, value]) => [`Permissions.1.${name}`, value]));
    await cloud.ok('AuthorizeSecurityGroup', { SecurityGroupId: id, ...rule });
    await cloud.ok('AuthorizeSecurityGroup', { SecurityGroupId: id, ...numbered });
    expect(await rulesOf(id)).toEqual([
      expect.objectContaining({ IpProtocol: 'TCP', SourceCidrIp: '10.0.0.5/32', Policy: 'Accept', Priority: '1' }),
    ]);
    await cloud.ok('RevokeSecurityGroup', { SecurityGroupId: id, ...rule });
    expect(await rulesOf(id)).toEqual([]);
    await cloud.ok('AuthorizeSecurityGroupEgress', {
      SecurityGroupId: id,
      IpProtocol: 'all',
      DestCidrIp: '0.0.0.0/0',
      Policy: 'drop',
    });
    const [egress] = await rulesOf(id, 'egress');
    expect(egress).toMatchObject({ Policy: 'Drop', DestCidrIp: '0.0.0.0/0', SourceCidrIp: '' });
    await cloud.ok('RevokeSecurityGroupEgress', {
      SecurityGroupId: id,
      'SecurityGroupRuleId.1': egress.SecurityGroupRuleId,
    });
    expect(await rulesOf(id)).toEqual([]);
  });

  test.each<[string, Record<string, string>, string]>([
    ['without a source', { SourceCidrIp: '' }, 'MissingParameter'],
    ['from something that is no address', { SourceCidrIp: 'home' }, 'InvalidSourceCidrIp.Malformed'],
    ['to port 0', { PortRange: '0/22' }, 'InvalidPortRange.Malformed'],
    ['to a port that is none', { PortRange: 'ssh' }, 'InvalidPortRange.Malformed'],
    ['of an unknown protocol', { IpProtocol: 'smoke' }, 'InvalidParameter'],
    ['of priority 101', { Priority: '101' }, 'InvalidPriority.ValueNotSupported'],
  ])('refuses a rule %s', async (_name, change, code) => {
    const id = await cloud.securityGroup();
    expect(await cloud.code('AuthorizeSecurityGroup', { SecurityGroupId: id, ...rule, ...change })).toBe(code);
  });

  test('is found by tag, name and VPC', async () => {
    const id = await cloud.securityGroup({ SecurityGroupName: 'find-me', 'Tag.1.Key': 'find', 'Tag.1.Value': 'me' });
    const find = async (filter: Record<string, string>) =>
      (await cloud.ok('DescribeSecurityGroups', filter)).SecurityGroups.SecurityGroup.map(
        (group: { SecurityGroupId: string }) => group.SecurityGroupId,
      );
    expect(await find({ 'Tag.1.Key': 'find' })).toEqual([id]);
    expect(await find({ 'Tag.1.Key': 'find', 'Tag.1.Value': 'you' })).toEqual([]);
    expect(await find({ SecurityGroupName: 'find-*' })).toEqual([id]);
    expect(await find({ VpcId: 'vpc-other' })).toEqual([]);
  });

  test('above the quota is refused', async () => {
    await cloud.control.setQuotas({ securityGroups: 0 });
    expect(await cloud.code('CreateSecurityGroup', { VpcId: cloud.info.vpcId })).toBe('QuotaExceed.SecurityGroup');
    await cloud.control.setQuotas({ securityGroups: 500 });
  });

  test('in a VPC that does not exist is refused', async () => {
    expect(await cloud.code('CreateSecurityGroup', { VpcId: 'vpc-none' })).toBe('InvalidVpcId.NotFound');
  });
});

describe('a key pair', () => {
  test('is imported once, found by name and tag, and deleted', async () => {
    await cloud.ok('ImportKeyPair', {
      KeyPairName: 'one',
      PublicKeyBody: PUBLIC_KEY,
      'Tag.1.Key': 'k',
      'Tag.1.Value': 'v',
    });
    expect(await cloud.code('ImportKeyPair', { KeyPairName: 'one', PublicKeyBody: PUBLIC_KEY })).toBe(
      'KeyPair.AlreadyExist',
    );
    const found = await cloud.ok('DescribeKeyPairs', { 'Tag.1.Key': 'k' });
    expect(found.KeyPairs.KeyPair).toEqual([
      expect.objectContaining({ KeyPairName: 'one', KeyPairFingerPrint: expect.stringMatching(/^[0-9a-f]{32}$/) }),
    ]);
    await cloud.ok('DeleteKeyPairs', { KeyPairNames: '["one","never-was"]' });
    expect((await cloud.ok('DescribeKeyPairs')).TotalCount).toBe(0);
  });

  test.each([
    ['without a key', { PublicKeyBody: '' }, 'MissingParameter'],
    ['of something that is no key', { PublicKeyBody: 'hello' }, 'InvalidPublicKeyBody.Malformed'],
    ['with a name that is too short', { KeyPairName: 'x' }, 'InvalidKeyPairName.Malformed'],
  ])('%s is refused', async (_name, change, code) => {
    expect(await cloud.code('ImportKeyPair', { KeyPairName: 'two', PublicKeyBody: PUBLIC_KEY, ...change })).toBe(code);
  });

  test('that an instance has stays', async () => {
    await cloud.ok('ImportKeyPair', { KeyPairName: 'used', PublicKeyBody: PUBLIC_KEY });
    const instanceId = await cloud.launchRunning({ KeyPairName: 'used' });
    expect(await cloud.code('DeleteKeyPairs', { KeyPairNames: '["used"]' })).toBe(
      'InvalidParameter.KeypairAlreadyAttachedInstance',
    );
    await cloud.control.vanish(instanceId);
    expect(await cloud.code('DeleteKeyPairs', { KeyPairNames: '["used"]' })).toBe('no error');
  });

  test('can be made by the cloud, which gives the private half away once', async () => {
    const made = await cloud.ok('CreateKeyPair', { KeyPairName: 'made' });
    expect(made.PrivateKeyBody).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
  });
});

describe('DescribeInstances', () => {
  test('pages by number and by token, newest first', async () => {
    const tag = { 'Tag.1.Key': 'page', 'Tag.1.Value': 'yes' };
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.push(await cloud.launch(tag));
    ids.reverse();
    const idsOf = (answer: { Instances: { Instance: { InstanceId: string }[] } }): string[] =>
      answer.Instances.Instance.map((one) => one.InstanceId);
    expect(idsOf(await cloud.ok('DescribeInstances', { ...tag, PageSize: '2', PageNumber: '2' }))).toEqual(
      ids.slice(2, 4),
    );
    const found: string[] = [];
    let token = '';
    do {
      const answer = await cloud.ok('DescribeInstances', { ...tag, MaxResults: '2', NextToken: token });
      found.push(...idsOf(answer));
      token = answer.NextToken;
    } while (token !== '');
    expect(found).toEqual(ids);
  });

  test.each<[string, (id: string) => Record<string, string>]>([
    ['its id', (id) => ({ InstanceIds: JSON.stringify([id]) })],
    ['its name', () => ({ InstanceName: 'filter-*' })],
    ['a tag', () => ({ 'Tag.1.Key': 'filtered' })],
    ['status and type', () => ({ Status: 'Running', InstanceType: 'ecs.r7.xlarge' })],
  ])('finds an instance by %s, and answers an empty list once it is gone', async (name, filter) => {
    const id = await cloud.launchRunning({
      InstanceName: 'filter-me',
      InstanceType: 'ecs.r7.xlarge',
      'Tag.1.Key': 'filtered',
      'Tag.1.Value': name,
    });
    const find = async (): Promise<number> => (await cloud.ok('DescribeInstances', filter(id))).TotalCount;
    expect(await find()).toBe(1);
    await cloud.control.vanish(id);
    expect(await find()).toBe(0);
  });

  test('refuses a status that does not exist, and ids that are no list', async () => {
    expect(await cloud.code('DescribeInstances', { Status: 'Sleeping' })).toBe('InvalidStatus.NotFound');
    expect(await cloud.code('DescribeInstances', { InstanceIds: '[1' })).toBe('InvalidParameter');
  });
});

describe('tags', () => {
  test('are added, listed and taken away, on an instance as on a VPC', async () => {
    for (const [type, id, untag, options] of [
      ['instance', await cloud.launch(), 'UntagResources', {}],
      ['VPC', cloud.info.vpcId, 'UnTagResources', { version: VPC }],
    ] as const) {
      const resource = { ResourceType: type, 'ResourceId.1': id };
      await cloud.ok(
        'TagResources',
        { ...resource, 'Tag.1.Key': 'a', 'Tag.1.Value': '1', 'Tag.2.Key': 'b', 'Tag.2.Value': '2' },
        options,
      );
      await cloud.ok(untag, { ...resource, 'TagKey.1': 'a' }, options);
      expect((await cloud.ok('ListTagResources', resource, options)).TagResources.TagResource).toEqual([
        { ResourceType: type, ResourceId: id, TagKey: 'b', TagValue: '2' },
      ]);
    }
  });

  test('of something that is not there are refused', async () => {
    const resource = { ResourceType: 'instance', 'ResourceId.1': 'i-none', 'Tag.1.Key': 'a', 'Tag.1.Value': '1' };
    expect(await cloud.code('TagResources', resource)).toBe('InvalidResourceId.NotFound');
    expect(await cloud.code('TagResources', { ...resource, ResourceType: 'cat' })).toBe('InvalidResourceType.NotFound');
  });
});

describe('an image', () => {
  test('made of an instance shows its progress and is there when the delay is over', async () => {
    await cloud.control.setDelays({ imageMs: 1000 });
    const InstanceId = await cloud.launchRunning();
    const { ImageId } = await cloud.ok('CreateImage', {
      InstanceId,
      ImageName: 'baked-1',
      ImageFamily: 'baked',
      'Tag.1.Key': 'made',
      'Tag.1.Value': 'by-us',
    });
    const find = async (filter: Record<string, string>) =>
      (await cloud.ok('DescribeImages', { ImageOwnerAlias: 'self', ...filter })).Images.Image;
    cloud.clock.advance(400);
    expect(await find({ ImageId })).toEqual([]);
    expect(await find({ ImageId, Status: 'Creating,Available' })).toEqual([
      expect.objectContaining({ Status: 'Creating', Progress: '40%' }),
    ]);
    expect(await cloud.code('RunInstances', await cloud.launchParameters({ ImageId }))).toBe('IncorrectImageStatus');
    cloud.clock.advance(600);
    expect(await find({ 'Tag.1.Key': 'made' })).toEqual([
      expect.objectContaining({ ImageId, Status: 'Available', Progress: '100%' }),
    ]);
    expect((await cloud.ok('DescribeImageFromFamily', { ImageFamily: 'baked' })).Image.ImageId).toBe(ImageId);
    expect(await cloud.code('CreateImage', { InstanceId, ImageName: 'baked-1' })).toBe('InvalidImageName.Duplicated');
    const user = await cloud.launch({ ImageId });
    expect(await cloud.code('DeleteImage', { ImageId })).toBe('ImageUsingByInstance');
    await cloud.control.vanish(user);
    await cloud.ok('DeleteImage', { ImageId });
    expect(await find({ ImageId })).toEqual([]);
  });

  test('leaves the snapshot that it was made of, which goes only after it', async () => {
    const InstanceId = await cloud.launchRunning();
    const { ImageId } = await cloud.ok('CreateImage', { InstanceId, ImageName: 'baked-2' });
    cloud.clock.advance(1000);
    const [image] = (await cloud.ok('DescribeImages', { ImageId })).Images.Image;
    const SnapshotId = image.DiskDeviceMappings.DiskDeviceMapping[0].SnapshotId;
    const found = async () =>
      (await cloud.ok('DescribeSnapshots', { SnapshotIds: JSON.stringify([SnapshotId]) })).Snapshots.Snapshot;
    expect(await found()).toEqual([expect.objectContaining({ SnapshotId, Status: 'accomplished', Usage: 'image' })]);
    expect(await cloud.code('DeleteSnapshot', { SnapshotId, Force: 'true' })).toBe('SnapshotCreatedImage');
    await cloud.ok('DeleteImage', { ImageId });
    expect(await found()).toEqual([expect.objectContaining({ Usage: 'none' })]);
    await cloud.ok('DeleteSnapshot', { SnapshotId });
    expect(await found()).toEqual([]);
  });

  test('of the cloud can not be deleted', async () => {
    expect(await cloud.code('DeleteImage', { ImageId: 'debian_12_x64_20G_alibase.vhd' })).toBe(
      'InvalidImageId.NotOwned',
    );
  });
});

describe('a dry run', () => {
  test('of what would work says so and changes nothing', async () => {
    const InstanceId = await cloud.launchRunning();
    const DryRun = 'true';
    const vSwitch = { VpcId: cloud.info.vpcId, ZoneId: 'cn-hangzhou-i', CidrBlock: '172.20.0.0/24' };
    expect(await cloud.code('DeleteInstance', { InstanceId, Force: 'true', DryRun })).toBe('DryRunOperation');
    expect(await cloud.code('DeleteInstances', { 'InstanceId.1': InstanceId, Force: 'true', DryRun })).toBe(
      'DryRunOperation',
    );
    expect(await cloud.code('CreateImage', { InstanceId, ImageName: 'dry', DryRun })).toBe('DryRunOperation');
    expect(await cloud.code('CreateVpc', { DryRun }, { version: VPC })).toBe('DryRunOperation');
    expect(await cloud.code('CreateVSwitch', { ...vSwitch, DryRun }, { version: VPC })).toBe('DryRunOperation');
    expect((await cloud.describe(InstanceId)).Status).toBe('Running');
    expect((await cloud.ok('DescribeImages', { ImageName: 'dry', Status: 'Creating,Available' })).TotalCount).toBe(0);
  });
});

describe('a VPC', () => {
  test('is made with vSwitches, counts their free addresses, and goes when they are gone', async () => {
    const inVpc = { version: VPC };
    const made = await cloud.ok('CreateVpc', { CidrBlock: '10.0.0.0/8', VpcName: 'foundation' }, inVpc);
    const vSwitch = { VpcId: made.VpcId, ZoneId: 'cn-hangzhou-i', CidrBlock: '10.1.0.0/24' };
    const { VSwitchId } = await cloud.ok('CreateVSwitch', vSwitch, inVpc);
    expect(await cloud.code('CreateVSwitch', vSwitch, inVpc)).toBe('InvalidCidrBlock.Overlapped');
    expect(await cloud.code('CreateVSwitch', { ...vSwitch, CidrBlock: '192.168.0.0/24' }, inVpc)).toBe(
      'InvalidCidrBlock.Malformed',
    );
    expect(await cloud.code('CreateVSwitch', { ...vSwitch, ZoneId: 'cn-hangzhou-x' }, inVpc)).toBe(
      'InvalidZoneId.NotFound',
    );
    expect((await cloud.ok('DescribeVSwitches', { VpcId: made.VpcId }, inVpc)).VSwitches.VSwitch).toEqual([
      expect.objectContaining({ VSwitchId, AvailableIpAddressCount: 252, ZoneId: 'cn-hangzhou-i' }),
    ]);
    expect(
      (await cloud.ok('DescribeRouteTableList', { VpcId: made.VpcId }, inVpc)).RouterTableList.RouterTableListType,
    ).toEqual([expect.objectContaining({ RouteTableId: made.RouteTableId, RouteTableType: 'System' })]);
    expect(await cloud.code('DeleteVpc', { VpcId: made.VpcId }, inVpc)).toBe('DependencyViolation.VSwitch');
    await cloud.ok('DeleteVSwitch', { VSwitchId }, inVpc);
    await cloud.ok('DeleteVpc', { VpcId: made.VpcId }, inVpc);
    expect(await cloud.ok('DescribeVpcAttribute', { VpcId: made.VpcId }, inVpc)).toMatchObject({ VpcId: '' });
    expect(await cloud.ok('DescribeVSwitchAttributes', { VSwitchId }, inVpc)).toMatchObject({ VSwitchId: '' });
  });

  test('outside the private ranges is refused', async () => {
    expect(await cloud.code('CreateVpc', { CidrBlock: '8.0.0.0/8' }, { version: VPC })).toBe(
      'InvalidVpcCidrBlock.Malformed',
    );
  });
});
