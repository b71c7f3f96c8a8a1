import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { builtHooks } from '../../sandbox/start';
import { trySlot } from '../../src/host/queue';
import { jobEnv } from '../support/job-env';
import { World } from '../support/world';

/**
 * The hooks as a runner starts them, each in a process group of its own, without the runner
 * between.
 */
let world: World;
beforeAll(
  async () => (world = await World.start({ providerSleeps: 'create=1500,delete=50,network=20,poll=50,retry=50' })),
);
afterAll(() => world.close());

let jobId = 7000;
interface Job {
  readonly environment: Record<string, string | undefined>;
}

function newJob(change: Record<string, string> = {}): Job {
  const tmpDir = path.join(world.sandbox.directory, `tmp-${++jobId}`);
  mkdirSync(tmpDir, { recursive: true });
  return {
    environment: world.environment({
      CUSTOM_ENV_CI_JOB_ID: String(jobId),
      CUSTOM_ENV_CI_SERVER_URL: 'https://gitlab.example.com',
      CUSTOM_ENV_CI_JOB_NAME: 'build',
      CUSTOM_ENV_CI_PROJECT_PATH: 'root/demo',
      CUSTOM_ENV_CI_COMMIT_REF_NAME: 'main',
      CUSTOM_ENV_CI_JOB_TIMEOUT: '3600',
      CUSTOM_ENV_TOP_SECRET: 'hunter2',
      BUILD_FAILURE_EXIT_CODE: '1',
      SYSTEM_FAILURE_EXIT_CODE: '2',
      ...jobEnv({ jobId }),
      TMPDIR: tmpDir,
      ...change,
    }),
  };
}

function start(
  hook: 'prepare' | 'cleanup',
  { environment }: Job,
): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
  const [program = '', ...args] = builtHooks()[hook];
  const child = spawn(program, args, {
    env: environment as NodeJS.ProcessEnv,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout!.on('data', (chunk) => (text += chunk));
  child.stderr!.on('data', (chunk) => (text += chunk));
  return { child, output: () => text, ended: once(child, 'close').then(([code]) => code as number | null) };
}

const stackOf = ({ environment }: Job): string => `job-gitlab.example.com-${environment.CUSTOM_ENV_CI_JOB_ID}-1`;
const jobDirectory = (job: Job): string => path.join(job.environment.GITLAB_SPOT_STATE_DIR!, 'jobs', stackOf(job));

const recordOf = (job: Job): unknown => JSON.parse(readFileSync(path.join(jobDirectory(job), 'record.json'), 'utf8'));

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 40 s: ${what}`);
    await sleep(20);
  }
}

async function cleanUp(job: Job): Promise<void> {
  expect(await start('cleanup', job).ended).toBe(0);
  await world.nothingLeft(60_000);
}

/** The script that a shell runs, or node's. */
const programOf = (pid: number): string =>
  path.basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] ?? '');
const cliRuns = (job: Job) => readdirSync(path.join(jobDirectory(job), 'pulumi')).some((name) => name === 'up.out');
const instanceOf = async (job: Job) =>
  (await world.sandbox.control.leftovers()).instances.find(({ tags }) => tags['gitlab-spot/stack'] === stackOf(job));

describe('SIGTERM to the process group of prepare leaves nothing that cleanup does not find', () => {
  test.each<[string, (job: Job) => boolean | Promise<boolean>]>([
    ['before anything was made', (job) => readdirSync(path.dirname(path.dirname(jobDirectory(job)))).length > 0],
    ['when the intent is recorded', (job) => readFileSync(path.join(jobDirectory(job), 'record.json')).length > 0],
    ['when the engine starts', cliRuns],
    ['while the instance is being created', async (job) => (await instanceOf(job)) !== undefined],
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

  test('and the engine has come to rest, with the instance in its state, before the hook ends', async () => {
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
        const { pid } = JSON.parse(readFileSync(path.join(jobDirectory(job), 'pulumi/cli.json'), 'utf8')) as {
          pid: number;
        };
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        expect(environment).not.toContain('hunter2');
        expect(environment).not.toContain('CUSTOM_ENV_');
        return environment.includes('PULUMI_BACKEND_URL');
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

  test('survives that its hook is killed: the next cleanup ends the engine and finds the instance', async () => {
    const job = newJob();
    const prepare = start('prepare', job);
    await until('an instance', async () => (await instanceOf(job)) !== undefined);
    process.kill(-prepare.child.pid!, 'SIGKILL');
    await prepare.ended;
    await cleanUp(job);
  }, 120_000);

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
