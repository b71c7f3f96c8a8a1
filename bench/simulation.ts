import { pipelines, type Pipeline, type PlannedJob } from './pipelines';
import { SimulatedKeeper, type SimulatedSpares } from './spare-keeper';
import { Places, spread, Timeline, type Spread } from './timeline';

/**
 * A day of jobs on some runner hosts, as a discrete-event simulation: what waits for what, and
 * where the limits of the account lie.
 */

export interface Day {
  readonly jobs: number;
  /** Share of the jobs that arrive in the ten working hours; the rest is spread over the night. */
  readonly workShare: number;
  /** Median seconds of a job's stages; lengths are log-normal with this spread (sigma). */
  readonly jobSeconds: number;
  readonly jobSpread: number;
  /** Jobs arrive in pipelines of this many at once. */
  readonly pipelineJobs: number;
  /**
   * Instead of all at once: so many jobs in each stage, which begins when the one before has ended.
   */
  readonly stages?: readonly number[] | undefined;
  /** Whose pipelines they are: each has jobs of its own; left out: 40. */
  readonly projects?: number | undefined;
  readonly seed: number;
}

export interface Plant {
  readonly hosts: number;
  /** Concurrent jobs each runner takes (`concurrent` in config.toml). */
  readonly concurrentJobs: number;
  /** Concurrent `up`s of one host, and how long one holds its place, seconds. */
  readonly concurrentUps: number;
  readonly upSeconds: number;
  /** From an `up`'s begin until the cloud has accepted the instance, and how many may wait beyond. */
  readonly acceptSeconds: number;
  readonly acceptedUps: number;
  /** RunInstances accepted until SSH answers. */
  readonly bootSeconds: number;
  readonly concurrentDestroys: number;
  readonly destroySeconds: number;
  /** CPU seconds of the host for one job in all, and its cores. */
  readonly cpuSecondsPerJob: number;
  readonly cores: number;
  readonly vcpuPerInstance: number;
  /** Account limits, shared by all hosts. */
  readonly vcpuQuota: number;
  readonly securityGroupQuota: number;
  /** A group for each job, or the foundation's for all of them. */
  readonly securityGroup: 'own' | 'shared';
  /**
   * ECS API calls of one job by action, and how many of each action the account may make a minute:
   * the cloud throttles each by itself.
   */
  readonly apiCallsPerJob: Readonly<Record<string, number>>;
  readonly apiCallsPerMinute: number;
  /**
   * What a host's processes hold, MiB: always, for each job between prepare and cleanup, and for
   * each `up`.
   */
  readonly memoryMiB: { readonly always: number; readonly job: number; readonly up: number };
  /** Machines that are made before their jobs; left out: none. */
  readonly spares?: SimulatedSpares | undefined;
  /** From a job's creation to its first line on a machine that waits. */
  readonly hotSeconds?: number | undefined;
}

export interface Outcome {
  readonly jobs: number;
  /** Seconds from arrival to ready: median, 95th percentile, greatest. */
  readonly readySeconds: Spread;
  /**
   * Of which: waiting for the runner to take the job, for a place among the `up`s, for the
   * account's quotas.
   */
  readonly waitRunner: Spread;
  readonly waitUp: Spread;
  readonly waitQuota: Spread;
  /** For the account's API calls to be allowed again. */
  readonly waitApi: Spread;
  readonly peak: {
    readonly runningJobs: number;
    readonly vcpu: number;
    readonly securityGroups: number;
    /** Of the action that is called most. */
    readonly apiCallsPerMinute: number;
    readonly busiestAction: string;
  };
  /** Greatest share of a host's cores over any minute: above 1 the host is the bottleneck. */
  readonly peakCpuShare: number;
  /** Greatest memory of a host's processes, MiB. */
  readonly peakMemoryMiB: number;
  /** Share of the jobs that found a machine. */
  readonly hotShare: number;
  /** Seconds of all machines, from the call that makes one to its end: what is paid. */
  readonly machineSeconds: number;
  /** Of which spares waited, and waited between 22:00 and 07:00. */
  readonly waitedSeconds: number;
  readonly waitedAtNightSeconds: number;
}

