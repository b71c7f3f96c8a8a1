import { CloudRefused } from '../../../src/cloud/errors';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Cloud, InstanceType } from '../../../src/cloud/types';
import { createPlacement } from '../../../src/placement';
import { shared } from '../../../src/host/shared-cache';
import type { Profile } from '../../../src/settings/types';
import { testProfile } from '../../support/profile';
import { z } from 'zod';

const profile = testProfile();

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(path.join(os.tmpdir(), 'placement-'));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

function cloud(change: Partial<Cloud> = {}) {
  const asked: string[] = [];
  const prices: Record<string, number> = { 'ecs.c7.xlarge': 0.155, 'ecs.c8a.xlarge': 0.148 };
  const fake: Partial<Cloud> = {
    vSwitches: async () => [{ vSwitchId: 'vsw-h', zoneId: 'h', cidrBlock: '', freeAddresses: 9, tags: {} }],
    stock: async (instanceType) => [{ zoneId: 'h', instanceType, status: 'WithStock' }],
    spotAdvice: async () => [],
    diskPrice: async () => ({ yuanPerHour: 0.042, currency: 'CNY' }),
    spotPrices: async (type) => {
      asked.push(type);
      return [{ zoneId: 'h', spotYuanPerHour: prices[type] ?? 1, onDemandYuanPerHour: 0.8, currency: 'CNY', at: '' }];
    },
    ...change,
  };
  return { cloud: fake as Cloud, asked };
}

const instanceType = (name: string, change: Partial<InstanceType> = {}): InstanceType => ({
  name,
  vcpu: 4,
  memoryGiB: 8,
  gpus: 0,
  architecture: 'x86_64',
  level: 'EnterpriseLevel',
  hasLocalDisk: false,
  ...change,
});

function placementOf(given: Cloud, now: () => number = () => 1_000_000) {
  return createPlacement({
    cloud: given,
    settings: { stateDir, cloud: { vpcId: 'vpc-1', vSwitchIds: [], region: 'cn-hangzhou' } },
    now,
  });
}

const request = { profile, timeoutMs: 3_600_000, jobKey: 'gitlab.example.com 7 build' };
const types = async (placement: ReturnType<typeof placementOf>) =>
  (await placement.candidates(request)).candidates.map((c) => c.instanceType);

