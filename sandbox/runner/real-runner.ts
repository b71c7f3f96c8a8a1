/** A real gitlab-runner, registered by hand with the sandbox's GitLab and given the same hooks. */
import { spawn } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunnerOptions } from './types';

export interface RealRunnerOptions extends Pick<RunnerOptions, 'hooks' | 'environment' | 'concurrency'> {
  /** The executable. */
  readonly program: string;
  readonly gitlabUrl: string;
  readonly token: string;
  /** For its configuration and log; made where missing. */
  readonly directory: string;
  readonly gracefulKillSeconds: number;
  /** Of the runner in config.toml: it asks so many times a second. Left out: as `register` has it. */
  readonly sections?: number;
}

export interface RunningRunner {
  /** Resolves when it has ended; it finishes the jobs that it has. */
  close(): Promise<void>;
}

const FORCE_KILL_SECONDS = 10;
/** As `gitlab-spot register` writes them. */
const SECTIONS = 5;
const REQUEST_CONCURRENCY = 4;
const CLOSE_LIMIT_MS = 60_000;

/** TOML's basic strings are JSON's. */
const toml = (value: unknown) => JSON.stringify(value);

export function runnerConfiguration(options: Omit<RealRunnerOptions, 'program' | 'environment'>): string {
  const hooks = Object.entries(options.hooks).flatMap(([name, [file = '', ...args]]) => [
    `    ${name}_exec = ${toml(file)}`,
    `    ${name}_args = ${toml(args)}`,
  ]);
  const section = (index: number) => [
    '[[runners]]',
    `  name = "sandbox${index === 0 ? '' : ` (${index + 1})`}"`,
    `  url = ${toml(options.gitlabUrl)}`,
    `  clone_url = ${toml(options.gitlabUrl)}`,
    '  id = 1',
    `  token = ${toml(options.token)}`,
    '  executor = "custom"',
    '  shell = "bash"',
    `  limit = ${options.concurrency}`,
    `  request_concurrency = ${Math.min(options.concurrency, REQUEST_CONCURRENCY)}`,
    '  [runners.custom]',
    ...hooks,
    `    graceful_kill_timeout = ${options.gracefulKillSeconds}`,
    `    force_kill_timeout = ${FORCE_KILL_SECONDS}`,
    '  [runners.custom_build_dir]',
    '    enabled = true',
    '',
  ];
  return [
    `concurrent = ${options.concurrency}`,
    'check_interval = 1',
    'shutdown_timeout = 30',
    '',
    ...Array.from({ length: options.sections ?? SECTIONS }, (_, index) => section(index)).flat(),
  ].join('\n');
}

export async function startRealRunner(options: RealRunnerOptions): Promise<RunningRunner> {
  const { directory, program, environment } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const config = path.join(directory, 'config.toml');
  await writeFile(config, runnerConfiguration(options), { mode: 0o600 });
  const log = await open(path.join(directory, 'runner.log'), 'a', 0o600);
  const child = spawn(program, ['run', '--config', config, '--working-directory', directory], {
    env: environment as NodeJS.ProcessEnv,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  await log.close();
  return {
    close: async () => {
      child.kill('SIGQUIT');
      await Promise.race([ended, sleep(CLOSE_LIMIT_MS, undefined, { ref: false })]);
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}
