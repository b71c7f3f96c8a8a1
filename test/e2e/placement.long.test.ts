import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { dayOf, Ledger } from '../../src/billing/ledger';
import { HookedJob } from '../support/hooked-job';
import { ledgerEntry } from '../support/ledger-entry';
import { readable, World } from '../support/world';

/** What placement and the budget do, as prepare's log and the cloud's calls show it. */
jest.setTimeout(180_000);

const TYPES = ['ecs.c7.xlarge', 'ecs.u1-c1m2.xlarge'];
const CAP_YUAN_PER_HOUR = 0.9;
const profile = (name: string, protectedHour: string) => `
  ${name}:
    types: [${TYPES.join(', ')}]
    image: gitlab-spot-java23
    disk: { category: cloud_essd, sizeGiB: 40 }
    spot: { maxPrice: ${CAP_YUAN_PER_HOUR}, protectedHour: ${protectedHour}, fallback: on-demand }`;
const ONE_ZONE = 'cn-hangzhou-h';
const page = `default: auto
profiles:${profile('auto', 'auto')}${profile('always', 'always')}${profile('never', 'never')}${profile('one-zone', 'auto')}
    zones: [${ONE_ZONE}]
`;

let world: World;
let profiles: Record<string, string>;
beforeAll(async () => {
  world = await World.start();
  const file = path.join(world.sandbox.directory, 'profiles.yaml');
  writeFileSync(file, page);
  profiles = { GITLAB_SPOT_PROFILES_FILE: file };
});
afterAll(() => world.close());

async function ended(job: HookedJob): Promise<{ code: number | null; log: string }> {
  const { code, stdout, stderr } = await job.start('prepare').ended;
  return { code, log: readable(`${stdout.toString()}${stderr}`) };
}

async function launchesOf(job: HookedJob) {
  return (await world.sandbox.control.calls())
    .filter(({ action, params }) => action === 'RunInstances' && params.InstanceName === job.stackName)
    .map(({ params }) => params);
}

