import { askStanding, type AskStandingDependencies } from '../../../src/billing/ask-standing';
import { standingLines, standingOf, type StandingFacts } from '../../../src/billing/standing';
import type { CloudInstance } from '../../../src/cloud/types';
import { bucketGiB } from '../../../src/cloud/bucket-size';
import { createImages } from '../../../src/cloud/images';
import { TestCloud } from '../../sandbox/cloud/support';
import { clientOf } from '../../support/cloud-client';

const facts = (change: Partial<StandingFacts> = {}): StandingFacts => ({
  ...{ imagesGiB: [], spares: [], hasNat: false, buckets: [], currency: 'CNY' },
  ...change,
});

test('what costs money while nothing runs is an estimate by list prices, and says so', () => {
  const spare = { priceYuanPerHour: 0.155, diskYuanPerHour: 0.042 };
  const all = standingOf(facts({ imagesGiB: [40, 60], spares: [spare], hasNat: true, buckets: [{ name: 'state' }] }));
  expect(all).toMatchObject({ estimated: true, yuanPerMonth: 334.66 });
  expect(standingLines(all)).toEqual([
    'While nothing runs, an estimate by list prices: 334.66 yuan a month',
    '  custom images: 12.00 yuan (2, with snapshots of at most 100 GiB)',
    '  spare machines: 143.81 yuan (1 now, if it stayed)',
    '  NAT gateway: 178.85 yuan (the foundation’s; traffic by use)',
    '  bucket state: 0.12 yuan a GiB and month, by what is in it: `ossutil du oss://state`',
  ]);
  expect(standingLines(standingOf(facts()))).toEqual(['While nothing runs, nothing costs money (estimate).']);
});

test('machines that wait are all counted, also those whose price was not asked', async () => {
  const spare = { priceYuanPerHour: 0.155, diskYuanPerHour: 0.042 };
  const [item] = standingOf(facts({ spares: [spare, spare], furtherSpares: 1 })).items;
  expect(item).toMatchObject({ detail: '3 now, if they stayed; by the prices of 2', yuanPerMonth: 431.43 });
  const instance = {
    instanceId: 'i',
    instanceType: 't',
    zoneId: 'z',
    market: 'spot',
    tags: {},
  } as unknown as CloudInstance;
  const many = await askStanding({
    cloud: {
      findInstances: () => Promise.resolve(Array<CloudInstance>(21).fill(instance)),
      spotPrices: () =>
        Promise.resolve([{ at: '', zoneId: 'z', spotYuanPerHour: 1, onDemandYuanPerHour: 2, currency: 'CNY' }]),
      madeAt: () => Promise.resolve(undefined),
      systemDisk: () => Promise.resolve(undefined),
      diskPrice: () => Promise.reject(new Error('asked')),
    },
    images: { own: () => Promise.resolve([]) },
    hasNat: () => Promise.resolve(false),
    bucketGiB: () => Promise.resolve(undefined),
    settings: { pulumi: { backendUrl: 'file://x', passphraseFile: undefined }, cloud: { vpcId: '' } },
    cacheBucket: undefined,
    currency: 'CNY',
  });
  expect(many).toMatchObject({
    items: [{ detail: '21 now, if they stayed; by the prices of 20' }],
    yuanPerMonth: 21 * 730,
  });
});

test('a bucket costs by what CloudMonitor has measured in it; where that is not told, its price a GiB stands', async () => {
  const measured = standingOf(facts({ buckets: [{ name: 'cache', gib: 50 }] }));
  expect(standingLines(measured)).toEqual([
    'While nothing runs, an estimate by list prices: 6.00 yuan a month',
    '  bucket cache: 6.00 yuan (50.0 GiB)',
  ]);
});

test('list prices in yuan say nothing to an account that pays in dollars', () => {
  const spare = { priceYuanPerHour: 0.02, diskYuanPerHour: 0.006 };
  const abroad = standingOf(
    facts({ imagesGiB: [40], spares: [spare], hasNat: true, buckets: [{ name: 'b', gib: 3 }], currency: 'USD' }),
  );
  expect(standingLines(abroad).join('\n')).not.toMatch(/yuan/);
  expect(standingLines(abroad).at(-1)).toBe('  bucket b: 3.0 GiB');
  expect(abroad.yuanPerMonth).toBe(18.98);
});

test('is asked of the cloud: images that this project made, machines that wait, the foundation’s gateway', async () => {
  const simulated = await TestCloud.start();
  try {
    const { rpc, cloud } = clientOf(simulated);
    const from: AskStandingDependencies = {
      cloud,
      images: createImages(rpc),
      hasNat: () => Promise.resolve(false),
      bucketGiB: (name) => bucketGiB(rpc, name),
      settings: { pulumi: { backendUrl: 's3://state?region=x', passphraseFile: undefined }, cloud: { vpcId: 'vpc-1' } },
      cacheBucket: undefined,
      currency: 'CNY',
    };
    const names = async (): Promise<string[]> => (await askStanding(from)).items.map(({ what }) => what);
    expect(await names()).toEqual(['bucket state']);
    const tag = { 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'spare' };
    const InstanceId = await simulated.launchRunning(tag);
    const image = { InstanceId, ImageName: 'java', 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'image' };
    await simulated.ok('CreateImage', image);
    expect(await names()).toEqual(['custom images', 'spare machines', 'bucket state']);
  } finally {
    await simulated.stop();
  }
});
