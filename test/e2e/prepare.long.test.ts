import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hookProcesses } from '../support/hook-processes';
import { World } from '../support/world';

let world: World;
beforeAll(
  async () => (world = await World.start({ providerSleeps: 'create=1500,delete=50,network=20,poll=50,retry=50' })),
);
afterAll(() => world.close());

const { newJob, start, stackOf, jobDirectory, until, cleanUp, instanceOf } = hookProcesses(() => world);

describe('prepare', () => {
  test('survives that its hook is killed: the next cleanup ends the engine and finds the instance', async () => {
    const job = newJob();
    const prepare = start('prepare', job);
    await until('an instance', async () => (await instanceOf(job)) !== undefined);
    process.kill(-prepare.child.pid!, 'SIGKILL');
    await prepare.ended;
    await cleanUp(job);
  }, 120_000);

  test('lets a failed job keep its instance where the profile allows it', async () => {
    const page = readFileSync(path.resolve(__dirname, '../../stacks/instances.yaml'), 'utf8');
    const file = path.join(world.sandbox.directory, 'keep.yaml');
    writeFileSync(file, page.replace(/^ {2}standard:\n/m, '  standard:\n    debugKeepMax: 1h\n'));
    const job = newJob({ GITLAB_SPOT_PROFILES_FILE: file, CUSTOM_ENV_SPOT_DEBUG_KEEP: '30m' });
    const prepare = start('prepare', job);
    expect(await prepare.ended).toBe(0);
    expect(prepare.output()).toContain('If the job fails, its instance stays for 30 min 00 s (SPOT_DEBUG_KEEP)');
    job.environment.CUSTOM_ENV_CI_JOB_STATUS = 'failed';
    expect(await start('cleanup', job).ended).toBe(0);
    const record = JSON.parse(readFileSync(path.join(jobDirectory(job), 'record.json'), 'utf8')) as {
      notBefore: string;
    };
    expect(Date.parse(record.notBefore) - Date.now()).toBeGreaterThan(25 * 60_000);
    expect(await instanceOf(job)).toBeDefined();
    const ssh = await world.gitlabSpot(['ssh', job.environment.CUSTOM_ENV_CI_JOB_ID!, 'echo', 'here']);
    expect(ssh).toMatchObject({ exitCode: 0, stdout: 'here\n' });
    const { exitCode, stderr } = await world.gitlabSpot(['jobs', 'rm', stackOf(job)]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining('destroyed') });
    await world.nothingLeft();
  }, 90_000);
});
