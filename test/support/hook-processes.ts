import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtHooks } from '../../sandbox/start';
import { jobEnv } from './job-env';
import type { World } from './world';

/** What a hook of the job is started with. */
export interface Job {
  readonly environment: Record<string, string | undefined>;
}

/**
 * The hooks as a runner starts them, each in a process group of its own, without the runner
 * between.
 */
export function hookProcesses(world: () => World) {
  let jobId = 7000;

  function newJob(change: Record<string, string> = {}): Job {
    const tmpDir = path.join(world().sandbox.directory, `tmp-${++jobId}`);
    mkdirSync(tmpDir, { recursive: true });
    return {
      environment: world().environment({
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
    await world().nothingLeft(60_000);
  }

  /** The script that a shell runs, or node's. */
  const programOf = (pid: number): string =>
    path.basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] ?? '');
  const cliRuns = (job: Job) => readdirSync(path.join(jobDirectory(job), 'pulumi')).some((name) => name === 'up.out');
  const instanceOf = async (job: Job) =>
    (await world().sandbox.control.leftovers()).instances.find(
      ({ tags }) => tags['gitlab-spot/stack'] === stackOf(job),
    );

  return { newJob, start, stackOf, jobDirectory, recordOf, until, cleanUp, programOf, cliRuns, instanceOf };
}
