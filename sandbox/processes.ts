/**
 * Processes that were started with a sandbox's environment: hooks leave some of them working behind
 * a job's back.
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 50;
const TERM_MS = 5_000;

/**
 * Ids of the processes whose environment has this line (`NAME=value`). Where there is no /proc:
 * none can be found.
 */
export async function processesWith(line: string): Promise<number[]> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await Promise.all(
    ids.map(async (id) => {
      const environment = id === process.pid ? '' : await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '');
      return environment.split('\0').includes(line) ? [id] : [];
    }),
  );
  return marked.flat();
}

async function untilGone(line: string, limitMs: number): Promise<number[]> {
  for (const deadline = Date.now() + limitMs; ; await sleep(PAUSE_MS)) {
    const left = await processesWith(line);
    if (left.length === 0 || Date.now() > deadline) return left;
  }
}

/** Waits for them, and ends those that are still there when the patience is over. */
export async function endProcesses(line: string, patienceMs: number): Promise<void> {
  const signal = (ids: readonly number[], name: NodeJS.Signals) => {
    for (const id of ids) {
      try {
        process.kill(id, name);
      } catch {
        // It ended by itself.
      }
    }
  };
  const stubborn = await untilGone(line, patienceMs);
  signal(stubborn, 'SIGTERM');
  if (stubborn.length > 0) signal(await untilGone(line, TERM_MS), 'SIGKILL');
}
