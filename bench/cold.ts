import { BenchJob } from './bench-job';
import { figure, type Figure } from './figures';
import { stage } from './one-job';
import { BOOTS_QUICKLY, empty, REALISTIC, setPace, type Pace, type Place } from './place';

export interface ColdFigures {
  /** Of prepare, what came before and after the 20 s from RunInstances to SSH. */
  readonly coldOverheadMs: Figure;
  /** A machine that answers 5 s after RunInstances, before `up` ends: all of prepare. */
  readonly coldQuickReadyMs: Figure;
  /** The same machine: prepare's end after its SSH port answered. */
  readonly afterSshMs: Figure;
}

/** Jobs one after the other, none of which finds a machine that waits. */
export async function cold(place: Place, jobs: number): Promise<ColdFigures> {
  const slow = await prepares(place, jobs, REALISTIC);
  const quick = await prepares(place, jobs, BOOTS_QUICKLY);
  const { pendingMs = 0, startingMs = 0, bootMs = 0 } = REALISTIC.delays;
  return {
    coldOverheadMs: figure(slow.map(({ ms }) => ms - pendingMs - startingMs - bootMs)),
    coldQuickReadyMs: figure(quick.map(({ ms }) => ms)),
    afterSshMs: figure(quick.map(({ ms, sshAfterMs }) => ms - sshAfterMs)),
  };
}

async function prepares(place: Place, jobs: number, pace: Pace) {
  await setPace(place, pace);
  const { pendingMs = 0, startingMs = 0, bootMs = 0 } = pace.delays;
  const seen: { readonly ms: number; readonly sshAfterMs: number }[] = [];
  for (let n = 0; n < jobs; n++) {
    place.progress(`job ${n + 1} of ${jobs}, ${(pendingMs + startingMs + bootMs) / 1000} s from RunInstances to SSH`);
    const job = new BenchJob(place.sandbox, place.nextId());
    await job.config();
    seen.push(await job.prepare());
    await stage(job);
    await job.cleanup();
    await empty(place);
  }
  return seen;
}
