import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { trySlot } from '../../src/host/queue';
import { hookProcesses, type Job } from '../support/hook-processes';
import { World } from '../support/world';

let world: World;
beforeAll(
  async () => (world = await World.start({ providerSleeps: 'create=1500,delete=50,network=20,poll=50,retry=50' })),
);
afterAll(() => world.close());

const { newJob, start, stackOf, jobDirectory, recordOf, until, cleanUp, programOf, cliRuns, instanceOf } =
  hookProcesses(() => world);

describe('SIGTERM to the process group of prepare leaves nothing that cleanup does not find', () => {
  test.each<[string, (job: Job) => boolean | Promise<boolean>]>([
    ['before anything was made', (job) => readdirSync(path.dirname(path.dirname(jobDirectory(job)))).length > 0],
    ['when the intent is recorded', (job) => readFileSync(path.join(jobDirectory(job), 'record.json')).length > 0],
    ['when the engine starts', cliRuns],
  ])(
    '%s',
    async (_moment, reached) => {
      const job = newJob();
      const prepare = start('prepare', job);
      await until('the moment', async () => {
        try {
          return await reached(job);
        } catch {
          return false;
        }
      });
      process.kill(-prepare.child.pid!, 'SIGTERM');
      const code = await prepare.ended;
      expect(code === 2 || code === null).toBe(true);
      await cleanUp(job);
    },
    90_000,
  );

  test('while the instance is being created, and the engine has come to rest, with the instance in its state, before the hook ends', async () => {
    const job = newJob();
    const prepare = start('prepare', job);
    await until('an instance', async () => (await instanceOf(job)) !== undefined);
    process.kill(-prepare.child.pid!, 'SIGTERM');
    expect(await prepare.ended).toBe(2);
    expect(prepare.output()).toContain('Cancelled while the instance was being created');
    const state = path.join(world.sandbox.directory, 'backend/.pulumi/stacks/gitlab-spot', `${stackOf(job)}.json`);
    expect(readFileSync(state, 'utf8')).toContain((await instanceOf(job))!.instanceId);
    expect(readdirSync(path.join(jobDirectory(job), 'pulumi'))).not.toContain('cli.json');
    await cleanUp(job);
  }, 90_000);
});

describe('prepare', () => {
  test('keeps the job’s variables and its private key out of its child processes, state and log', async () => {
    const job = newJob();
    const prepare = start('prepare', job);
    await until('the CLI', () => {
      try {
        const [up, cli] = ['up', 'cli'].map((name) => {
          const text = readFileSync(path.join(jobDirectory(job), `pulumi/${name}.json`), 'utf8');
          const { pid } = JSON.parse(text) as { pid: number };
          const [environment, argv] = ['environ', 'cmdline'].map((file) =>
            readFileSync(`/proc/${pid}/${file}`, 'utf8'),
          );
          expect(environment + argv!).not.toMatch(/hunter2|CUSTOM_ENV_|PRIVATE KEY/);
          return environment!;
        });
        return up!.includes('GITLAB_SPOT_STATE_DIR') && cli!.includes('PULUMI_BACKEND_URL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined && !(error instanceof SyntaxError)) throw error;
        return false;
      }
    });
    expect(await prepare.ended).toBe(0);
    const key = readFileSync(path.join(jobDirectory(job), 'id_ed25519'), 'utf8').split('\n')[2]!;
    const state = readFileSync(
      path.join(world.sandbox.directory, 'backend/.pulumi/stacks/gitlab-spot', `${stackOf(job)}.json`),
      'utf8',
    );
    for (const text of [state, prepare.output()]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain('hunter2');
      expect(text).not.toContain('OPENSSH PRIVATE KEY');
    }
    await cleanUp(job);
  }, 90_000);

  test('waits for a slot behind others as a shell, says so, and can be cancelled meanwhile', async () => {
    const queue = path.join(world.sandbox.directory, 'state', 'slots', 'up');
    const held = trySlot({ directory: queue, slots: 1 })!;
    // As config hands it on.
    const settings = { GITLAB_SPOT_CONCURRENT_UPS: '1', GITLAB_SPOT_UP_QUEUE: queue, GITLAB_SPOT_UP_SLOTS: '1' };
    const jobs = [1, 2, 3].map(() => newJob(settings));
    const hooks: ReturnType<typeof start>[] = [];
    for (const [index, job] of jobs.entries()) {
      hooks.push(start('prepare', job));
      await until('its line', () => hooks[index]!.output().includes('Waiting for a slot: '));
    }
    const programs = () => hooks.map(({ child }) => programOf(child.pid!));
    await until('one in node', () => isDeepStrictEqual(programs(), ['prepare.js', 'prepare', 'prepare']));
    for (const [index, ahead] of [
      [1, 2],
      [0, 1],
    ] as const) {
      process.kill(-hooks[index]!.child.pid!, 'SIGTERM');
      expect(await hooks[index]!.ended).toBe(2);
      expect(hooks[index]!.output().replaceAll('\u001b[0K', '')).toMatch(
        new RegExp(
          `^section_start:.*\n.*Waiting for a slot: this host creates 1 .*GITLAB_SPOT_CONCURRENT_UPS.*; jobs before this one: ${ahead}; .*\nsection_end:.*ERROR: Cancelled by the runner \\(SIGTERM\\).*\n$`,
          's',
        ),
      );
      expect(recordOf(jobs[index]!)).toMatchObject({ phase: 'preparing', cutOff: true });
    }
    await until('the last in node', () => programOf(hooks[2]!.child.pid!) === 'prepare.js');
    held.release();
    expect(await hooks[2]!.ended).toBe(0);
    expect(
      hooks[2]!.output().match(/section_start|section_end|Waiting for a slot|Got a slot after|Ready after/g),
    ).toEqual(['section_start', 'Waiting for a slot', 'Got a slot after', 'Ready after', 'section_end']);
    expect(readdirSync(queue).filter((name) => !name.startsWith('turns.'))).toEqual([]);
    for (const job of jobs) expect(await start('cleanup', job).ended).toBe(0);
    await world.nothingLeft(60_000);
  }, 120_000);
});
