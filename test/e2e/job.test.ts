import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { programOn } from '../../sandbox/start';
import { readable, World } from '../support/world';

/** One job through the built hooks, in the sandbox: what its author and the platform team see of it. */
jest.setTimeout(120_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());
afterEach(async () => {
  await world.sandbox.control.clearFaults();
});

describe('a job', () => {
  test('runs on an instance of its own, shows its output and what it cost, and leaves nothing', async () => {
    const job = await world.job(['echo "hello from $CI_JOB_NAME"', 'test -f .gitlab-ci.yml']);
    const log = readable(job.log);
    expect(job).toMatchObject({ state: 'success', attempts: 1 });
    expect(log).toContain('hello from job');
    expect(log).toMatch(/Ready after .*: i-\w+ \(ecs\.[\w.-]+\) at 127\.\d+\.\d+\.\d+/);
    expect(log.match(/^Cost: .* on ecs\.[\w.-]+ at [\d.]+ yuan\/h: 0\.\d+ yuan/gm)).toHaveLength(1);
    await world.nothingLeft();
  });

  test('fails with its own exit code, also with 255, which ssh uses for failures of its own', async () => {
    const job = await world.job('exit 255');
    expect(job).toMatchObject({ state: 'failed', failureReason: 'script_failure', exitCode: 255 });
  });

  test("which reads standard input, leaves a process behind and ends without a newline, ends at once, and knows no secret of the runner's host", async () => {
    const job = await world.job([
      'env; cat /proc/self/environ | tr "\\0" "\\n"',
      'cat',
      '(sleep 300 &) ; printf "no newline at the end"',
    ]);
    const { ALICLOUD_SECRET_KEY, ALICLOUD_ACCESS_KEY } = world.sandbox.environment;
    expect(job.state).toBe('success');
    expect(readable(job.log)).toContain('no newline at the end');
    expect(job.durationMs).toBeLessThan(60_000);
    expect(job.log).not.toContain(ALICLOUD_SECRET_KEY);
    expect(job.log).not.toContain(ALICLOUD_ACCESS_KEY);
    expect(job.log).not.toMatch(/PULUMI_CONFIG_PASSPHRASE/);
  });
});

test('the sample pipeline goes from gradle by docker to kubectl, each job on a machine of its profile', async () => {
  // Instances see nothing of this machine's temporary folder, but share one for caches.
  const tools = mkdtempSync(path.join(world.sandbox.directory, 'cache', 'tools-'));
  const tool = (name: string, script = '') =>
    writeFileSync(path.join(tools, name), `#!/bin/sh\necho "${name} $*"\n${script}`, { mode: 0o755 });
  tool('java');
  tool('gradle', '[ "$1" != build ] || { mkdir -p build/libs && touch build/libs/app.jar; }\n');
  tool('docker', 'case $1 in login) grep -qx pass ;; build) test -f build/libs/app.jar ;; esac\n');
  tool('kubectl');
  // The stand-in, or the real one where the sandbox has that.
  const runner = programOn(world.environment().PATH ?? '', 'gitlab-runner')!;
  symlinkSync(realpathSync(runner), path.join(tools, 'gitlab-runner'));
  try {
    const { jobs } = await world.pipeline(
      readFileSync(path.resolve(__dirname, '../../deploy/gitlab-ci.sample.yml'), 'utf8'),
      {
        files: { Dockerfile: 'FROM scratch\n', 'gradle/wrapper/gradle-wrapper.properties': '' },
        variables: {
          PATH: `${tools}:/usr/local/bin:/usr/bin:/bin`,
          CI_REGISTRY: 'registry.example.com',
          CI_REGISTRY_IMAGE: 'registry.example.com/team/app',
          CI_REGISTRY_USER: 'ci',
          CI_REGISTRY_PASSWORD: 'pass',
        },
      },
    );
    expect(jobs.map(({ name, state }) => `${name}: ${state}`)).toEqual([
      'build: success',
      'container: success',
      'deploy: success',
    ]);
    const [build, container, deploy] = jobs.map(({ log }) => readable(log));
    expect(build).toContain('gradle build');
    expect(container).toMatch(/docker push registry\.example\.com\/team\/app:[0-9a-f]{8}\n[\s\S]*docker logout/);
    expect(deploy).toMatch(/Profile small[\s\S]*kubectl set image deployment\/app app=registry\.example\.com/);
  } finally {
    rmSync(tools, { recursive: true });
  }
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
    // Where prepare can't tell whether a stack was begun, its record waits for a reap on a host that has pulumi again.
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
