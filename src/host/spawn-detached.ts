import { spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { makePrivate } from './private-folder';
import { inheritedEnvironment, type Variables } from '../settings/environment';
import type { Settings } from '../settings/types';
import { queueLength, type Queue } from './queue';

/** A process of ours that outlives the hook that starts it, one of its kind for the host. */
export interface DetachedProgram {
  /** `destroyer`: of its log, and of the mark that one is about to start. */
  readonly name: string;
  /** dist/executor/NAME.js */
  readonly program: string;
  /**
   * The hook's own: the process gets them without what is the job's, and reads the env file itself.
   */
  readonly variables: Variables;
  /** Where it has its one slot while it works. */
  readonly queue: Queue;
}

const LOG_LIMIT_BYTES = 1024 * 1024;
/** So long one may take to start, on a busy host. */
const START_LIMIT_MS = 10_000;

/**
 * Starts the process, unless one is running or about to start and will find the new work: fifty
 * jobs that end together start one. It gets a session of its own, inherits nothing from the runner
 * (pipes, process group, the job's variables), and writes to a log file of bounded size.
 */
export function spawnDetached(settings: Settings, { name, program, variables, queue }: DetachedProgram): void {
  makePrivate(queue.directory);
  if (queueLength(queue) > 0 || !isFirst(startFile(settings, name))) return;
  const log = openLog(settings, name);
  try {
    spawn(process.execPath, [program], {
      ...surroundings(settings, variables),
      detached: true,
      stdio: ['ignore', log, log],
    })
      // No memory for it, say: the next hook or the reaper does it.
      .on('error', () => detachedStarted(settings, name))
      .unref();
  } finally {
    closeSync(log);
  }
}

/**
 * The process calls this before it looks for work. A hook that saw it about to start had written
 * down its work before that.
 */
export function detachedStarted(settings: Pick<Settings, 'stateDir'>, name: string): void {
  rmSync(startFile(settings, name), { force: true });
}

/** Folder and environment of such a process. */
export function surroundings(settings: Settings, variables: Variables) {
  return {
    cwd: settings.stateDir,
    env: { ...inheritedEnvironment(variables), GITLAB_SPOT_STATE_DIR: settings.stateDir },
  };
}

function startFile({ stateDir }: Pick<Settings, 'stateDir'>, name: string): string {
  return path.join(stateDir, 'slots', `${name}-starts`);
}

function isFirst(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx', 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { mtimeMs: 0 };
    // Either way: a clock that was set back must not make it new for hours.
    if (Math.abs(Date.now() - mtimeMs) < START_LIMIT_MS) return false;
    rmSync(file, { force: true });
    return isFirst(file);
  }
}

/** For what such a process says of itself: STATE_DIR/log/NAME.log, of bounded size. */
export function openLog({ stateDir }: Pick<Settings, 'stateDir'>, name: string): number {
  const file = path.join(stateDir, 'log', `${name}.log`);
  makePrivate(path.dirname(file));
  try {
    if (statSync(file).size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  } catch {
    // There is none yet.
  }
  return openSync(file, 'a', 0o600);
}
