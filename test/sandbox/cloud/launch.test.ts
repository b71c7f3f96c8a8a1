import { TestCloud } from './support';

const MINUTE_MS = 60_000;

describe('RunInstances', () => {
  let cloud: TestCloud;
  beforeAll(async () => (cloud = await TestCloud.start()));
  afterAll(() => cloud.stop());
  afterEach(async () => {
    await cloud.control.setPool({}, { stock: 'WithStock', onDemandStock: 'WithStock' });
    await cloud.control.setBalanceEnough(true);
    await cloud.control.setQuotas({ spotVcpus: 4000, postPaidVcpus: 4000 });
    await cloud.control.setForeignAddresses(cloud.vSwitch(), 0);
  });

  const time = (ms: number): string => new Date(cloud.clock.now() + ms).toISOString().replace(/\.\d+/, '');

  test.each<[string, Record<string, string>, number, string]>([
    ['an unknown image', { ImageId: 'm-none' }, 404, 'InvalidImageId.NotFound'],
    ['no image', { ImageId: '' }, 400, 'MissingParameter'],
    ['no instance type', { InstanceType: '' }, 400, 'MissingParameter'],
    ['an unknown instance type', { InstanceType: 'ecs.x99.huge' }, 400, 'InvalidInstanceType.ValueNotSupported'],
    ['an arm type with an x86 image', { InstanceType: 'ecs.c8y.xlarge' }, 400, 'InvalidInstanceType.NotSupportedImage'],
    ['an unknown vSwitch', { VSwitchId: 'vsw-none' }, 404, 'InvalidVSwitchId.NotFound'],
    ['a zone that is not the vSwitch’s', { ZoneId: 'cn-hangzhou-i' }, 400, 'InvalidParameter.Mismatch'],
    ['an unknown security group', { 'SecurityGroupIds.1': 'sg-none' }, 404, 'InvalidSecurityGroupId.NotFound'],
    ['an unknown key pair', { KeyPairName: 'none' }, 404, 'InvalidKeyPair.NotFound'],
    [
      'a type that the zone does not sell',
      { InstanceType: 'ecs.gn6i-c4g1.xlarge' },
      403,
      'InvalidResourceType.NotSupported',
    ],
    ['user data that is not base64', { UserData: '#!/bin/sh' }, 400, 'InvalidUserData.Base64FormatInvalid'],
    [
      'user data above 32 KiB',
      { UserData: Buffer.alloc(32 * 1024 + 1).toString('base64') },
      400,
      'InvalidUserData.SizeExceeded',
    ],
    [
      'a price limit below the market',
      { SpotStrategy: 'SpotWithPriceLimit', SpotPriceLimit: '0.154' },
      400,
      'InvalidSpotPriceLimit.LowerThanPublicPrice',
    ],
    [
      'a price limit below the market with a protected hour',
      { SpotStrategy: 'SpotWithPriceLimit', SpotPriceLimit: '0.17', SpotDuration: '1' },
      400,
      'InvalidSpotPriceLimit.LowerThanPublicPrice',
    ],
    ['a price limit strategy without a limit', { SpotStrategy: 'SpotWithPriceLimit' }, 400, 'MissingParameter'],
    ['an unknown strategy', { SpotStrategy: 'Cheap' }, 400, 'InvalidParameter'],
    ['a malformed release time', { AutoReleaseTime: 'tomorrow' }, 400, 'InvalidAutoReleaseTime.Malformed'],
    ['a system disk of 10 GiB', { 'SystemDisk.Size': '10' }, 400, 'InvalidSystemDiskSize.LessThanImageSize'],
    [
      'a disk that the type does not take',
      { 'SystemDisk.Category': 'cloud_efficiency' },
      403,
      'InvalidSystemDiskCategory.ValueNotSupported',
    ],
    ['a tag key of the cloud’s own', { 'Tag.1.Key': 'acs:x', 'Tag.1.Value': 'y' }, 400, 'InvalidTagKey.Malformed'],
    ['a dry run of what would work', { DryRun: 'true' }, 400, 'DryRunOperation'],
    ['an unknown region', { RegionId: 'cn-atlantis' }, 404, 'InvalidRegionId.NotFound'],
    ['a region where nothing of it is', { RegionId: 'cn-shanghai' }, 404, 'InvalidImageId.NotFound'],
  ])('with %s is refused', async (_name, change, status, code) => {
    const answer = await cloud.call('RunInstances', await cloud.launchParameters(change));
    expect({ status: answer.status, code: answer.body.Code }).toEqual({ status, code });
  });

  test.each([
    [29 * MINUTE_MS, 'InvalidAutoReleaseTime.Malformed'],
    [31 * MINUTE_MS, 'no error'],
    [4 * 365 * 24 * 60 * MINUTE_MS, 'InvalidAutoReleaseTime.Malformed'],
  ])('with a release time %i ms ahead: %s', async (ahead, code) => {
    const parameters = await cloud.launchParameters({ AutoReleaseTime: time(ahead), DryRun: 'true' });
    expect(await cloud.code('RunInstances', parameters)).toBe(code === 'no error' ? 'DryRunOperation' : code);
  });

  test('cuts the seconds off the release time', async () => {
    const instanceId = await cloud.launch({ AutoReleaseTime: time(40 * MINUTE_MS) });
    expect((await cloud.describe(instanceId)).AutoReleaseTime).toMatch(/:00Z$/);
  });

  test('finds no stock where a pool is empty, and some where it is about to be', async () => {
    await cloud.control.setPool({ zoneId: 'cn-hangzhou-k' }, { stock: 'WithoutStock' });
    await cloud.control.setPool({ zoneId: 'cn-hangzhou-j' }, { stock: 'ClosedWithStock' });
    expect(await cloud.code('RunInstances', await cloud.launchParameters())).toBe('OperationDenied.NoStock');
    expect(await cloud.code('RunInstances', await cloud.launchParameters({ VSwitchId: cloud.vSwitch('j') }))).toBe(
      'no error',
    );
  });

  test('may find pay-as-you-go where spot is sold out', async () => {
    await cloud.control.setPool({}, { stock: 'WithoutStock', onDemandStock: 'WithStock' });
    expect(await cloud.code('RunInstances', await cloud.launchParameters())).toBe('OperationDenied.NoStock');
    const instanceId = await cloud.launch({ SpotStrategy: 'NoSpot' });
    expect((await cloud.control.leftovers()).instances.find((one) => one.instanceId === instanceId)).toMatchObject({
      priceYuanPerHour: 0.815,
    });
  });

  test('is refused without balance, vCPU quota or free addresses', async () => {
    await cloud.control.setBalanceEnough(false);
    expect(await cloud.code('RunInstances', await cloud.launchParameters())).toBe(
      'InvalidAccountStatus.NotEnoughBalance',
    );
    await cloud.control.setBalanceEnough(true);
    await cloud.control.setQuotas({ spotVcpus: 3 });
    expect(await cloud.code('RunInstances', await cloud.launchParameters())).toBe('QuotaExceed.ElasticQuota');
    expect(
      await cloud.code('RunInstances', await cloud.launchParameters({ SpotStrategy: 'NoSpot', DryRun: 'true' })),
    ).toBe('DryRunOperation');
    await cloud.control.setQuotas({ spotVcpus: 4000 });
    await cloud.control.setForeignAddresses(cloud.vSwitch(), 252);
    expect(await cloud.code('RunInstances', await cloud.launchParameters())).toBe('InvalidVSwitchId.IpNotEnough');
  });

  test('answers the same instance to the same client token, and refuses it for something else', async () => {
    const parameters = await cloud.launchParameters({ ClientToken: 'token-1' });
    const first = await cloud.ok('RunInstances', parameters);
    expect((await cloud.ok('RunInstances', parameters)).InstanceIdSets).toEqual(first.InstanceIdSets);
    expect(await cloud.code('RunInstances', { ...parameters, InstanceType: 'ecs.c7.large' })).toBe(
      'IdempotentParameterMismatch',
    );
  });

  test('takes what SpotDuration leaves out as one protected hour, a ninth dearer', async () => {
    const price = async (duration: string): Promise<number> =>
      (await cloud.ok('RunInstances', await cloud.launchParameters({ SpotDuration: duration }))).TradePrice;
    expect(await price('0')).toBe(0.155);
    expect(await price('1')).toBe(0.172);
    expect(await price('')).toBe(0.172);
  });

  test('makes several at once, each with an address of its own', async () => {
    const answer = await cloud.ok('RunInstances', await cloud.launchParameters({ Amount: '3' }));
    const ids: string[] = answer.InstanceIdSets.InstanceIdSet;
    const addresses = await Promise.all(
      ids.map(async (id) => (await cloud.describe(id)).VpcAttributes.PrivateIpAddress.IpAddress[0]),
    );
    expect(new Set(addresses).size).toBe(3);
    for (const address of addresses) expect(address).toMatch(/^127\.\d+\.\d+\.\d+$/);
  });

  test('gives a public address to those who pay for bandwidth', async () => {
    expect((await cloud.describe(await cloud.launch())).PublicIpAddress.IpAddress).toEqual([]);
    expect(
      (await cloud.describe(await cloud.launch({ InternetMaxBandwidthOut: '5' }))).PublicIpAddress.IpAddress,
    ).toHaveLength(1);
  });

  test('takes the newest image of a family', async () => {
    const instanceId = await cloud.launch({ ImageId: '', ImageFamily: 'gitlab-spot-java23' });
    expect((await cloud.describe(instanceId)).ImageId).toMatch(/^m-/);
  });
});
