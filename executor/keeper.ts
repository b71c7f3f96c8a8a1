/**
 * Started when a job has got a machine: makes the spare machines that are missing, and destroys
 * those that may no longer be used. While jobs are expected (`spares: auto`) it waits for them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { keeperDependencies } from '../src/composition/spares';
import { runHook } from '../src/hooks/run-hook';
import { keepSpares } from '../src/spares/keep';
import { keeperStarted } from '../src/spares/spawn-keeper';

/** Whatever is left then, the reaper's next round goes on with. */
const LIMIT_MS = 30 * 60_000;

void runHook(async ({ settings, signal }) => {
  const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  keeperStarted(settings);
  const ends = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal: ends }).catch(() => undefined);
  await keepSpares({ ...keeperDependencies(settings, log, ends), pause });
});
