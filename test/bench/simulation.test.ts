import { simulate, type Day, type Plant } from '../../bench/simulation';

const day: Day = { jobs: 200, workShare: 1, jobSeconds: 100, jobSpread: 0, pipelineJobs: 1, seed: 1 };
const plant: Plant = {
  hosts: 1,
  concurrentJobs: 1000,
  concurrentUps: 1000,
  upSeconds: 10,
  acceptSeconds: 3,
  acceptedUps: 0,
  bootSeconds: 20,
  concurrentDestroys: 1000,
  destroySeconds: 10,
  cpuSecondsPerJob: 1,
  cores: 2,
  vcpuPerInstance: 4,
  vcpuQuota: 1e6,
  securityGroupQuota: 1e6,
  securityGroup: 'own',
  apiCallsPerJob: { DescribeInstances: 40, RunInstances: 1 },
  apiCallsPerMinute: 3000,
  memoryMiB: { always: 100, job: 50, up: 500 },
};

describe('a simulated day', () => {
  test('without limits, every job is ready after its boot', () => {
    const outcome = simulate(day, plant);
    expect(outcome.jobs).toBe(200);
    expect(outcome.readySeconds).toEqual({
      median: expect.closeTo(20),
      p95: expect.closeTo(20),
      max: expect.closeTo(20),
    });
  });

  test('one place for ups is the bottleneck of a pipeline of five', () => {
    const outcome = simulate({ ...day, jobs: 5, pipelineJobs: 5 }, { ...plant, concurrentUps: 1 });
    expect(outcome.readySeconds.max).toBeCloseTo(4 * 10 + 20);
    expect(outcome.waitUp.max).toBeCloseTo(40);
  });

  test('the security group quota bounds how many instances there are, until their destroy is over', () => {
    const outcome = simulate({ ...day, jobs: 2, pipelineJobs: 2 }, { ...plant, securityGroupQuota: 1 });
    expect(outcome.peak.securityGroups).toBe(1);
    expect(outcome.waitQuota.max).toBeCloseTo(20 + 100 + 10);
  });

  test('jobs that share a group are bound by no quota of groups', () => {
    const tight = { ...plant, securityGroupQuota: 1, securityGroup: 'shared' } as const;
    const outcome = simulate({ ...day, jobs: 2, pipelineJobs: 2 }, tight);
    expect(outcome.peak.securityGroups).toBe(1);
    expect(outcome.waitQuota.max).toBe(0);
  });

  test('throttling is by action: many calls of different ones hold nobody up', () => {
    const spread = { DescribeInstances: 20, DescribeDisks: 20, RunInstances: 20 };
    const outcome = simulate(
      { ...day, jobs: 4, pipelineJobs: 4 },
      { ...plant, apiCallsPerJob: spread, apiCallsPerMinute: 80 },
    );
    expect(outcome.waitApi.max).toBe(0);
    expect(outcome.peak).toMatchObject({ apiCallsPerMinute: 80, busiestAction: 'DescribeInstances' });
  });

  test('what the account may not call in this minute begins in the next', () => {
    const outcome = simulate({ ...day, jobs: 4, pipelineJobs: 4 }, { ...plant, apiCallsPerMinute: 80 });
    expect(outcome.peak.apiCallsPerMinute).toBe(40 * 2);
    expect(outcome.waitApi.max).toBeGreaterThan(0);
    expect(outcome.waitApi.max).toBeLessThanOrEqual(60);
  });

  test('a host holds its running jobs and its ups in memory', () => {
    const outcome = simulate({ ...day, jobs: 5, pipelineJobs: 5 }, { ...plant, concurrentUps: 2 });
    expect(outcome.peakMemoryMiB).toBe(100 + 5 * 50 + 2 * 500);
  });

  test('a job gives its place to the next once the cloud has accepted its instance, while there is room', () => {
    const burst = { ...day, jobs: 5, pipelineJobs: 5 };
    const waits = (acceptedUps: number) => simulate(burst, { ...plant, concurrentUps: 1, acceptedUps }).waitUp.max;
    expect(waits(0)).toBeCloseTo(40);
    // 3 s each; where two may wait, the third does once the first has ended, after 10 s.
    expect(waits(4)).toBeCloseTo(12);
    expect(waits(2)).toBeCloseTo(13);
  });

  test('more hosts never wait longer, and the same seed gives the same day', () => {
    const busy = { ...day, jobs: 5000, pipelineJobs: 5 };
    const tight = { ...plant, concurrentUps: 2 };
    const waits = [1, 2, 4].map((hosts) => simulate(busy, { ...tight, hosts }).waitUp.p95);
    expect([...waits].sort((a, b) => b - a)).toEqual(waits);
    expect(simulate(busy, tight)).toEqual(simulate(busy, tight));
  });

  describe('with spare machines', () => {
    const spares = { keep: 0, max: 5, when: '07:00-22:00' };
    const staged: Day = { ...day, jobs: 300, workShare: 0.9, pipelineJobs: 3, stages: [1, 2], projects: 3 };
    const hot = { ...plant, hotSeconds: 1 };

    test('a pipeline’s later jobs find theirs at once, for little, and none waits at night', () => {
      const [without, forecast] = [simulate(staged, hot), simulate(staged, { ...hot, spares })];
      expect(without).toMatchObject({ hotShare: 0, waitedSeconds: 0 });
      expect(forecast.jobs).toBe(without.jobs);
      expect(forecast.readySeconds.median).toBeCloseTo(1);
      expect(forecast.hotShare).toBeGreaterThan(0.5);
      expect(forecast.machineSeconds / without.machineSeconds).toBeLessThan(1.1);
      expect(forecast.waitedAtNightSeconds).toBe(0);
    });

    test('a job that comes alone finds the one that is kept', () => {
      const alone = simulate({ ...day, jobs: 1 }, { ...hot, spares: { keep: 1, max: 1, when: '00:00-24:00' } });
      expect(alone).toMatchObject({ hotShare: 1, readySeconds: { max: expect.closeTo(1) } });
    });

    test('a spare machine holds its place among the ups until the cloud has accepted it, as a job’s does', () => {
      const tight = { ...hot, concurrentUps: 1, acceptedUps: 100, upSeconds: 1000, bootSeconds: 1000 };
      const kept = { keep: 2, max: 2, when: '00:00-24:00' };
      const outcome = simulate({ ...day, jobs: 50 }, { ...tight, spares: kept });
      expect(outcome.hotShare).toBeGreaterThan(0);
      expect(outcome.waitUp.max).toBeLessThan(100);
    });

    test('jobs that come at once are not foreseen, and a stock for them is bounded by what is at work', () => {
      const atOnce = simulate({ ...day, jobs: 50, pipelineJobs: 5 }, { ...hot, spares });
      expect(atOnce.hotShare).toBe(0);
      expect(atOnce.waitedSeconds).toBe(0);
    });
  });
});
