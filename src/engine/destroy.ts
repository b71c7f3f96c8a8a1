import { rmdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cloud } from '../cloud/types';
import { livenessOf } from '../host/process-owner';
import { kill, killPlugins, runningCli, type CliResult, type PulumiCli } from './cli';
import { failureOf } from './diagnostics';
import { isStale, locksIn } from './locks';
import { deleteInstances, deleteLeftovers } from './sweep';
import type { Destroyed, DestroyOptions } from './types';
import { backendDirectory, ensureWorkDir, PROJECT } from './workspace';

export interface DestroyDependencies {
  readonly cli: PulumiCli;
  readonly cloud: Cloud;
  /** The job's work dir; an empty one does as well. */
  readonly directory: string;
  readonly backendUrl: string;
}

/** A CLI whose hook was killed may be in the middle of a creation: it gets this long to end in order, and then once more without its plugins. */
const CLI_REST_MS = 20_000;

/** @see Engine.destroy */
export async function destroy(
  stackName: string,
  options: DestroyOptions,
  dependencies: DestroyDependencies,
): Promise<Destroyed> {
  const { cloud, directory, cli } = dependencies;
  ensureWorkDir(directory);
  await endRunningCli(directory, options);
  const instanceGoneAt = await deleteInstances(cloud, stackName, options);
  if (instanceGoneAt) options.onInstanceGone?.(instanceGoneAt);
  const call = (args: readonly string[]) => cli.run({ args, directory, signal: options.signal });
  if (await destroyStack(stackName, call)) await removeStack(stackName, call);
  await deleteLeftovers(cloud, stackName, options.log);
  removeEmptyFolders(stackName, dependencies.backendUrl);
  return { instanceGoneAt };
}

type Call = (args: readonly string[]) => Promise<CliResult>;

/** False: there is no such stack. Needs no program, so the CLI is called without the Automation API: 80 MB and 0.5 s less. */
async function destroyStack(stackName: string, call: Call): Promise<boolean> {
  const run = () => call(['destroy', '--yes', '--skip-preview', '--stack', stackName]);
  let result = await run();
  if (isLocked(result)) {
    const locks = locksIn(result.stderr);
    if (locks.length === 0 || !locks.every((lock) => isStale(lock, Date.now()))) throw asError('destroy', result);
    await call(['cancel', '--yes', stackName]);
    result = await run();
  }
  if (result.exitCode === 0) return true;
  if (isMissing(result)) return false;
  // Its passphrase was on a disk that is lost: nobody can read the stack any more, and all that it made is found by its tag.
  if (/incorrect passphrase/i.test(result.stderr)) return true;
  throw asError('destroy', result);
}

async function removeStack(stackName: string, call: Call): Promise<void> {
  const remove = (...flags: string[]) => call(['stack', 'rm', '--yes', ...flags, stackName]);
  // Without it a copy of the last checkpoint stays, in a backend that serves thousands of jobs.
  const flags = ['--remove-backups'];
  let result = await remove(...flags);
  // The CLI before 3.188 does not have it.
  if (/unknown flag/.test(result.stderr)) {
    flags.pop();
    result = await remove();
  }
  // Destroyed, so nothing real is left: only notes of creations that were interrupted keep the stack from going.
  if (result.exitCode !== 0 && /still has resources/.test(result.stderr)) result = await remove('--force', ...flags);
  if (result.exitCode !== 0 && !isMissing(result)) throw asError('stack rm', result);
}

/** The CLI of a hook that was killed: told to end, and then made to. What it created meanwhile is found by its tag. */
async function endRunningCli(directory: string, { log, signal }: DestroyOptions): Promise<void> {
  const owner = runningCli(directory);
  if (!owner) return;
  log(`Waiting for pulumi (pid ${owner.pid}) of a hook that was killed (limit ${(2 * CLI_REST_MS) / 1000} s)`);
  const ended = async (): Promise<boolean> => {
    for (let waitedMs = 0; waitedMs < CLI_REST_MS; waitedMs += 200) {
      if (livenessOf(owner) !== 'alive') return true;
      await sleep(200, undefined, { signal });
    }
    return false;
  };
  kill(owner.pid, 'SIGTERM');
  if (await ended()) return killPlugins(owner.pid);
  killPlugins(owner.pid);
  if (await ended()) return;
  kill(owner.pid, 'SIGKILL');
  await ended();
  killPlugins(owner.pid);
}

function isLocked(result: CliResult): boolean {
  return result.exitCode !== 0 && /the stack is currently locked by|\[409\] Conflict/.test(result.stderr);
}

function isMissing(result: CliResult): boolean {
  return result.exitCode !== 0 && /no stack named .* found/.test(result.stderr);
}

function asError(verb: string, result: CliResult): Error {
  return failureOf({ verb, diagnostics: [], ...result });
}

/** The CLI removes files, and leaves the folders that held them: one or two a job, for ever. */
function removeEmptyFolders(stackName: string, backendUrl: string): void {
  if (!backendUrl.startsWith('file://')) return;
  for (const folder of ['history', 'locks/organization', 'backups']) {
    try {
      rmdirSync(path.join(backendDirectory(backendUrl), '.pulumi', folder, PROJECT, stackName));
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}
