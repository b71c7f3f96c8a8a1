import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { trySlot } from '../src/host/queue';
import { BenchJob } from './bench-job';
import { figure, round, type Figure } from './figures';
import { firstLines, type FirstLineFigures } from './first-line';
import { stage } from './one-job';
import { empty, gitlabSpot, NONE, setPace, used, type Place } from './place';

export interface HotFigures extends FirstLineFigures {
  /** Prepare of a job that takes a spare machine, from its begin to its end. */
  readonly hotReadyMs: Figure;
  /** CPU seconds of such a prepare. */
  readonly hotCpuSeconds: number;
  /** Calls to the cloud of such a prepare. */
  readonly hotCallsPerJob: number;
}

/** Jobs one after the other, each of which finds a machine that waits. */
export async function hot(place: Place, jobs: number, real: boolean): Promise<HotFigures> {
  const { sandbox, progress } = place;
  await setPace(place, NONE);
  const page = path.join(sandbox.directory, 'hot.yaml');
  const spot = '{ maxPrice: 0.9 }';
  writeFileSync(
    page,
    `default: hot\nprofiles:\n  hot:\n    types: [ecs.c7.xlarge]\n    image: gitlab-spot-java23\n    spot: ${spot}\n    spares: { keep: ${2 * jobs} }\n`,
  );
  Object.assign(sandbox.environment, { GITLAB_SPOT_PROFILES_FILE: page });
  progress(`making ${2 * jobs} spare machines`);
  await gitlabSpot(place, 'spares', 'fill');
  // No keeper works beside what is measured.
  const keeper = trySlot({
    directory: path.join(sandbox.environment.GITLAB_SPOT_STATE_DIR, 'slots', 'keeper'),
    slots: 1,
  });
  if (!keeper) throw new Error('a keeper of spare machines is still at work');
  const seen = { ready: [] as number[], cpu: 0, calls: 0 };
  let hotFirstLineMs: Figure;
  try {
    for (let n = 0; n < jobs; n++) {
      const job = new BenchJob(sandbox, place.nextId());
      await job.config();
      const before = (await sandbox.control.calls()).length;
      const [prepared, use] = await used(place, () => job.prepare({ watchPort: false }));
      seen.calls += (await sandbox.control.calls()).length - before;
      if (!prepared.stdout.includes('Taking the spare machine'))
        throw new Error(`job ${job.id} found no spare machine`);
      seen.ready.push(prepared.ms);
      seen.cpu += use.cpuSeconds;
      await stage(job);
      await job.cleanup();
      // The destroyer's work is none of the next prepare's.
      await empty(place, 'job-');
    }
    hotFirstLineMs = await firstLines(place, jobs, real);
  } finally {
    keeper.release();
  }
  await empty(place);
  // The jobs of other parts shall find none.
  Reflect.deleteProperty(sandbox.environment, 'GITLAB_SPOT_PROFILES_FILE');
  return {
    hotFirstLineMs,
    hotReadyMs: figure(seen.ready),
    hotCpuSeconds: round(seen.cpu / jobs, 2),
    hotCallsPerJob: round(seen.calls / jobs),
  };
}
