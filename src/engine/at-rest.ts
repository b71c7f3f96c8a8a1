import { setTimeout as sleep } from 'node:timers/promises';
import { livenessOf, type ProcessOwner } from '../host/process-owner';
import { kill, killPlugins, runningCli } from './cli';
import type { DestroyOptions } from './types';
import { runningUp } from './up-marker';

/**
 * An `up` that its prepare has left only waits for the provider's sleep of 10 s: ended in it, it
 * would leave a note of a creation under way, and a state without its instance.
 */
const UP_LIMIT_MS = 30_000;
/**
 * A CLI whose hook was killed may be in the middle of a creation: it gets this long to end in
 * order, and then once more without its plugins.
 */
const CLI_REST_MS = 20_000;

/** Whatever still works on the stack of that work dir ends: by itself, in order, or by force. */
export async function bringToRest(directory: string, options: DestroyOptions): Promise<void> {
  const up = runningUp(directory);
  if (up) await endUp(up, options);
  await endCli(directory, options);
  // Without its CLI it ends by itself.
  if (up && !(await hasEnded(up, CLI_REST_MS, options))) kill(up.pid, 'SIGKILL');
}

async function endUp(up: ProcessOwner, options: DestroyOptions): Promise<void> {
  options.log(`Waiting for the \`up\` of this stack (pid ${up.pid}) to end (limit ${UP_LIMIT_MS / 1000} s)`);
  if (await hasEnded(up, UP_LIMIT_MS, options)) return;
  // It tells its CLI, and waits for that.
  kill(up.pid, 'SIGTERM');
  await hasEnded(up, CLI_REST_MS, options);
}

/**
 * The CLI of a process that was killed: told to end, and then made to. What it created meanwhile is
 * found by its tag.
 */
async function endCli(directory: string, options: DestroyOptions): Promise<void> {
  const owner = runningCli(directory);
  if (!owner) return;
  options.log(`Waiting for pulumi (pid ${owner.pid}) of a hook that was killed (limit ${(2 * CLI_REST_MS) / 1000} s)`);
  kill(owner.pid, 'SIGTERM');
  if (await hasEnded(owner, CLI_REST_MS, options)) return killPlugins(owner.pid);
  killPlugins(owner.pid);
  if (await hasEnded(owner, CLI_REST_MS, options)) return;
  kill(owner.pid, 'SIGKILL');
  await hasEnded(owner, CLI_REST_MS, options);
  killPlugins(owner.pid);
}

async function hasEnded(owner: ProcessOwner, limitMs: number, { signal }: DestroyOptions): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += 200) {
    if (livenessOf(owner) !== 'alive') return true;
    await sleep(200, undefined, { signal });
  }
  return livenessOf(owner) !== 'alive';
}
