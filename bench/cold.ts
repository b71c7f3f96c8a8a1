import { BenchJob } from './bench-job';
import { figure, type Figure } from './figures';
import { stage } from './one-job';
import { BOOTS_QUICKLY, empty, REALISTIC, setPace, type Pace, type Place } from './place';

export interface ColdFigures {
  /** Of prepare, what came before RunInstances and after the SSH port answered, 20 s later. */
  readonly coldOverheadMs: Figure;
  /** Prepare's begin to RunInstances. */
  readonly runInstancesAfterMs: Figure;
  /** A machine that answers 5 s after RunInstances, before `up` ends: all of prepare. */
  readonly coldQuickReadyMs: Figure;
  /** The same machine: prepare's end after its SSH port answered. */
  readonly afterSshMs: Figure;
}

/** Jobs one after the other, none of which finds a machine that waits. */
export async function cold(place: Place, jobs: number): Promise<ColdFigures> {
  const slow = await prepares(place, jobs, REALISTIC);
  const quick = await prepares(place, jobs, BOOTS_QUICKLY);
  return {
    // As long as the cloud took: its machine needs some time beyond the delays that it is told of.
    coldOverheadMs: figure(slow.map(({ ms, sshAfterMs, askedAfterMs }) => ms - (sshAfterMs - askedAfterMs))),
    runInstancesAfterMs: figure([...slow, ...quick].map(({ askedAfterMs }) => askedAfterMs)),
    coldQuickReadyMs: figure(quick.map(({ ms }) => ms)),
    afterSshMs: figure(quick.map(({ ms, sshAfterMs }) => ms - sshAfterMs)),
  };
}

async function prepares(place: Place, jobs: number, pace: Pace) {
  await setPace(place, pace);
  const { pendingMs = 0, startingMs = 0, bootMs = 0 } = pace.delays;
  const seen: { readonly ms: number; readonly sshAfterMs: number; readonly askedAfterMs: number }[] = [];
  for (let n = 0; n < jobs; n++) {
    place.progress(`job ${n + 1} of ${jobs}, ${(pendingMs + startingMs + bootMs) / 1000} s from RunInstances to SSH`);
    const job = new BenchJob(place.sandbox, place.nextId());
    await job.config();
    const beginMs = Date.now();
    const prepared = await job.prepare();
    const calls = await place.sandbox.control.calls();
    const asked = calls.findLast(({ action }) => action === 'RunInstances')!;
    seen.push({ ...prepared, askedAfterMs: asked.atMs - beginMs });
    await stage(job);
    await job.cleanup();
    await empty(place);
  }
  return seen;
}
