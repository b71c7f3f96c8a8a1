import { readable, World } from '../support/world';

/**
 * One job through the built hooks, in the sandbox: what its author and the platform team see of it.
 */
jest.setTimeout(120_000);

let world: World;
/** Side by side: each is one pipeline with one job. */
let jobs: Record<'plain' | 'exits255' | 'careless', ReturnType<World['job']>>;
beforeAll(async () => {
  world = await World.start();
  jobs = {
    plain: world.job(['echo "hello from $CI_JOB_NAME"', 'test -f .gitlab-ci.yml']),
    exits255: world.job('exit 255'),
    careless: world.job([
      'env; cat /proc/self/environ | tr "\\0" "\\n"',
      'cat',
      '(sleep 300 &) ; printf "no newline at the end"',
    ]),
  };
  await Promise.all(Object.values(jobs));
});
afterAll(() => world.close());

describe('a job', () => {
  test('runs on an instance of its own, shows its output and what it cost, and leaves nothing', async () => {
    const job = await jobs.plain;
    const log = readable(job.log);
    expect(job).toMatchObject({ state: 'success', attempts: 1 });
    expect(log).toContain('hello from job');
    expect(log).toMatch(/Ready after .*: i-\w+ \(ecs\.[\w.-]+\) at 127\.\d+\.\d+\.\d+/);
    expect(log.match(/^Cost: .* on ecs\.[\w.-]+ at [\d.]+ yuan\/h: 0\.\d+ yuan/gm)).toHaveLength(1);
    expect(log).toMatch(/^Used, as the instance says: peak [\d.]+ of \d+ GiB, CPU \d+ % of \d+, disk \d+ of 40 GiB$/m);
    await world.nothingLeft();
  });

  test('fails with its own exit code, also with 255, which ssh uses for failures of its own', async () => {
    const job = await jobs.exits255;
    expect(job).toMatchObject({ state: 'failed', failureReason: 'script_failure', exitCode: 255 });
  });

  test("which reads standard input, leaves a process behind and ends without a newline, ends at once, and knows no secret of the runner's host", async () => {
    const job = await jobs.careless;
    const { ALICLOUD_SECRET_KEY, ALICLOUD_ACCESS_KEY } = world.sandbox.environment;
    expect(job.state).toBe('success');
    expect(readable(job.log)).toContain('no newline at the end');
    expect(job.durationMs).toBeLessThan(60_000);
    expect(job.log).not.toContain(ALICLOUD_SECRET_KEY);
    expect(job.log).not.toContain(ALICLOUD_ACCESS_KEY);
    expect(job.log).not.toMatch(/PULUMI_CONFIG_PASSPHRASE/);
  });
});
