import { spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { queueLength } from '../host/queue';
import { makePrivate } from '../jobs/record-store';
import { inheritedEnvironment, type Variables } from '../settings/environment';
import type { Settings } from '../settings/types';
import { destroyerQueue } from '../host/slots';

const LOG_LIMIT_BYTES = 1024 * 1024;

export interface DestroyerProgram {
  /** dist/executor/destroyer.js */
  readonly program: string;
  /** The hook's own: the destroyer gets them without what is the job's, and reads the env file itself. */
  readonly variables: Variables;
}

/** So long a destroyer may take to start, on a busy host. */
const START_LIMIT_MS = 10_000;

/**
 * Starts the destroyer, unless one is at work or about to start, which will see the new intent: fifty jobs that end together start one. It is in a session of its own, holds nothing of the
 * runner's (pipes, process group, the job's variables), and writes to a log file of bounded size.
 */
export function spawnDestroyer(settings: Settings, { program, variables }: DestroyerProgram): void {
  const queue = destroyerQueue(settings);
  makePrivate(queue.directory);
  if (queueLength(queue) > 0 || !isFirst(startFile(settings))) return;
  const log = openLog(path.join(settings.stateDir, 'log', 'destroyer.log'));
  try {
    spawn(process.execPath, [program], {
      ...surroundings(settings, variables),
      detached: true,
      stdio: ['ignore', log, log],
    })
      // No memory for it, say: the next cleanup or the reaper does it.
      .on('error', () => destroyerStarted(settings))
      .unref();
  } finally {
    closeSync(log);
  }
}

/** Said by the destroyer before it looks for work: whoever saw it about to start had written the intent before. */
export function destroyerStarted(settings: Settings): void {
  rmSync(startFile(settings), { force: true });
}

function startFile({ stateDir }: Settings): string {
  return path.join(stateDir, 'slots', 'destroyer-starts');
}

function isFirst(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx', 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { mtimeMs: 0 };
    if (Date.now() - mtimeMs < START_LIMIT_MS) return false;
    rmSync(file, { force: true });
    return isFirst(file);
  }
}

/** Runs the destroyer for these stacks, and waits for it. Its lines go to our stderr. Resolves with its exit code. */
export function waitForDestroyer(
  settings: Settings,
  { program, variables }: DestroyerProgram,
  stackNames: readonly string[],
): Promise<number> {
  return new Promise((resolve, reject) => {
    spawn(process.execPath, [program, ...stackNames], { ...surroundings(settings, variables), stdio: ['ignore', 2, 2] })
      .once('error', reject)
      .once('exit', (code) => resolve(code ?? 1));
  });
}

function surroundings(settings: Settings, variables: Variables) {
  return {
    cwd: settings.stateDir,
    env: { ...inheritedEnvironment(variables), GITLAB_SPOT_STATE_DIR: settings.stateDir },
  };
}

function openLog(file: string): number {
  makePrivate(path.dirname(file));
  try {
    if (statSync(file).size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  } catch {
    // There is none yet.
  }
  return openSync(file, 'a', 0o600);
}
