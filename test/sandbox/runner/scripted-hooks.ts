/** Hooks written in sh, and a job run with them: what the custom executor's hooks get to see. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runJob, type JobOutcome } from '../../../sandbox/runner/driver/job-run';
import { JobControl } from '../../../sandbox/runner/driver/job-control';
import type { JobPayload } from '../../../sandbox/runner/payload';
import { runnerVersion, type RunnerVersionName } from '../../../sandbox/runner/versions';

export interface HookRun {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly script?: string;
  exit?: { code: number; stopped: boolean };
}

export interface ScriptedJob {
  readonly outcome: JobOutcome;
  readonly hooks: readonly HookRun[];
  readonly log: string;
  readonly cleanupLog: string;
  readonly slept: readonly number[];
}

export interface ScriptedOptions {
  /** sh text of each hook; `$1` of run is the script, `$2` the stage. */
  readonly config?: string;
  readonly prepare?: string;
  readonly run?: string;
  readonly cleanup?: string;
  readonly version?: RunnerVersionName;
  readonly environment?: Readonly<Record<string, string>>;
  /** In place of the sh text. */
  readonly prepareCommand?: readonly string[];
  readonly onHook?: (hook: HookRun, control: JobControl) => unknown;
  readonly gracefulKillMs?: number;
}

export const ANSWER = JSON.stringify({
  builds_dir: '/builds',
  cache_dir: '/cache',
  hostname: 'spot-instance',
  driver: { name: 'gitlab-spot', version: 'recording' },
  job_env: { SPOT_FROM_CONFIG: '1' },
});

export async function runScripted(payload: JobPayload, options: ScriptedOptions = {}): Promise<ScriptedJob> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'runner-test-'));
  const hook = async (name: string, text: string) => {
    const file = path.join(folder, name);
    await writeFile(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return [file];
  };
  const hooks: HookRun[] = [];
  const slept: number[] = [];
  const control = new JobControl();
  let log = '';
  let cleanupLog = '';
  let running: HookRun | undefined;
  try {
    const outcome = await runJob(payload, {
      hooks: {
        config: await hook('config', options.config ?? `echo '${ANSWER}'`),
        prepare: options.prepareCommand ?? (await hook('prepare', options.prepare ?? 'echo preparing')),
        run: await hook('run', options.run ?? 'exit 0'),
        cleanup: await hook('cleanup', options.cleanup ?? 'exit 0'),
      },
      environment: { PATH: process.env['PATH'], TMPDIR: folder, HOME: folder, ...options.environment },
      version: runnerVersion(options.version ?? '19.3'),
      limits: {
        configMs: 60_000,
        prepareMs: 60_000,
        cleanupMs: 60_000,
        gracefulKillMs: options.gracefulKillMs ?? 60_000,
        forceKillMs: 60_000,
        retryPauseMs: 3000,
      },
      identity: { name: 'recorder', shortToken: 'recorded0', systemId: 's_0123456789ab' },
      slot: { concurrentId: 0, concurrentProjectId: 0 },
      control,
      clock: { now: () => 1795526738000, sleep: async (ms) => void slept.push(ms) },
      log: (text) => {
        log += text;
        if (running) options.onHook?.(running, control);
      },
      cleanupOutput: (text) => (cleanupLog += text),
      observe: (event) => {
        if (event.phase === 'start') {
          const script = event.scriptFile ? readFileSync(event.scriptFile, 'utf8') : undefined;
          running = { name: event.hook, env: event.env, ...(script === undefined ? {} : { script }) };
          hooks.push(running);
        } else if (running) {
          running.exit = { code: event.exit.code, stopped: event.exit.stopped };
          running = undefined;
        }
      },
    });
    return { outcome, hooks, log, cleanupLog, slept };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