describe('placement', () => {
  test('asks the market once for many jobs, and again when the answer is old', async () => {
    const { cloud: fake, asked } = cloud();
    let now = 1_000_000;
    await Promise.all([1, 2, 3, 4].map(() => placementOf(fake, () => now).candidates(request)));
    expect(asked).toEqual(['ecs.c7.xlarge', 'ecs.c8a.xlarge']);
    now += 61_000;
    await placementOf(fake, () => now).candidates(request);
    expect(asked).toHaveLength(4);
  });

  test("goes on in the profile's order, with a warning, when prices may not be asked", async () => {
    const { cloud: fake } = cloud({ spotPrices: () => Promise.reject(new Error('Forbidden.RAM')) });
    const ranking = await placementOf(fake).candidates(request);
    expect(ranking.candidates.map((c) => c.instanceType)).toEqual(['ecs.c7.xlarge', 'ecs.c8a.xlarge']);
    expect(ranking.warnings).toEqual([
      "Spot prices can't be asked (Forbidden.RAM), so pools are tried in the profile’s own order",
    ]);
  });

  test('knows what the disk costs, asked once a day', async () => {
    const disks: unknown[] = [];
    const diskPrice = async (disk: unknown) => (disks.push(disk), { yuanPerHour: 0.042, currency: 'CNY' });
    const { cloud: fake } = cloud({ diskPrice });
    let now = 1_000_000;
    for (const later of [0, 61_000, 3_600_000]) {
      now += later;
      const { candidates } = await placementOf(fake, () => now).candidates(request);
      expect(candidates[0]).toMatchObject({ priceYuanPerHour: 0.148, diskYuanPerHour: 0.042, currency: 'CNY' });
    }
    expect(disks).toEqual([profile.disk]);
  });

  test('takes the list price of a disk that can not be asked, but not for dollars', async () => {
    const refused = cloud({ diskPrice: () => Promise.reject(new Error('Forbidden.RAM')) });
    const { candidates, warnings } = await placementOf(refused.cloud).candidates(request);
    expect(warnings).toEqual(["Disk prices can't be asked (Forbidden.RAM), so the list price of the disk counts"]);
    // An ESSD without a level is one of PL1.
    expect(candidates[0]).toMatchObject({ diskYuanPerHour: 0.084, currency: 'CNY' });

    const dollars = async () => [
      { zoneId: 'h', spotYuanPerHour: 0.03, onDemandYuanPerHour: 0.12, currency: 'USD', at: '' },
    ];
    const abroad = cloud({ diskPrice: () => Promise.reject(new Error('Forbidden.RAM')), spotPrices: dollars });
    const later = await placementOf(abroad.cloud, () => 9e9).candidates(request);
    expect(later.candidates[0]).toMatchObject({ diskYuanPerHour: undefined, currency: 'USD' });
  });

  test('says in one warning what is refused for one reason, and what to do', async () => {
    let requests = 0;
    const refused = (action: string) => () => {
      const facts = { action, code: 'Forbidden.RAM', message: 'no', requestId: String(++requests) };
      return Promise.reject(new CloudRefused(facts, false));
    };
    const { cloud: fake } = cloud({
      spotPrices: refused('DescribeSpotPriceHistory'),
      spotAdvice: refused('DescribeSpotAdvice'),
      stock: refused('DescribeAvailableResource'),
    });
    const either = testProfile({ spot: { ...profile.spot, fallback: 'on-demand' } });
    expect((await placementOf(fake).candidates({ ...request, profile: either })).warnings).toEqual([
      "Spot stock, pay-as-you-go stock, interruption rates, spot prices can't be asked (Forbidden.RAM; `gitlab-spot ram-policy` prints what the credentials need), so pools are tried in the profile’s own order",
    ]);
  });

  test('names what is refused in the order in which it was asked, whichever is refused first', async () => {
    const refused = (): Promise<never> => Promise.reject(new Error('refused'));
    const late = () => new Promise<void>((resolve) => setTimeout(resolve, 20)).then(refused);
    const { cloud: fake } = cloud({ spotPrices: late, diskPrice: refused });
    expect((await placementOf(fake).candidates(request)).warnings).toEqual([
      "Spot prices, disk prices can't be asked (refused), so pools are tried in the profile’s own order",
    ]);
  });

  test('remembers a failed pool for all jobs of the host', async () => {
    const { cloud: fake } = cloud();
    expect(await types(placementOf(fake))).toEqual(['ecs.c8a.xlarge', 'ecs.c7.xlarge']);
    const pool = { instanceType: 'ecs.c8a.xlarge', zoneId: 'h', vSwitchId: 'vsw-h', market: 'spot' as const };
    await placementOf(fake).reportFailure(pool, 'OperationDenied.NoStock');
    expect(await types(placementOf(fake))).toEqual(['ecs.c7.xlarge', 'ecs.c8a.xlarge']);
    expect(await types(placementOf(fake, () => 1_000_000 + 601_000))).toEqual(['ecs.c8a.xlarge', 'ecs.c7.xlarge']);
  });

  test('keeps the next try of the same job away from the pool that was taken, and no other job after the hour', async () => {
    const { cloud: fake } = cloud();
    const pool = { instanceType: 'ecs.c8a.xlarge', zoneId: 'h', vSwitchId: 'vsw-h', market: 'spot' as const };
    await placementOf(fake).reportLoss(request.jobKey, pool, true);
    const later = placementOf(fake, () => 1_000_000 + 2 * 3_600_000);
    expect(await types(later)).toEqual(['ecs.c7.xlarge', 'ecs.c8a.xlarge']);
    const other = await later.candidates({ ...request, jobKey: 'gitlab.example.com 8 build' });
    expect(other.candidates[0]?.instanceType).toBe('ecs.c8a.xlarge');
  });

  test('loses one price where one type is refused', async () => {
    const { cloud: fake } = cloud({
      spotPrices: (type) =>
        type === 'ecs.c7.xlarge'
          ? Promise.reject(new Error('InvalidInstanceType.ValueNotSupported'))
          : Promise.resolve([
              { zoneId: 'h', spotYuanPerHour: 0.148, onDemandYuanPerHour: 0.8, currency: 'CNY', at: '' },
            ]),
    });
    const { candidates, warnings } = await placementOf(fake).candidates(request);
    expect(candidates.map(({ instanceType, priceYuanPerHour }) => [instanceType, priceYuanPerHour])).toEqual([
      ['ecs.c8a.xlarge', 0.148],
      ['ecs.c7.xlarge', undefined],
    ]);
    expect(warnings).toHaveLength(1);
  });

  test('asks for stock with the disk that the job will have, and for no market that the profile does not want', async () => {
    const asked: unknown[][] = [];
    const stock: Cloud['stock'] = async (...question) => {
      asked.push(question);
      return [{ zoneId: 'h', instanceType: question[0], status: 'WithStock' }];
    };
    const { cloud: fake } = cloud({ stock });
    await placementOf(fake).candidates(request);
    expect(asked).toEqual([
      ['ecs.c7.xlarge', 'spot', 'cloud_essd'],
      ['ecs.c8a.xlarge', 'spot', 'cloud_essd'],
    ]);
  });

  test('says what to do when the VPC has no vSwitch', async () => {
    const { cloud: fake } = cloud({ vSwitches: async () => [] });
    await expect(placementOf(fake).candidates(request)).rejects.toThrow(
      'The VPC vpc-1 has no vSwitch that may be used in cn-hangzhou',
    );
  });

  test('resolves vCPU and memory to types, and says so when there is none', async () => {
    const wants: Profile = { ...profile, instances: { vcpu: 4, memoryGiB: 8, architecture: 'x86_64', gpus: 0 } };
    const some = cloud({ instanceTypes: async () => [instanceType('ecs.c7.xlarge')] });
    expect((await placementOf(some.cloud).candidates({ ...request, profile: wants })).candidates).toHaveLength(1);
    const none = cloud({ instanceTypes: async () => [] });
    const impossible: Profile = { ...wants, instances: { vcpu: 3, memoryGiB: 8, architecture: 'x86_64', gpus: 0 } };
    await expect(placementOf(none.cloud).candidates({ ...request, profile: impossible })).rejects.toThrow(
      'No instance type has 3 vCPU',
    );
  });
});

describe('an answer shared by the processes of a host', () => {
  const options = (fetch: () => Promise<number>) => ({
    directory: stateDir,
    key: 'answer',
    maxAgeMs: 1000,
    schema: z.number(),
    now: () => 5000,
    fetch,
  });

  test('is fetched anew where its file is broken or from the future', async () => {
    await writeFile(path.join(stateDir, 'answer.json'), '{"atMs":');
    expect(await shared(options(async () => 1))).toBe(1);
    await writeFile(path.join(stateDir, 'answer.json'), JSON.stringify({ atMs: 9000, value: 7 }));
    expect(await shared(options(async () => 2))).toBe(2);
  });

  test('waits for nobody who died as he asked, also where the clock was set back since', async () => {
    const asking = path.join(stateDir, 'answer.json.asking');
    await mkdir(asking);
    const later = new Date(Date.now() + 3600_000);
    await utimes(asking, later, later);
    expect(await shared({ ...options(async () => 4), othersLimitMs: 300_000 })).toBe(4);
  });

  test('is not stored when the question failed, and can be asked again at once', async () => {
    await expect(shared(options(() => Promise.reject(new Error('refused'))))).rejects.toThrow('refused');
    expect(await shared(options(async () => 3))).toBe(3);
  });
});
