import { readdirSync } from 'node:fs';
import path from 'node:path';
import { MOST_KEYS } from '../src/ssh/key-reserve';
import { BenchJob } from './bench-job';
import { round } from './figures';
import { empty, gitlabSpot, PROVIDER_SLEEPS, setPace, used, type Place } from './place';
import type { Usage, WatchOptions } from './processes';

export interface BurstFigures {
  readonly burst: Burst & {
    readonly jobs: number;
    /** From the first hook's start until the last prepare has ended. */
    readonly lastReadySeconds: number;
  };
  readonly burstOfDestroys: Burst & {
    /** From the first cleanup's start until the last stack is gone. */
    readonly lastGoneSeconds: number;
  };
}

interface Burst {
  /** Of the host's processes, shared pages counted once. */
  readonly peakPssMiB: number;
  readonly cpuSecondsPerJob: number;
}

/**
 * Jobs before: on a host that has had some, what hooks load is compiled, and it is known how stacks
 * are made (docs/performance.md).
 */
const JOBS_BEFORE = 3;
/** Looking at hundreds of processes is work itself. */
const LOOKS: WatchOptions = { lookMs: 400, pssLookMs: 2_000 };
/** Of the reaper: an hour on a host. */
const MOST_ROUNDS = 12;

/**
 * Jobs that all begin at once on a host whose reaper has made login keys ahead, in a cloud that
 * takes no time with a provider that sleeps as the real one does; then all of them end at once.
 */
export async function burst(place: Place, jobs: number): Promise<BurstFigures> {
  const { sandbox, progress } = place;
  await setPace(place, PROVIDER_SLEEPS);
  // More jobs at once than an account is given at first.
  await sandbox.control.setQuotas({ spotVcpus: 100_000, securityGroups: 10_000, keyPairs: 10_000 });
  for (let n = 1; n <= JOBS_BEFORE; n++) {
    progress(`job ${n} of ${JOBS_BEFORE} before`);
    const job = new BenchJob(sandbox, place.nextId());
    await job.config();
    await job.prepare();
    await job.cleanup();
    await empty(place);
  }
  await fillReserve(place);
  const all = Array.from({ length: jobs }, () => new BenchJob(sandbox, place.nextId()));
  progress(`${jobs} jobs begin at once`);
  const [lastReadySeconds, ups] = await used(
    place,
    () =>
      seconds(() =>
        Promise.all(
          all.map(async (job) => {
            await job.config();
            await job.prepare({ watchPort: false });
          }),
        ),
      ),
    LOOKS,
  );
  progress(`${jobs} jobs end at once`);
  const [lastGoneSeconds, destroys] = await used(
    place,
    () =>
      seconds(async () => {
        await Promise.all(all.map((job) => job.cleanup()));
        await empty(place);
      }),
    LOOKS,
  );
  const each = ({ peakPssMiB, cpuSeconds }: Usage): Burst => ({
    peakPssMiB,
    cpuSecondsPerJob: round(cpuSeconds / jobs, 2),
  });
  return {
    burst: { jobs, lastReadySeconds, ...each(ups) },
    burstOfDestroys: { lastGoneSeconds, ...each(destroys) },
  };
}

/** As on a host, whose reaper has made keys ahead by then (docs/adr/0024): so many rounds fill it. */
async function fillReserve(place: Place): Promise<void> {
  const { sandbox, progress } = place;
  const startMs = performance.now();
  const count = (): number => readdirSync(path.join(sandbox.environment.GITLAB_SPOT_STATE_DIR, 'keys')).length;
  for (let rounds = 1; ; rounds++) {
    await gitlabSpot(place, 'reap', '--yes');
    progress(
      `the reaper, round ${rounds}: ${count()} login keys made ahead, ${round((performance.now() - startMs) / 1000)} s`,
    );
    if (count() === MOST_KEYS || rounds === MOST_ROUNDS) return;
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return round((performance.now() - startMs) / 1000);
}