test('where prices may not be asked, a job runs in the profile’s own order, and its log says so once', async () => {
  const { control } = world.sandbox;
  const { secret } = await control.addAccessKeyWithPolicy('LTAI5tNoPrices', {
    Version: '1',
    Statement: [
      { Effect: 'Allow', Action: '*', Resource: '*' },
      { Effect: 'Deny', Action: ['ecs:DescribeSpotPriceHistory', 'ecs:DescribePrice'], Resource: '*' },
    ],
  });
  const key = { ALICLOUD_ACCESS_KEY: 'LTAI5tNoPrices', ALICLOUD_SECRET_KEY: secret };
  // A host of its own: what others of this one have learnt of prices is shared.
  const state = path.join(world.sandbox.directory, 'without-prices');
  mkdirSync(state, { mode: 0o700 });
  const job = new HookedJob(world, { ...profiles, ...key, GITLAB_SPOT_STATE_DIR: state });
  const { code, log } = await ended(job);
  expect({ code, log }).toMatchObject({ code: 0 });
  expect(log.match(/can't be asked/g)).toHaveLength(1);
  expect(log).toMatch(
    /WARNING: Spot prices, disk prices can't be asked \(Forbidden\.RAM; .*in the profile’s own order/,
  );
  expect(log).toMatch(/Taking ecs\.c7\.xlarge in cn-hangzhou-h, spot .*, price unknown \(the profile's order/);
  expect((await launchesOf(job))[0]).toMatchObject({ InstanceType: TYPES[0], SpotPriceLimit: '0.9' });
  await job.cleanUp('success');
});

describe('when the cloud refuses one pool after the other', () => {
  /** In one zone alone, and on a host of its own: pools that failed are held against them. */
  const inOneZone = (name: string): Record<string, string> => {
    const state = path.join(world.sandbox.directory, name);
    mkdirSync(state, { mode: 0o700 });
    return { ...profiles, GITLAB_SPOT_STATE_DIR: state, CUSTOM_ENV_SPOT_PROFILE: 'one-zone' };
  };

  test('a prepare tries as many as the setting says, each once, and no more', async () => {
    const job = new HookedJob(world, { ...inOneZone('bound'), GITLAB_SPOT_MAX_CANDIDATES: '2' });
    const error = { status: 403, code: 'OperationDenied.NoStock', message: 'sold out' };
    await world.sandbox.control.inject({ action: 'RunInstances', match: { InstanceName: job.stackName }, error });
    const { code, log } = await ended(job);
    await world.sandbox.control.clearFaults();
    expect(code).toBe(2);
    expect(log).toMatch(/No pool that was tried for profile one-zone has an instance now \(tried: 2; /);
    const pools = (await launchesOf(job)).map(({ InstanceType, SpotStrategy }) => `${InstanceType} ${SpotStrategy}`);
    expect([pools.length, new Set(pools).size]).toEqual([2, 2]);
    await job.cleanUp();
  });

  test('a price that rises above the cap between choice and launch is no launch, but the next pool', async () => {
    const { control } = world.sandbox;
    const job = new HookedJob(world, inOneZone('risen'));
    const prepare = job.start('prepare');
    await prepare.prints(`Taking ${TYPES[0]} in ${ONE_ZONE}`);
    const where = { zoneId: ONE_ZONE, instanceType: TYPES[0]! };
    const { spotYuanPerHour } = (await control.pools()).find(
      (pool) => pool.zoneId === where.zoneId && pool.instanceType === where.instanceType,
    )!;
    await control.setPool(where, { spotYuanPerHour: 2 * CAP_YUAN_PER_HOUR });
    const { code, stdout } = await prepare.ended;
    await control.setPool(where, { spotYuanPerHour });
    const log = readable(stdout.toString());
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(log).toContain('the price rose above the limit (InvalidSpotPriceLimit.LowerThanPublicPrice)');
    expect((await launchesOf(job)).map((one) => [one.InstanceType, one.SpotStrategy, one.SpotPriceLimit])).toEqual([
      [TYPES[0], 'SpotWithPriceLimit', String(CAP_YUAN_PER_HOUR)],
      [TYPES[1], 'NoSpot', undefined],
    ]);
    await job.cleanUp('success');
  });
});

test('the protected hour is asked for where it helps: by timeout and profile', async () => {
  const cases = [
    ['auto', 60, '1'],
    ['auto', 61, '0'],
    ['always', 120, '1'],
    ['never', 10, '0'],
  ] as const;
  const asked = await Promise.all(
    cases.map(async ([name, minutes]) => {
      const timeout = { CUSTOM_ENV_CI_JOB_TIMEOUT: String(minutes * 60), CUSTOM_ENV_SPOT_PROFILE: name };
      const job = new HookedJob(world, { ...profiles, ...timeout });
      expect(await ended(job)).toEqual({ code: 0, log: expect.stringContaining('Ready after') });
      const [params] = await launchesOf(job);
      await job.cleanUp('success');
      return [name, minutes, params!.SpotDuration];
    }),
  );
  expect(asked).toEqual(cases);
  await world.nothingLeft(60_000);
});

describe('the month’s budget', () => {
  /** 40 GiB of an ESSD without a level, an hour. */
  const DISK_YUAN = 0.084;
  /** At its cap until its timeout of an hour, with its disk. */
  const OWN_YUAN = CAP_YUAN_PER_HOUR + DISK_YUAN;
  let hosts = 0;

  /** A host of its own that has spent so much on that project this month. */
  async function hostThatSpent(yuan: number, project = 'root/demo'): Promise<Record<string, string>> {
    const state = path.join(world.sandbox.directory, `budget-${++hosts}`);
    mkdirSync(state, { mode: 0o700 });
    const from = `${dayOf(new Date())}T00:00:00.000Z`;
    await new Ledger(path.join(state, 'ledger')).put(ledgerEntry({ from, yuan, project }));
    return { ...profiles, GITLAB_SPOT_STATE_DIR: state };
  }

  test.each([
    [
      'of all',
      { GITLAB_SPOT_BUDGET: '10' },
      'The monthly budget is used up: 10.40 of 10 yuan (104 %)',
      'GITLAB_SPOT_BUDGET',
    ],
    [
      'of the project',
      { GITLAB_SPOT_BUDGET_PER_PROJECT: 'root/demo=10' },
      'The monthly budget of root/demo is used up: 10.40 of 10 yuan (104 %)',
      'GITLAB_SPOT_BUDGET_PER_PROJECT',
    ],
    [
      'of each project',
      { GITLAB_SPOT_BUDGET_PER_PROJECT: '*=10' },
      'The monthly budget of root/demo is used up: 10.40 of 10 yuan (104 %)',
      'GITLAB_SPOT_BUDGET_PER_PROJECT',
    ],
  ])(
    '%s, when it is used up: no instance, and one sentence that says what to do',
    async (_whose, budget, sentence, setting) => {
      const job = new HookedJob(world, { ...(await hostThatSpent(10.4 - OWN_YUAN)), ...budget });
      const { code, log } = await ended(job);
      expect(code).not.toBe(0);
      expect(log).toContain(`${sentence}, running jobs' possible cost included`);
      expect(log).toMatch(new RegExp(`included\\. Raise ${setting}, or wait for the next month\\.`));
      expect(await launchesOf(job)).toEqual([]);
      await job.cleanUp();
    },
  );

  test('of another project is not this one’s', async () => {
    const spent = await hostThatSpent(100, 'root/other');
    const job = new HookedJob(world, { ...spent, GITLAB_SPOT_BUDGET_PER_PROJECT: 'root/other=10,root/demo=10' });
    const { code, log } = await ended(job);
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(log).not.toMatch(/monthly budget/);
    await job.cleanUp('success');
  });

  test('from 80 % on is a warning; what running jobs may still cost counts, and by setting jobs go on', async () => {
    const host = { ...(await hostThatSpent(1.2 - OWN_YUAN)), GITLAB_SPOT_BUDGET: '1.25' };
    const first = new HookedJob(world, host);
    const { code, log } = await ended(first);
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(log).toMatch(/WARNING: The monthly budget is nearly used up: 1\.20 of 1\.25 yuan \(96 %\)/);

    const refused = await ended(new HookedJob(world, host));
    expect(refused.code).not.toBe(0);
    // The first job's instance and disk at their price, until its timeout.
    expect(refused.log).toMatch(/The monthly budget is used up: 1\.(29|3\d) of 1\.25 yuan/);

    const goesOn = new HookedJob(world, { ...host, GITLAB_SPOT_BUDGET_ACTION: 'warn' });
    const gone = await ended(goesOn);
    expect(gone).toMatchObject({ code: 0 });
    expect(gone.log).toMatch(/WARNING: The monthly budget is exceeded: .*; jobs go on, by setting/);
    await first.cleanUp('success');
    await goesOn.cleanUp('success');
  });
});

test('nothing is left', () => world.nothingLeft(60_000));
