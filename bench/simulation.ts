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
  readonly seed: number;
}

export interface Plant {
  readonly hosts: number;
  /** Concurrent jobs each runner takes (`concurrent` in config.toml). */
  readonly concurrentJobs: number;
  /** Concurrent `up`s of one host, and how long one holds its place, seconds. */
  readonly concurrentUps: number;
  readonly upSeconds: number;
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
}

export interface Spread {
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

interface Job {
  readonly arrival: number;
  readonly length: number;
  host: number;
  taken: number;
  upBegins: number;
  quotaWait: number;
  apiWait: number;
  ready: number;
}

type Event = { readonly at: number; readonly run: () => void };

/** Runs one day to its end. Deterministic by its seed. */
export function simulate(day: Day, plant: Plant): Outcome {
  const events = new Timeline();
  const hosts = Array.from({ length: plant.hosts }, () => ({
    jobs: new Places(plant.concurrentJobs),
    ups: new Places(plant.concurrentUps),
    destroys: new Places(plant.concurrentDestroys),
    cpu: new Map<number, number>(),
  }));
  const groups = plant.securityGroup === 'own' ? plant.securityGroupQuota : Infinity;
  const instances = new Places(Math.min(Math.floor(plant.vcpuQuota / plant.vcpuPerInstance), groups));
  const callsPerJob = Object.entries(plant.apiCallsPerJob);
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

  /** Runners poll GitLab: a waiting job goes to the host with the most room. */
  const dispatch = (at: number): void => {
    while (queue.length > 0) {
      const host = hosts.map((h, index) => ({ index, room: h.jobs.free })).sort((a, b) => b.room - a.room)[0]!;
      if (host.room === 0) return;
      const job = queue.shift()!;
      job.host = host.index;
      job.taken = at;
      hosts[host.index]!.jobs.take(at, () => hosts[host.index]!.ups.take(at, (begins) => up(job, begins)));
    }
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
      events.add(granted + plant.upSeconds, (end) => hosts[job.host]!.ups.release(end));
      job.ready = granted + Math.max(plant.upSeconds, plant.bootSeconds);
      events.add(job.ready + job.length, (end) => finish(job, end));
    });
    peak.runningJobs = Math.max(
      peak.runningJobs,
      hosts.reduce((sum, h) => sum + h.jobs.used, 0),
    );
    const { jobs, ups } = hosts[job.host]!;
    const { always, job: each, up: eachUp } = plant.memoryMiB;
    peakMemoryMiB = Math.max(peakMemoryMiB, always + jobs.used * each + ups.used * eachUp);
  };
  const finish = (job: Job, at: number): void => {
    done.push(job);
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

  for (const job of arrivals(day)) {
    events.add(job.arrival, (at) => {
      queue.push(job);
      dispatch(at);
    });
  }
  events.run();
  return {
    jobs: done.length,
    readySeconds: spread(done.map((job) => job.ready - job.arrival)),
    waitRunner: spread(done.map((job) => job.taken - job.arrival)),
    waitUp: spread(done.map((job) => job.upBegins - job.taken)),
    waitQuota: spread(done.map((job) => job.quotaWait)),
    waitApi: spread(done.map((job) => job.apiWait)),
    peak,
    peakMemoryMiB,
    peakCpuShare: Math.max(0, ...hosts.flatMap(({ cpu }) => [...cpu.values()])) / (60 * plant.cores),
  };
}

/** Places for a bounded number; who finds none waits in order of arrival. */
class Places {
  used = 0;
  private readonly waiting: ((at: number) => void)[] = [];
  constructor(private readonly places: number) {}

  get free(): number {
    return this.places - this.used;
  }

  take(at: number, granted: (at: number) => void): void {
    if (this.used >= this.places) {
      this.waiting.push(granted);
      return;
    }
    this.used += 1;
    granted(at);
  }

  release(at: number): void {
    const next = this.waiting.shift();
    if (next) next(at);
    else this.used -= 1;
  }
}

/** A binary heap of events by time. */
class Timeline {
  private readonly heap: Event[] = [];

  add(at: number, run: (at: number) => void): void {
    const { heap } = this;
    heap.push({ at, run: () => run(at) });
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (heap[parent]!.at <= heap[child]!.at) break;
      [heap[parent], heap[child]] = [heap[child]!, heap[parent]!];
      child = parent;
    }
  }

  run(): void {
    for (let event = this.next(); event; event = this.next()) event.run();
  }

  private next(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let parent = 0; ;) {
      const least = [2 * parent + 1, 2 * parent + 2]
        .filter((child) => child < heap.length)
        .sort((a, b) => heap[a]!.at - heap[b]!.at)[0];
      if (least === undefined || heap[parent]!.at <= heap[least]!.at) return first;
      [heap[parent], heap[least]] = [heap[least]!, heap[parent]!];
      parent = least;
    }
  }
}

/** Pipelines over the day: a working day of ten hours with its peak after lunch, and a night. */
function arrivals(day: Day): Job[] {
  const random = generator(day.seed);
  const jobs: Job[] = [];
  while (jobs.length < day.jobs) {
    const at = random() < day.workShare ? 9 * 3600 + ((random() + random()) / 2) * 10 * 3600 : random() * 86_400;
    for (let n = 0; n < day.pipelineJobs && jobs.length < day.jobs; n++) {
      jobs.push({
        arrival: at,
        length: day.jobSeconds * Math.exp(day.jobSpread * normal(random)),
        host: 0,
        taken: 0,
        upBegins: 0,
        quotaWait: 0,
        apiWait: 0,
        ready: 0,
      });
    }
  }
  return jobs;
}

/** Mulberry32: small, seeded, good enough for arrivals. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), p95: at(0.95), max: at(1) };
}
