import { ready, planned } from '../../../src/jobs/transitions';
import { parseHours } from '../../../src/settings/hours';
import { forecastOf, History, leadOf, wantedNow, type Arrival, type Present } from '../../../src/spares/forecast';
import { instanceFacts } from '../../support/job-record';
import { spareProfile, spareRecord } from '../../support/spare';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** A Tuesday noon of the host's own time. */
const NOON = new Date('2026-11-24T12:00:00').getTime();

/** `build@0 test@240`: jobs and the seconds after the pipeline's start at which they came. */
function pipeline(id: number, startMs: number, jobs: string, project = 'gitlab.example.com#7'): Arrival[] {
  return jobs.split(' ').map((text) => {
    const [name = '', seconds = '', profile = 'standard'] = text.split('@');
    return { atMs: startMs + Number(seconds) * SECOND, project, pipeline: id, job: name, profile };
  });
}

const present = (change: Partial<Present> = {}): Present => ({
  nowMs: NOON,
  leadMs: 30 * SECOND,
  running: () => 0,
  ...change,
});
const often = (jobs: string, times = 4): Arrival[] =>
  Array.from({ length: times }, (_, index) => pipeline(index + 1, NOON - (times - index) * HOUR, jobs)).flat();

/** `PROFILE BEGIN-UNTIL`, seconds after noon. */
function expected(arrivals: readonly Arrival[], change: Partial<Present> = {}): string[] {
  return forecastOf(new History(arrivals), present(change)).expected.map(
    ({ profile, beginMs, untilMs }) => `${profile} ${(beginMs - NOON) / SECOND}-${(untilMs - NOON) / SECOND}`,
  );
}

describe('a job is expected', () => {
  const now = pipeline(9, NOON, 'build@0');
  test.each<[string, Arrival[], string[]]>([
    ['when it followed in earlier pipelines, a boot before its time', often('build@0 test@240'), ['standard 210-300']],
    ['with the profile that it had', often('build@0 train@240@gpu'), ['gpu 210-300']],
    ['each by itself', often('build@0 unit@240 lint@240'), ['standard 210-300', 'standard 210-300']],
    ['not without a past', [], []],
    ['not where it comes too soon for a machine of its own', often('build@0 lint@20'), []],
    ['not where it seldom came', [...often('build@0', 3), ...pipeline(4, NOON - HOUR / 2, 'build@0 test@240')], []],
    [
      'by the pipelines of its own project',
      often('build@0 test@240').map((one) => ({ ...one, project: 'gitlab.example.com#8' })),
      [],
    ],
    [
      'also where the last pipeline is still on its way',
      [...often('build@0 test@240', 1), ...pipeline(5, NOON - MINUTE, 'build@0')].concat([]),
      ['standard 150-240', 'standard 210-300'],
    ],
  ])('%s', (_title, past, jobs) => {
    expect(expected([...past, ...now])).toEqual(jobs);
  });

  test('by the job that it follows most closely', () => {
    const past = [200, 400, 600].flatMap((seconds, index) =>
      pipeline(index + 1, NOON - (5 - index) * HOUR, `build@0 test@${seconds} deploy@${seconds + 60}`),
    );
    // Nobody knows when the tests begin; the deployment is a minute later.
    expect(expected([...past, ...pipeline(9, NOON, 'build@0 test@100')])).toEqual(['standard 130-220']);
  });

  test('no longer once it has come, or its time is over', () => {
    const past = often('build@0 test@240');
    expect(expected([...past, ...pipeline(9, NOON - 240_000, 'build@0 test@240')])).toEqual([]);
    expect(expected([...past, ...now], { nowMs: NOON + 301 * SECOND })).toEqual([]);
  });

  test.each<[string, [string, 'coming' | 'over'][], string[]]>([
    ['has it still to come: also one that seldom came', [['test', 'coming']], ['standard 210-300']],
    ['does not have it', [['build', 'over']], []],
    ['has it for a person to start', [['test', 'over']], []],
  ])('as GitLab’s list of the pipeline %s', (_title, list, jobs) => {
    const past = [...often('build@0', 3), ...pipeline(4, NOON - HOUR / 2, 'build@0 test@240')];
    expect(expected([...past, ...now], { listed: () => new Map(list) })).toEqual(jobs);
  });
});

