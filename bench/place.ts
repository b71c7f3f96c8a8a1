import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { builtFolder, runnerEnvironment, type Sandbox } from '../sandbox/start';
import { Watch, type Usage, type WatchOptions } from './processes';

/** A sandbox in which the cloud and the provider can be made slow or quick at any time. */
export interface Place {
  readonly sandbox: Sandbox;
  readonly progress: (line: string) => void;
  /** The number of the next job. */
  readonly nextId: () => number;
}

export interface Pace {
  readonly delays: Parameters<Sandbox['control']['setDelays']>[0];
  readonly providerSleeps: string;
}

/**
 * As a cloud takes it: 20 s from RunInstances to SSH, and the real provider's own fixed pauses (10
 * s after RunInstances, 10 s after the deletion).
 */
export const REALISTIC: Pace = {
  delays: { apiMs: 20, pendingMs: 2_000, startingMs: 6_000, bootMs: 12_000, stoppingMs: 4_000 },
  providerSleeps: 'create=10000,delete=10000,network=5000,poll=3000,retry=3000',
};

/** The same with 5 s from RunInstances to SSH: the instance answers before the provider has slept. */
export const BOOTS_QUICKLY: Pace = {
  delays: { ...REALISTIC.delays, pendingMs: 1_000, startingMs: 1_000, bootMs: 3_000 },
  providerSleeps: REALISTIC.providerSleeps,
};

/** A cloud that takes no time, with the real provider's pauses. */
export const PROVIDER_SLEEPS: Pace = {
  delays: { apiMs: 0, pendingMs: 0, startingMs: 0, bootMs: 0, stoppingMs: 0 },
  providerSleeps: REALISTIC.providerSleeps,
};

/** A cloud that takes no time: what is left is the executor's own. */
export const NONE: Pace = {
  delays: { apiMs: 0, pendingMs: 0, startingMs: 0, bootMs: 0, stoppingMs: 0 },
  providerSleeps: 'create=0,delete=0,network=0,poll=10,retry=10',
};

export async function setPace({ sandbox }: Place, pace: Pace): Promise<void> {
  await sandbox.control.setDelays(pace.delays);
  Object.assign(sandbox.environment, { SANDBOX_PROVIDER_SLEEPS: pace.providerSleeps });
}

/** A command, as whoever looks after the host would run it. */
export async function gitlabSpot({ sandbox }: Place, ...args: readonly string[]): Promise<void> {
  const program = path.resolve(builtFolder(), '../cli/gitlab-spot.js');
  const env = { ...(runnerEnvironment(sandbox) as NodeJS.ProcessEnv) };
  await promisify(execFile)(process.execPath, [program, ...args], { env });
}

/** What the processes of all jobs use while the work is done. */
export async function used<T>({ sandbox }: Place, work: () => Promise<T>, options?: WatchOptions): Promise<[T, Usage]> {
  // What hooks, CLI, provider and destroyer all have; our own settings are kept from the CLI.
  const marker = `PULUMI_HOME=${sandbox.environment.PULUMI_HOME}`;
  const watch = new Watch(marker, options);
  try {
    const result = await work();
    return [result, await watch.stop()];
  } finally {
    await watch.stop();
  }
}

const EMPTY_LIMIT_MS = 600_000;

/** Waits until every stack is gone, or those whose names begin so. */
export async function empty({ sandbox }: Place, prefix = ''): Promise<void> {
  const jobs = path.join(sandbox.environment.GITLAB_SPOT_STATE_DIR, 'jobs');
  for (const deadline = Date.now() + EMPTY_LIMIT_MS; ; await sleep(50)) {
    if (!readdirSync(jobs).some((name) => name.startsWith(prefix))) return;
    if (Date.now() > deadline) throw new Error(`stacks were still there after ${EMPTY_LIMIT_MS / 60_000} minutes`);
  }
}
