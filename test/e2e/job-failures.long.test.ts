import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readable, World } from '../support/world';

/**
 * Jobs that fail before their script, and placement under way, through the built hooks with all of
 * a runner's attempts.
 */
jest.setTimeout(120_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());
afterEach(async () => {
  await world.sandbox.control.clearFaults();
});

describe('what is wrong is said in one sentence, and nothing is left', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'wrong-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const profilesFile = (yaml: string): string => {
    const file = path.join(directory, 'instances.yaml');
    writeFileSync(file, yaml);
    return file;
  };

  async function failing(
    environment: Record<string, string | undefined>,
    keywords = '',
  ): Promise<{ log: string; failureReason: string | undefined }> {
    const job = await world.job('echo never', { environment, keywords });
    expect(job.state).toBe('failed');
    const log = readable(job.log);
    expect(log).not.toContain('echo never');
    expect(log).not.toMatch(/\n\s+at .*:\d+:\d+/);
    await world.nothingLeft();
    return { log, failureReason: job.failureReason };
  }

  test('an unknown profile is the job’s own fault, and is not tried again', async () => {
    const { log } = await failing({}, 'variables: { SPOT_PROFILE: huge }');
    expect(log).toContain('There is no profile "huge"');
    expect(log.match(/There is no profile/g)).toHaveLength(1);
  });

  test('a broken instances.yaml, each error with its path', async () => {
    const file = profilesFile(
      'default: standard\nprofiles:\n  standard:\n    types: []\n    image: 7\n    disk: { category: cloud_essd, sizeGiB: many }\n',
    );
    const { log, failureReason } = await failing({ GITLAB_SPOT_PROFILES_FILE: file });
    expect(failureReason).toBe('runner_system_failure');
    for (const where of ['profiles.standard.types', 'profiles.standard.image', 'profiles.standard.disk.sizeGiB'])
      expect(log).toContain(where);
  });

  test('an image without docker is the job’s fault or its page’s, and costs one instance', async () => {
    const launches = async () =>
      (await world.sandbox.control.calls()).filter(({ action }) => action === 'RunInstances').length;
    const before = await launches();
    const { log, failureReason } = await failing({}, 'image: ruby:3');
    expect(failureReason).toBe('script_failure');
    expect(log.match(/its instance has no docker/g)).toHaveLength(1);
    expect((await launches()) - before).toBe(1);
  });

  test('missing credentials', async () => {
    const { log, failureReason } = await failing({ ALICLOUD_ACCESS_KEY: undefined, ALICLOUD_SECRET_KEY: undefined });
    expect(failureReason).toBe('runner_system_failure');
    expect(log).toContain('ALICLOUD_ACCESS_KEY');
    expect(log).toContain('ALICLOUD_SECRET_KEY');
  });

  test('a wrong signature', async () => {
    const { log } = await failing({ ALICLOUD_SECRET_KEY: 'wrong' });
    expect(log).toContain('SignatureDoesNotMatch');
  });

  test('no pulumi on PATH', async () => {
    const bin = path.join(directory, 'bin');
    const node = path.dirname(process.execPath);
    const job = await world.job('echo never', {
      environment: { PATH: `${bin}:${node}:/usr/bin:/bin`, GITLAB_SPOT_CLEANUP: 'wait' },
    });
    expect(readable(job.log)).toContain('There is no `pulumi` on PATH');
    expect(job.failureReason).toBe('runner_system_failure');
    // Where prepare can't tell whether a stack was begun, its record waits for a reap on a host
    // that has pulumi again.
    expect(await world.gitlabSpot(['reap', '--grace', '0s', '--yes'])).toMatchObject({ exitCode: 0 });
    await world.nothingLeft();
  });

  test('a region without stock', async () => {
    // In a world of its own: what the market was is remembered for a minute.
    const empty = await World.start();
    try {
      await empty.sandbox.control.setPool({}, { stock: 'WithoutStock' });
      const job = await empty.job('echo never');
      expect(job.failureReason).toBe('runner_system_failure');
      expect(readable(job.log)).toMatch(
        /No pool is available now for profile standard: ecs\.[\w.-]+ in cn-hangzhou-\w \(spot\): no stock/,
      );
      await empty.nothingLeft();
    } finally {
      await empty.close();
    }
  });

  test.each([
    ['balance', 'InvalidAccountStatus.NotEnoughBalance', /not enough balance.*top the account up/i],
    ['quota', 'QuotaExceed.AfterpayInstance', /quota/i],
  ])('what no other pool mends (%s) stops at once', async (_title, code, sentence) => {
    await world.sandbox.control.inject({ action: 'RunInstances', error: { status: 400, code, message: 'injected' } });
    const { log } = await failing({});
    expect(log).toMatch(sentence);
    const launches = (await world.sandbox.control.calls()).filter(
      ({ action, code: answered }) => action === 'RunInstances' && answered === code,
    );
    // Once in each of the runner's three attempts at prepare.
    expect(launches).toHaveLength(3);
  });

  test('an env file that others may read', async () => {
    const file = path.join(directory, 'env');
    writeFileSync(file, 'ALICLOUD_SECRET_KEY=x\n');
    chmodSync(file, 0o644);
    const { log } = await failing({ GITLAB_SPOT_ENV_FILE: file });
    expect(log).toContain(file);
    expect(log).toMatch(/0600|chmod/);
  });
});

describe('placement under way', () => {
  test('goes on to the next pool in the same prepare when the first has no stock, and says so', async () => {
    await world.sandbox.control.inject({
      action: 'RunInstances',
      error: { status: 403, code: 'OperationDenied.NoStock', message: 'sold out' },
      times: 2,
    });
    const job = await world.job('echo placed');
    expect(job).toMatchObject({ state: 'success' });
    expect(readable(job.log).match(/out of stock/g)!.length).toBeGreaterThanOrEqual(2);
    await world.nothingLeft();
  });

  test('an instance that vanishes while Pending is known within 15 s, and the next pool is taken', async () => {
    await world.sandbox.control.inject({ action: 'RunInstances', vanishWhilePending: true, times: 1 });
    const job = await world.job('echo placed');
    expect(job.state).toBe('success');
    expect(readable(job.log)).toContain('VanishedWhilePending');
    expect(job.durationMs).toBeLessThan(45_000);
    await world.nothingLeft();
  });
});