describe('how likely a machine of its own is wanted', () => {
  const likely = (past: Arrival[], seconds: number, change: Partial<Present> = {}): number => {
    const { expected: jobs } = forecastOf(new History([...past, ...pipeline(9, NOON, 'build@0')]), present(change));
    return Math.round(jobs[0]!.chance(NOON + seconds * SECOND) * 100) / 100;
  };
  /** At 200, 210, 220 … 290 s. */
  const spread = Array.from({ length: 10 }, (_, n) =>
    pipeline(20 + n, NOON - (12 - n) * HOUR, `build@0 test@${200 + n * 10}`),
  );
  test.each<[string, number, number]>([
    ['not at all, long before', likely(spread.flat(), 150), 0],
    ['by those that came within a boot', likely(spread.flat(), 200), 0.32],
    ['more, the longer it has not come', likely(spread.flat(), 250), 0.7],
    ['not any more, later than ever', likely(spread.flat(), 300), 0],
    ['nearly sure of one that came at its time', likely(often('build@0 test@240'), 215), 0.93],
    [
      'less, where it did not come in others',
      likely([...often('build@0 test@240'), ...pipeline(5, NOON - HOUR / 2, 'build@0')], 215),
      0.75,
    ],
    [
      'but not where GitLab says that it comes',
      likely([...often('build@0 test@240'), ...pipeline(5, NOON - HOUR / 2, 'build@0')], 215, {
        listed: () => new Map([['test', 'coming']]),
      }),
      0.93,
    ],
  ])('%s', (_title, seen, chance) => expect(seen).toBe(chance));
});

describe('jobs that nothing announces', () => {
  /** A pipeline each 20 s in the last half hour, of two jobs at once and a later one. */
  const busy = Array.from({ length: 90 }, (_, n) => pipeline(n, NOON - n * 20 * SECOND, 'a@0 b@0 c@300'))
    .flat()
    .sort((a, b) => a.atMs - b.atMs);
  const pace = (arrivals: Arrival[], profile = 'standard'): number =>
    forecastOf(new History(arrivals), present()).unannounced(profile);
  test.each<[string, number, number]>([
    ['come as those of the last half hour did', pace(busy), 3],
    ['do not where nobody came lately', pace(often('a@0 b@0', 20)), 0],
    ['do not of another profile', pace(busy, 'gpu'), 0],
  ])('%s', (_title, seen, wanted) => expect(seen).toBeCloseTo(wanted));
});

describe('so many are wanted', () => {
  const coming = (chances: readonly number[], beginMs = NOON) =>
    chances.map((chance) => ({ profile: 'standard', beginMs, untilMs: NOON + MINUTE, chance: () => chance }));
  const policy = (text: object) => ({ ...spareProfile().spares!, when: parseHours('07:00-22:00')!, ...text });
  const soon = coming([1, 1, 1]);
  const many = coming(Array.from({ length: 40 }, () => 0.2));
  test.each<[string, object, ReturnType<typeof coming>, { others?: number; running?: number; nowMs?: number }, number]>(
    [
      ['those that always wait', { keep: 2 }, soon, {}, 2],
      ['those that are expected', { keep: 0, max: 5 }, soon, {}, 3],
      ['both', { keep: 1, max: 5 }, soon, {}, 4],
      ['no more than max', { keep: 1, max: 5 }, coming(Array.from({ length: 9 }, () => 1)), {}, 5],
      ['as many as come in all, whoever it is', { keep: 0, max: 20 }, many, {}, 8],
      ['for the next three each its own, unlikely as it is', { keep: 0, max: 5 }, coming([0.1, 0.1, 0.1, 0.1]), {}, 3],
      ['none for a job whose time has not come', { keep: 0, max: 5 }, coming([0.1], NOON + 1), {}, 0],
      ['those of jobs that nothing announces', { keep: 0, max: 9 }, soon, { others: 2.2 }, 5],
      ['of which some always wait', { keep: 2, max: 9 }, soon, { others: 2.2 }, 5],
      ['and a share of those at work', { keep: 0, max: 9 }, soon, { running: 100 }, 6],
      ['none at night', { keep: 2, max: 5 }, soon, { nowMs: NOON + 11 * HOUR }, 0],
    ],
  )('%s', (_title, text, expected, { others = 0, running = 0, nowMs = NOON }, wanted) => {
    const profile = spareProfile({ spares: policy(text) });
    const forecast = { expected, unannounced: () => others, running: () => running };
    expect(wantedNow(profile, forecast, nowMs)).toBe(wanted);
  });
});

test('a boot takes as long as those of the machines that are there did', () => {
  const running = (seconds: number) => {
    const at = (ms: number): string => new Date(NOON + ms).toISOString();
    const job = planned(
      { identity: { stackName: 'job-x-1-1', serverHost: 'x', jobId: 1, attempt: 1 }, executorId: 'h' },
      0,
    );
    return ready(job, { ...instanceFacts, createdAt: at(0), readyAt: at(seconds * SECOND) });
  };
  expect(leadOf([])).toBe(40 * SECOND);
  expect(leadOf([20, 25, 90].map(running))).toBe(28 * SECOND);
  // The host's clock was set back while one was made.
  expect(leadOf([-3600, 25].map(running))).toBe(28 * SECOND);
  const handed = { ...running(600), spare: { stackName: spareRecord().identity.stackName, claimedAt: '' } };
  expect(leadOf([handed, running(20)])).toBe(23 * SECOND);
});
