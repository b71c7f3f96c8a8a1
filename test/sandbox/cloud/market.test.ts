import { LISTED_TYPES } from '../../../sandbox/cloud/catalog/instanceTypes';
import { TestCloud } from './support';

let cloud: TestCloud;
/** The types that are written down, and no others (region.test.ts has them all). */
beforeAll(async () => (cloud = await TestCloud.start({ types: LISTED_TYPES })));
afterAll(() => cloud.stop());

const ZONE = 'cn-hangzhou-k';
const TYPE = 'ecs.c7.xlarge';

/** zone → type → stock category */
async function stock(parameters: Record<string, string>): Promise<Record<string, Record<string, string>>> {
  const answer = await cloud.ok('DescribeAvailableResource', { DestinationResource: 'InstanceType', ...parameters });
  return Object.fromEntries(
    answer.AvailableZones.AvailableZone.map(
      (zone: {
        ZoneId: string;
        AvailableResources: {
          AvailableResource: {
            SupportedResources: { SupportedResource: { Value: string; StatusCategory: string }[] };
          }[];
        };
      }) => [
        zone.ZoneId,
        Object.fromEntries(
          zone.AvailableResources.AvailableResource.flatMap((one) => one.SupportedResources.SupportedResource).map(
            (one) => [one.Value, one.StatusCategory],
          ),
        ),
      ],
    ),
  );
}

test('stock is told by zone and type, apart for spot and pay-as-you-go', async () => {
  await cloud.control.setPool(
    { zoneId: ZONE, instanceType: TYPE },
    { stock: 'WithoutStock', onDemandStock: 'WithStock' },
  );
  const spot = await stock({ InstanceType: TYPE, SpotStrategy: 'SpotAsPriceGo' });
  expect(spot).toEqual({
    'cn-hangzhou-h': { [TYPE]: 'WithStock' },
    'cn-hangzhou-i': { [TYPE]: 'WithStock' },
    'cn-hangzhou-j': { [TYPE]: 'WithStock' },
    'cn-hangzhou-k': { [TYPE]: 'WithoutStock' },
  });
  expect((await stock({ InstanceType: TYPE, InstanceChargeType: 'PostPaid' }))[ZONE]).toEqual({ [TYPE]: 'WithStock' });
});

test('types are found by size', async () => {
  expect(
    Object.keys((await stock({ Cores: '4', Memory: '8', ZoneId: 'cn-hangzhou-j' }))['cn-hangzhou-j'] ?? {}).sort(),
  ).toEqual(['ecs.c7.xlarge', 'ecs.c8a.xlarge', 'ecs.c8i.xlarge', 'ecs.c8y.xlarge', 'ecs.u1-c1m2.xlarge']);
});

test('the spot price history ends with the price of now', async () => {
  await cloud.control.setPool({ zoneId: ZONE, instanceType: TYPE }, { spotYuanPerHour: 0.27 });
  const last = async (SpotDuration: string) =>
    (
      await cloud.ok('DescribeSpotPriceHistory', { InstanceType: TYPE, NetworkType: 'vpc', ZoneId: ZONE, SpotDuration })
    ).SpotPrices.SpotPriceType.at(-1);
  expect(await last('0')).toMatchObject({ ZoneId: ZONE, SpotPrice: 0.27, OriginPrice: 0.815 });
  expect(await last('1')).toMatchObject({ SpotPrice: 0.3 });
});

