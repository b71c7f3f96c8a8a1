import os from 'node:os';
import { BenchJob } from './bench-job';
import { figure, round, type Figure } from './figures';
import { empty, NONE, REALISTIC, setPace, used, type Place } from './place';
import { busySeconds } from './processes';
import { stage } from './one-job';

export interface SideBySide {
  readonly jobs: number;
  readonly succeeded: number;
  /** From the first hook's start until the last stack is gone. */
  readonly wallSeconds: number;
  /** The same, until the last job's cleanup hook has returned. */
  readonly jobsSeconds: number;
  readonly prepareSeconds: Figure;
  readonly peakRssMiB: number;
  readonly peakPssMiB: number;
  /** Of the host's processes: hooks, CLI, provider, destroyer. */
  readonly cpuSecondsPerJob: number;
  readonly processesPerJob: number;
  /**
   * The least time in which this machine's cores can do the jobs' CPU seconds, and its share of the
   * time that it took.
   */
  readonly boundSeconds: number;
  readonly throughputOfBound: number;
  /**
   * How busy the machine was, the simulated cloud and its instances included: 1 is every core all
   * the time.
   */
  readonly machineBusyShare: number;
}

/** Whole jobs of one no-op stage each, all begun at once, until the last stack is gone. */
export async function sideBySide(place: Place, count: number, realistic: boolean): Promise<SideBySide> {
  await setPace(place, realistic ? REALISTIC : NONE);
  // More jobs at once than an account is given at first.
  await place.sandbox.control.setQuotas({ spotVcpus: 100_000, securityGroups: 10_000, keyPairs: 10_000 });
  const prepareMs: number[] = [];
  const startMs = performance.now();
  const busyBefore = busySeconds();
  let jobsSeconds = 0;
  const [ends, usage] = await used(
    place,
    async () => {
      const settled = await Promise.allSettled(
        Array.from({ length: count }, async () => {
          const job = new BenchJob(place.sandbox, place.nextId());
          await job.config();
          try {
            prepareMs.push((await job.prepare({ watchPort: false })).ms / 1000);
            await stage(job);
          } finally {
            await job.cleanup();
          }
        }),
      );
      jobsSeconds = (performance.now() - startMs) / 1000;
      await empty(place);
      return settled;
    },
    // Looking at hundreds of processes is work itself.
    count >= 20 ? { lookMs: 200, pssLookMs: 2_000 } : undefined,
  );
  const wallSeconds = (performance.now() - startMs) / 1000;
  const failed = ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []));
  if (failed[0]) place.progress(`${failed.length} of ${count} failed, the first: ${failed[0]}`);
  const cores = os.availableParallelism();
  const boundSeconds = usage.cpuSeconds / cores;
  return {
    jobs: count,
    succeeded: count - failed.length,
    wallSeconds: round(wallSeconds),
    jobsSeconds: round(jobsSeconds),
    prepareSeconds: figure(prepareMs),
    peakRssMiB: usage.peakRssMiB,
    peakPssMiB: usage.peakPssMiB,
    cpuSecondsPerJob: round(usage.cpuSeconds / count, 2),
    processesPerJob: round(usage.processes / count),
    boundSeconds: round(boundSeconds),
    throughputOfBound: round(boundSeconds / wallSeconds, 2),
    machineBusyShare: round((busySeconds() - busyBefore) / (cores * wallSeconds), 2),
  };
}
