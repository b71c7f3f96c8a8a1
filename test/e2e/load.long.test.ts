import { Watch } from '../../bench/processes';
import { figures } from '../support/figures';
import { readable, World } from '../support/world';
import { processesOf } from '../support/victims';

/**
 * Many jobs at once on a small host: they wait for a slot to create their instance, say so, and all
 * succeed. LOAD_JOBS=50 for the long version.
 */
const JOBS = Number(process.env.LOAD_JOBS ?? 6);
const PLACES = JOBS > 10 ? 4 : 2;
jest.setTimeout(120_000 + JOBS * 20_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

test(`${JOBS} jobs side by side succeed with ${PLACES} places, and their logs say who waited for one`, async () => {
  const { directory, environment } = world.sandbox;
  const startMs = Date.now();
  const watch = new Watch(`PULUMI_BACKEND_URL=${environment.PULUMI_BACKEND_URL}`);
  let mostUps = 0;
  let mostDestroyers = 0;
  let mostShells = 0;
  const look = setInterval(() => {
    const found = processesOf(directory);
    mostUps = Math.max(mostUps, found.filter(({ verb }) => verb === 'up').length);
    const inNode = found.filter(({ program, verb }) => program !== 'waiting' || verb !== '').map(({ jobId }) => jobId);
    mostShells = Math.max(mostShells, found.filter(({ jobId }) => !inNode.includes(jobId)).length);
    mostDestroyers = Math.max(mostDestroyers, found.filter(({ program }) => program === 'destroyer').length);
  }, 250);
  const names = Array.from({ length: JOBS }, (_, index) => `job-${index + 1}`);
  const { jobs } = await world.pipeline(
    names.map((name) => `${name}:\n  variables: {GIT_STRATEGY: none}\n  script: [echo done]`).join('\n'),
    {
      concurrency: JOBS,
      // Without places for `up`s that only wait for their instance: what is counted holds a slot.
      environment: { GITLAB_SPOT_CONCURRENT_UPS: String(PLACES), GITLAB_SPOT_ACCEPTED_UPS: '0' },
    },
  );
  const jobsMs = Date.now() - startMs;
  await world.nothingLeft(60_000 + JOBS * 10_000);
  const allMs = Date.now() - startMs;
  clearInterval(look);
  const { peakRssMiB, cpuSeconds, processes } = await watch.stop();

  const logs = jobs.map(({ log }) => readable(log));
  const waited = logs.filter((log) => /Waiting for a slot: .*jobs before this one: \d+/.test(log));
  const longest = Math.max(0, ...logs.flatMap((log) => seconds(/Got a slot after (.*)/.exec(log)?.[1])));
  figures(
    `${JOBS} jobs, ${PLACES} places: ${waited.length} waited for one, the longest ${longest} s; jobs over after ${jobsMs / 1000} s, ` +
      `all gone after ${allMs / 1000} s; at most ${mostUps} ups, ${mostShells} waiting without a process of node, and ${mostDestroyers} destroyers at once; ` +
      `peak ${peakRssMiB} MiB, ${Math.round(cpuSeconds)} CPU seconds, ${processes} processes`,
  );
  expect(
    jobs
      .filter(({ state, attempts }) => state !== 'success' || attempts !== 1)
      .map(({ name, log }) => `${name}: ${log}`),
  ).toEqual([]);
  expect(waited.length).toBeGreaterThanOrEqual(JOBS - 2 * PLACES);
  expect(waited.every((log) => log.includes('Got a slot after'))).toBe(true);
  // A look at all processes takes its time: it can see one that ends and the next one, too.
  expect(mostUps).toBeLessThanOrEqual(PLACES + 1);
  // All that wait but the first in line.
  expect(mostShells).toBeGreaterThanOrEqual(JOBS - 2 * PLACES);
  expect(mostDestroyers).toBeLessThanOrEqual(2);
  expect(world.jobFolders()).toEqual([]);
});

/** `1 min 4 s`, `38 s`. */
function seconds(text: string | undefined): number[] {
  const match = /^(?:(\d+) min )?(\d+(?:\.\d+)?) s/.exec(text ?? '');
  return match ? [Number(match[1] ?? 0) * 60 + Number(match[2])] : [];
}