test('DescribePrice, the history, RunInstances and the bill agree', async () => {
  await cloud.control.setPool({ zoneId: ZONE, instanceType: TYPE }, { stock: 'WithStock', spotYuanPerHour: 0.2 });
  const asked = { InstanceType: TYPE, ZoneId: ZONE, SpotStrategy: 'SpotAsPriceGo', SpotDuration: '1' };
  const disk = { 'SystemDisk.Category': 'cloud_essd', 'SystemDisk.PerformanceLevel': 'PL0', 'SystemDisk.Size': '40' };
  const { Price } = (await cloud.ok('DescribePrice', { ...asked, ...disk })).PriceInfo;
  expect(Price).toMatchObject({ TradePrice: 0.264, OriginalPrice: 0.857, Currency: 'CNY' });
  const price = Price.DetailInfos.DetailInfo.find((one: { Resource: string }) => one.Resource === 'instanceType');
  expect(price).toMatchObject({ TradePrice: 0.222, OriginalPrice: 0.815 });
  const launched = await cloud.ok('RunInstances', await cloud.launchParameters({ SpotDuration: '1' }));
  expect(launched.TradePrice).toBe(price.TradePrice);
  cloud.clock.advance(1000);
  expect((await cloud.control.bill()).at(-1)).toMatchObject({ priceYuanPerHour: price.TradePrice });
});

test('advice names discount and interruption rate of a pool', async () => {
  await cloud.control.setPool({ zoneId: ZONE, instanceType: TYPE }, { interruptionRate: 7, spotYuanPerHour: 0.163 });
  const answer = await cloud.ok('DescribeSpotAdvice', { 'InstanceTypes.1': TYPE, ZoneId: ZONE });
  expect(answer.AvailableSpotZones.AvailableSpotZone[0].AvailableSpotResources.AvailableSpotResource).toEqual([
    { InstanceType: TYPE, AverageSpotDiscount: 20, InterruptionRate: 7, InterruptRateDesc: '5-10%' },
  ]);
});

test.each<[string, Record<string, string>, string[]]>([
  [
    'architecture',
    { CpuArchitecture: 'ARM', MinimumCpuCoreCount: '4', MaximumCpuCoreCount: '4' },
    ['ecs.c8y.xlarge', 'ecs.g8y.xlarge'],
  ],
  ['GPU', { MinimumGPUAmount: '1' }, ['ecs.gn6i-c4g1.xlarge', 'ecs.gn6i-c8g1.2xlarge']],
  ['name', { 'InstanceTypes.1': TYPE }, [TYPE]],
])('instance types are found by %s', async (_name, filter, names) => {
  const answer = await cloud.ok('DescribeInstanceTypes', filter);
  expect(answer.InstanceTypes.InstanceType.map((type: { InstanceTypeId: string }) => type.InstanceTypeId)).toEqual(
    names,
  );
});

test('regions and zones are listed, and another region is empty', async () => {
  expect((await cloud.ok('DescribeRegions')).Regions.Region).toContainEqual(
    expect.objectContaining({ RegionId: 'cn-beijing' }),
  );
  expect((await cloud.ok('DescribeZones')).Zones.Zone.map((zone: { ZoneId: string }) => zone.ZoneId)).toContain(ZONE);
  expect(
    await cloud.ok('DescribeAvailableResource', { RegionId: 'cn-beijing', DestinationResource: 'InstanceType' }),
  ).toMatchObject({
    AvailableZones: { AvailableZone: [] },
  });
});

test('an unknown type has no price', async () => {
  expect(await cloud.code('DescribePrice', { InstanceType: 'ecs.none', ZoneId: ZONE })).toBe('PriceNotFound');
  expect(await cloud.code('DescribeSpotPriceHistory', { InstanceType: 'ecs.none', NetworkType: 'vpc' })).toBe(
    'InvalidInstanceType.NotFound',
  );
});

test('quotas are told with the account’s attributes', async () => {
  await cloud.control.setQuotas({ spotVcpus: 32 });
  const answer = await cloud.ok('DescribeAccountAttributes', { 'AttributeName.1': 'max-spot-instance-vcpu-count' });
  expect(answer.AccountAttributeItems.AccountAttributeItem[0].AttributeValues.ValueItem).toContainEqual(
    expect.objectContaining({ Value: '32', ZoneId: ZONE }),
  );
});