interface Job extends PlannedJob {
  readonly pipeline: Pipeline;
  /** Of `pipeline.stages`. */
  readonly stage: number;
  readonly arrival: number;
  isHot: boolean;
  host: number;
  taken: number;
  upBegins: number;
  quotaWait: number;
  apiWait: number;
  ready: number;
}

/** Runs one day to its end. Deterministic by its seed. */
export function simulate(day: Day, plant: Plant): Outcome {
  const events = new Timeline();
  const hosts = Array.from({ length: plant.hosts }, () => ({
    jobs: new Places(plant.concurrentJobs),
    ups: new Places(plant.concurrentUps),
    accepted: new Places(plant.acceptedUps),
    destroys: new Places(plant.concurrentDestroys),
    cpu: new Map<number, number>(),
  }));
  const groups = plant.securityGroup === 'own' ? plant.securityGroupQuota : Infinity;
  const instances = new Places(Math.min(Math.floor(plant.vcpuQuota / plant.vcpuPerInstance), groups));
  const callsPerJob = Object.entries(plant.apiCallsPerJob);
  let machineSeconds = 0;
  const queue: Job[] = [];
  const done: Job[] = [];
  /** By action and minute. */
  const api = new Map<string, number>();
  let peakMemoryMiB = 0;
  const peak = { runningJobs: 0, vcpu: 0, securityGroups: 0, apiCallsPerMinute: 0, busiestAction: '' };
  const count = (map: Map<number, number>, at: number, amount: number) =>
    map.set(Math.floor(at / 60), (map.get(Math.floor(at / 60)) ?? 0) + amount);

  /**
   * Each action is counted minute by minute: a job of which one finds no room begins in the next
   * minute that has some for all.
   */
  const whenAllowed = (at: number): number => {
    for (let minute = Math.floor(at / 60); ; minute++) {
      const wanted = callsPerJob.map(([action, calls]) => {
        const key = `${action} ${minute}`;
        return { action, key, calls: (api.get(key) ?? 0) + calls, most: Math.max(plant.apiCallsPerMinute, calls) };
      });
      if (wanted.some(({ calls, most }) => calls > most)) continue;
      for (const { action, key, calls } of wanted) {
        api.set(key, calls);
        if (calls > peak.apiCallsPerMinute) Object.assign(peak, { apiCallsPerMinute: calls, busiestAction: action });
      }
      return Math.max(at, minute * 60);
    }
  };

  const keepers = plant.spares
    ? hosts.map(
        (host) =>
          new SimulatedKeeper(plant.spares!, plant, {
            events,
            ups: host.ups,
            holdUp: (begins, onGiven) => holdUp(host, begins, onGiven),
            instances,
            running: () => host.jobs.used,
            allowed: whenAllowed,
          }),
      )
    : [];

  /** Runners poll GitLab: a waiting job goes to the host with the most room. */
  const dispatch = (at: number): void => {
    while (queue.length > 0) {
      const host = hosts.map((h, index) => ({ index, room: h.jobs.free })).sort((a, b) => b.room - a.room)[0]!;
      if (host.room === 0) return;
      const job = queue.shift()!;
      job.host = host.index;
      job.taken = at;
      hosts[host.index]!.jobs.take(at, () => prepare(job, at));
    }
  };
  const prepare = (job: Job, at: number): void => {
    const { ups } = hosts[job.host]!;
    const keeper = keepers[job.host];
    keeper?.note({ project: job.pipeline.project, pipeline: job.pipeline.id, job: job.name }, at);
    const spare = keeper?.claim(at);
    if (!spare) return ups.take(at, (begins) => up(job, begins));
    job.isHot = true;
    job.upBegins = at;
    job.ready = at + (plant.hotSeconds ?? 0);
    count(hosts[job.host]!.cpu, at, plant.cpuSecondsPerJob);
    events.add(job.ready, (ready) => keeper?.begin(ready));
    events.add(job.ready + job.length, (end) => finish(job, end, spare.beganAt));
  };
  const up = (job: Job, at: number): void => {
    job.upBegins = at;
    instances.take(at, (placed) => {
      const granted = whenAllowed(placed);
      job.quotaWait = placed - at;
      job.apiWait = granted - placed;
      peak.vcpu = Math.max(peak.vcpu, instances.used * plant.vcpuPerInstance);
      peak.securityGroups = Math.max(peak.securityGroups, plant.securityGroup === 'own' ? instances.used : 1);
      count(hosts[job.host]!.cpu, granted, plant.cpuSecondsPerJob);
      holdUp(hosts[job.host]!, granted);
      job.ready = granted + Math.max(plant.upSeconds, plant.bootSeconds);
      events.add(job.ready, (ready) => keepers[job.host]?.begin(ready));
      events.add(job.ready + job.length, (end) => finish(job, end, granted));
    });
    peak.runningJobs = Math.max(
      peak.runningJobs,
      hosts.reduce((sum, h) => sum + h.jobs.used, 0),
    );
    const { jobs, ups, accepted } = hosts[job.host]!;
    const { always, job: each, up: eachUp } = plant.memoryMiB;
    peakMemoryMiB = Math.max(peakMemoryMiB, always + jobs.used * each + (ups.used + accepted.used) * eachUp);
  };
  /** An accepted instance's `up` gives its place back for one of those that only wait. */
  const holdUp = (
    { ups, accepted }: Pick<(typeof hosts)[number], 'ups' | 'accepted'>,
    begins: number,
    onGiven: (at: number) => void = () => undefined,
  ): void => {
    let held = ups;
    let hasEnded = false;
    if (plant.acceptedUps > 0)
      events.add(begins + plant.acceptSeconds, (at) =>
        accepted.take(at, (since) => {
          if (hasEnded) return accepted.release(since);
          held = accepted;
          ups.release(since);
          onGiven(since);
        }),
      );
    events.add(begins + plant.upSeconds, (end) => {
      hasEnded = true;
      held.release(end);
      if (held === ups) onGiven(end);
    });
  };
  const finish = (job: Job, at: number, madeAt: number): void => {
    done.push(job);
    machineSeconds += at - madeAt;
    const { pipeline, stage } = job;
    const left = (open.get(pipeline.id) ?? pipeline.stages[stage]!.length) - 1;
    open.set(pipeline.id, left);
    if (left === 0) comes(pipeline, stage + 1, at);
    const host = hosts[job.host]!;
    host.jobs.release(at);
    host.destroys.take(at, (begins) =>
      events.add(begins + plant.destroySeconds, (end) => {
        host.destroys.release(end);
        instances.release(end);
      }),
    );
    dispatch(at);
  };

  /** How many jobs of a pipeline's stage have not ended. */
  const open = new Map<number, number>();
  const comes = (pipeline: Pipeline, stage: number, at: number): void => {
    const jobs = pipeline.stages[stage];
    if (!jobs) return;
    open.set(pipeline.id, jobs.length);
    const waits = { host: 0, taken: 0, upBegins: 0, quotaWait: 0, apiWait: 0, ready: 0, isHot: false };
    queue.push(...jobs.map((job) => ({ ...job, ...waits, pipeline, stage, arrival: at })));
    dispatch(at);
  };
  for (const pipeline of pipelines(day)) events.add(pipeline.startsAt, (at) => comes(pipeline, 0, at));
  keepers.forEach((keeper) => keeper.start(86_400));
  events.run();
  const ofSpares = (of: 'waited' | 'waitedAtNight' | 'wasted'): number =>
    keepers.reduce((sum, { seconds }) => sum + seconds[of], 0);
  return {
    jobs: done.length,
    readySeconds: spread(done.map((job) => job.ready - job.arrival)),
    waitRunner: spread(done.map((job) => job.taken - job.arrival)),
    waitUp: spread(done.map((job) => job.upBegins - job.taken)),
    waitQuota: spread(done.map((job) => job.quotaWait)),
    waitApi: spread(done.map((job) => job.apiWait)),
    peak,
    peakMemoryMiB,
    hotShare: done.filter(({ isHot }) => isHot).length / Math.max(1, done.length),
    machineSeconds: machineSeconds + done.length * plant.destroySeconds + ofSpares('wasted'),
    waitedSeconds: ofSpares('waited'),
    waitedAtNightSeconds: ofSpares('waitedAtNight'),
    peakCpuShare: Math.max(0, ...hosts.flatMap(({ cpu }) => [...cpu.values()])) / (60 * plant.cores),
  };
}
