import { spawn } from 'node:child_process';
import { destroyerQueue } from '../host/slots';
import { detachedStarted, spawnDetached, surroundings, type DetachedProgram } from '../host/spawn-detached';
import type { Settings } from '../settings/types';

const NAME = 'destroyer';

/** dist/executor/destroyer.js, and the hook's own variables. */
export type DestroyerProgram = Pick<DetachedProgram, 'program' | 'variables'>;

/**
 * Starts the destroyer, unless one is at work or about to start, which will see what was recorded.
 */
export function spawnDestroyer(settings: Settings, program: DestroyerProgram): void {
  spawnDetached(settings, { ...program, name: NAME, queue: destroyerQueue(settings) });
}

/** Said by the destroyer before it looks for work. */
export function destroyerStarted(settings: Settings): void {
  detachedStarted(settings, NAME);
}

/**
 * Runs the destroyer for these stacks, and waits for it. Its lines go to our stderr. Resolves with
 * its exit code.
 */
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
