/**
 * A region as large as a real one: which types there are, which disks they take, what all of it
 * costs.
 */
import { TestCloud, type Answer } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start({ types: 775 })));
afterAll(() => cloud.stop());

type Type = { InstanceTypeId: string; CpuCoreCount: number; MemorySize: number; InstanceCategory: string };

async function types(parameters: Record<string, string> = {}): Promise<Type[]> {
  return (await cloud.ok('DescribeInstanceTypes', parameters)).InstanceTypes.InstanceType;
}

/** Names of the types that are told for a question. */
async function sold(parameters: Record<string, string>): Promise<Set<string>> {
  const { AvailableZones } = await cloud.ok('DescribeAvailableResource', {
    DestinationResource: 'InstanceType',
    ...parameters,
  });
  const resources = AvailableZones.AvailableZone.flatMap(
    (zone: Answer['body']) => zone.AvailableResources.AvailableResource[0].SupportedResources.SupportedResource,
  );
  return new Set(resources.map((one: { Value: string }) => one.Value));
}

test('sells bare metal, burstable types and old generations beside what builds want, and tells all of them in pages', async () => {
  const all = await types();
  expect(all).toHaveLength(775);
  expect(new Set(all.map((one) => one.InstanceTypeId)).size).toBe(775);
  for (const pattern of [/^ecs\.ebm/, /^ecs\.t6-/, /^ecs\.g5\./, /^ecs\.c9/, /^ecs\.c8y/, /^ecs\.gn7/])
    expect(all.some((one) => pattern.test(one.InstanceTypeId))).toBe(true);
  const first = await cloud.ok('DescribeInstanceTypes', { MaxResults: '500' });
  const second = await cloud.ok('DescribeInstanceTypes', { MaxResults: '500', NextToken: first.NextToken });
  expect([first, second].map((one) => one.InstanceTypes.InstanceType.length)).toEqual([500, 275]);
  expect(second.NextToken).toBe('');
});

test('tells what takes a disk only to who asks with the disk', async () => {
  const [any, essd] = [await sold({}), await sold({ SystemDiskCategory: 'cloud_essd' })];
  const without = [...any].filter((name) => !essd.has(name));
  expect(without.length).toBeGreaterThan(10);
  expect(without.every((name) => /^ecs\.(t5|n4|mn4|s[en]\dne)/.test(name))).toBe(true);
  expect(await cloud.code('DescribeAvailableResource', { DestinationResource: 'SystemDisk' })).toBe('MissingParameter');
  const launch = { InstanceType: without[0]!, 'SystemDisk.Category': 'cloud_essd' };
  expect(await cloud.code('RunInstances', await cloud.launchParameters(launch))).toBe(
    'InvalidSystemDiskCategory.ValueNotSupported',
  );
});

test('what a type costs is told with the disk, and refused for newer types without one', async () => {
  const price = (disk: Record<string, string>) =>
    cloud.call('DescribePrice', { ResourceType: 'instance', InstanceType: 'ecs.c8a.xlarge', ...disk });
  expect((await price({})).body.Code).toBe('InvalidSystemDiskCategory.ValueNotSupported');
  const essd = { 'SystemDisk.Category': 'cloud_essd', 'SystemDisk.Size': '40' };
  const { body } = await price({ ...essd, 'SystemDisk.PerformanceLevel': 'PL0' });
  const lines = body.PriceInfo.Price.DetailInfos.DetailInfo;
  expect(lines.map((one: { Resource: string; TradePrice: number }) => [one.Resource, one.TradePrice])).toEqual([
    ['instanceType', 0.774],
    ['systemDisk', 0.042],
  ]);
  expect(body.PriceInfo.Price.TradePrice).toBe(0.816);
  // An ESSD without a level is one of PL1, and costs twice as much.
  expect((await price(essd)).body.PriceInfo.Price.TradePrice).toBe(0.858);
});

test.each(['refuse', 'empty'] as const)('a type that nobody sells: %s', async (answer) => {
  await cloud.control.setUnknownTypes(answer);
  const asked = { InstanceType: 'ecs.none.large', DestinationResource: 'InstanceType', NetworkType: 'vpc' };
  for (const action of ['DescribeAvailableResource', 'DescribeSpotPriceHistory'])
    expect(await cloud.code(action, asked)).toBe(answer === 'refuse' ? 'InvalidInstanceType.NotFound' : 'no error');
});

test('prices are told in the currency of the site', async () => {
  const asked = { InstanceType: 'ecs.c7.xlarge', NetworkType: 'vpc' };
  expect((await cloud.ok('DescribeSpotPriceHistory', asked)).Currency).toBe('CNY');
  await cloud.control.setCurrency('USD');
  expect((await cloud.ok('DescribeSpotPriceHistory', asked)).Currency).toBe('USD');
});

test('an instance costs its time, its disk until it is gone, and its traffic', async () => {
  const disk = { 'SystemDisk.Category': 'cloud_essd', 'SystemDisk.PerformanceLevel': 'PL1', 'SystemDisk.Size': '40' };
  const launch = { ...disk, SpotStrategy: 'NoSpot', InternetMaxBandwidthOut: '5' };
  const InstanceId = await cloud.launchRunning(launch);
  cloud.clock.advance(3599_000);
  await cloud.ok('StopInstance', { InstanceId });
  cloud.clock.advance(3600_000);
  await cloud.control.addTraffic(InstanceId, 0.5);
  const [line] = await cloud.control.costs();
  expect(line).toEqual({
    ...{ instanceId: InstanceId, tags: {} },
    ...{ instanceYuan: 0.815, diskYuan: 0.168, trafficYuan: 0.4, yuan: 1.383 },
  });
  await cloud.ok('DeleteInstance', { InstanceId });
  cloud.clock.advance(3600_000);
  expect((await cloud.control.costs())[0]!.diskYuan).toBeCloseTo(0.168, 3);
});
