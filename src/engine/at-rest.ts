import { setTimeout as sleep } from 'node:timers/promises';
import { livenessOf, type ProcessOwner } from '../host/process-owner';
import { kill, killPlugins, runningCli } from './cli';
import type { DestroyOptions } from './types';
import { runningUp } from './up-marker';

/** How long each part of it is waited for, milliseconds. */
export interface RestLimits {
  /**
   * An `up` that prepare left behind only waits for the provider's fixed sleep of 10 s. Stopped
   * during that, it would leave a pending operation and a state without the instance.
   */
  readonly upMs: number;
  /**
   * A CLI whose hook was killed may be in the middle of a creation: it gets this long to end in
   * order, and then once more without its plugins.
   */
  readonly cliMs: number;
  readonly lookMs: number;
}

const LIMITS: RestLimits = { upMs: 30_000, cliMs: 20_000, lookMs: 200 };

/**
 * Waits for, or ends, every process that works on the stack of that work dir: first by itself, then
 * by a signal, at last by force.
 */
export async function bringToRest(directory: string, options: DestroyOptions, limits = LIMITS): Promise<void> {
  const up = runningUp(directory);
  if (up) await endUp(up, options, limits);
  await endCli(directory, options, limits);
  // Without its CLI it ends by itself.
  if (up && !(await hasEnded(up, limits.cliMs, options, limits))) kill(up.pid, 'SIGKILL');
}

async function endUp(up: ProcessOwner, options: DestroyOptions, limits: RestLimits): Promise<void> {
  options.log(`Waiting for the \`up\` of this stack (pid ${up.pid}) to end (limit ${limits.upMs / 1000} s)`);
  if (await hasEnded(up, limits.upMs, options, limits)) return;
  // It tells its CLI, and waits for that.
  kill(up.pid, 'SIGTERM');
  await hasEnded(up, limits.cliMs, options, limits);
}

/**
 * The CLI of a process that was killed: told to end, and then made to. What it created meanwhile is
 * found by its tag.
 */
async function endCli(directory: string, options: DestroyOptions, limits: RestLimits): Promise<void> {
  const owner = runningCli(directory);
  if (!owner) return;
  const ended = (): Promise<boolean> => hasEnded(owner, limits.cliMs, options, limits);
  options.log(`Waiting for pulumi (pid ${owner.pid}) of a hook that was killed (limit ${(2 * limits.cliMs) / 1000} s)`);
  kill(owner.pid, 'SIGTERM');
  if (await ended()) return killPlugins(owner.pid);
  killPlugins(owner.pid);
  if (await ended()) return;
  kill(owner.pid, 'SIGKILL');
  await ended();
  killPlugins(owner.pid);
}

async function hasEnded(
  owner: ProcessOwner,
  limitMs: number,
  { signal }: DestroyOptions,
  { lookMs }: RestLimits,
): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += lookMs) {
    if (livenessOf(owner) !== 'alive') return true;
    await sleep(lookMs, undefined, { signal });
  }
  return livenessOf(owner) !== 'alive';
}
