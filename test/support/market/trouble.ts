import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudControl, InstanceView } from '../../../sandbox/cloud/types';
import { jobIdentity } from '../../../src/jobs/identity';
import { TAG } from '../../../src/jobs/types';
import type { Seeded } from '../seeded';

/** What the cloud does to a job's first tries. Everybody meets the market's weather besides. */
export type Trouble =
  | 'none'
  | 'no stock'
  | 'late shortage'
  | 'throttled'
  | 'price rise'
  | 'interrupted'
  | 'interrupted twice'
  | 'interrupted before it was ready';

const TROUBLES: readonly Trouble[] = [
  'no stock',
  'late shortage',
  'throttled',
  'price rise',
  'interrupted',
  'interrupted twice',
  'interrupted before it was ready',
  'none',
];

/**
 * The provider's pauses after a throttled request grow; with the sandbox's short ones so many take
 * about 15 s.
 */
const THROTTLED_TIMES = 30;

/** Longer than the instance takes to ask again; five minutes at the real cloud. */
const NOTICE_MS = [8_000, 12_000] as const;

export interface TroubledJob {
  readonly name: string;
  readonly trouble: Trouble;
  readonly profile: 'capped' | 'standard';
  readonly interruptions: number;
}

/**
 * Each trouble about equally often, in an order by the seed. An interruption needs a profile that
 * may go to pay-as-you-go at last.
 */
export function troubledJobs(count: number, random: Seeded): readonly TroubledJob[] {
  const troubles = random.shuffled(Array.from({ length: count }, (_, index) => TROUBLES[index % TROUBLES.length]!));
  return troubles.map((trouble, index) => {
    const interruptions = trouble === 'interrupted twice' ? 2 : trouble === 'interrupted' ? 1 : 0;
    const profile =
      interruptions === 2
        ? 'standard'
        : trouble === 'price rise'
          ? 'capped'
          : random.pick(['capped', 'standard'] as const);
    return { name: `job-${index + 1}`, trouble, profile, interruptions };
  });
}

/**
 * A job that is to be interrupted waits for its file, which is there once it was interrupted often
 * enough.
 */
export function pipelineOf(jobs: readonly TroubledJob[], folder: string): string {
  return jobs
    .flatMap(({ name, profile, interruptions }) => [
      `${name}:`,
      `  variables: { SPOT_PROFILE: ${profile} }`,
      '  retry: { max: 2, when: runner_system_failure }',
      '  script:',
      '    - echo begun',
      `    - ${interruptions > 0 ? `until [ -e ${mayEnd(folder, name)} ]; do sleep 0.2; done` : 'sleep 1'}`,
      '    - echo done',
    ])
    .join('\n');
}

const CAP_YUAN_PER_HOUR = 0.3;
/** Above the cap of the profile `capped`. */
const RISEN_YUAN_PER_HOUR = 0.6;

/**
 * So many that a long run's interruptions, each of which is held against its pool for an hour,
 * leave spot pools over.
 */
const STANDARD_TYPES = [
  ...['ecs.c7.xlarge', 'ecs.c8a.xlarge', 'ecs.c8i.xlarge', 'ecs.u1-c1m2.xlarge'],
  ...['ecs.c7.large', 'ecs.c8a.large', 'ecs.g7.large', 'ecs.u1-c1m2.large'],
];

export const profilesPage = `default: standard
profiles:
  standard:
    types: [${STANDARD_TYPES.join(', ')}]
    image: gitlab-spot-java23
    disk: { category: cloud_essd, sizeGiB: 40 }
    spot: { maxPrice: 0.90, protectedHour: auto, fallback: on-demand }
  capped:
    types: [ecs.c7.xlarge, ecs.c8a.xlarge, ecs.u1-c1m2.xlarge]
    image: gitlab-spot-java23
    disk: { category: cloud_essd, sizeGiB: 40 }
    spot: { maxPrice: ${CAP_YUAN_PER_HOUR}, protectedHour: never, fallback: none }
`;

/** In the one folder that instances share with this machine. */
function mayEnd(folder: string, name: string): string {
  return path.join(folder, 'cache', `${name}-may-end`);
}

/** Makes each job's trouble when its time has come. */
export class TroubleMaker {
  private readonly byName: ReadonlyMap<string, TroubledJob>;
  private readonly interrupted = new Map<string, number>();
  private readonly ids = new Map<string, number[]>();
  private readonly work = new Set<Promise<void>>();
  private readonly logs = new Map<number, string>();
  /** When a job's log said that its instance had vanished while Pending. */
  readonly shortages: { readonly id: number; readonly atMs: number }[] = [];
  readonly failures: string[] = [];

  constructor(
    jobs: readonly TroubledJob[],
    private readonly control: CloudControl,
    private readonly random: Seeded,
    private readonly folder: string,
    private readonly serverUrl: () => string,
  ) {
    this.byName = new Map(jobs.map((job) => [job.name, job]));
  }

  /** A job has a number now: its first one meets its trouble. */
  numbered(name: string, id: number): void {
    const known = this.ids.get(name) ?? [];
    if (id === 0 || known.includes(id)) return;
    this.ids.set(name, [...known, id]);
    const job = this.byName.get(name)!;
    if (known.length === 0) this.begin(this.atOnce(job, id));
  }

  /** A job's log goes on. */
  logged(name: string, id: number, text: string): void {
    const before = this.logs.get(id) ?? '';
    this.logs.set(id, before + text);
    if (text.includes('VanishedWhilePending')) this.shortages.push({ id, atMs: Date.now() });
    if (/^begun/m.test(before) || !/^begun/m.test(before + text)) return;
    const job = this.byName.get(name)!;
    if ((this.interrupted.get(name) ?? 0) < job.interruptions) this.begin(this.interrupt(name, id));
    else if (job.interruptions > 0) this.letEnd(name);
  }

  /** How often a job's script was interrupted. */
  interruptionsOf(name: string): number {
    return this.interrupted.get(name) ?? 0;
  }

  async settled(): Promise<void> {
    while (this.work.size > 0) await Promise.all(this.work);
  }

  private begin(work: Promise<void>): void {
    const kept = work
      .catch((error: unknown) => void this.failures.push(String(error)))
      .finally(() => this.work.delete(kept));
    this.work.add(kept);
  }

  private async atOnce({ trouble }: TroubledJob, id: number): Promise<void> {
    const launch = { action: 'RunInstances', match: { InstanceName: this.stackOf(id) } } as const;
    const refused = (code: string) => ({ status: 400, code, message: 'injected' });
    if (trouble === 'no stock')
      await this.control.inject({
        ...launch,
        error: refused('OperationDenied.NoStock'),
        times: this.random.integer(1, 3),
      });
    if (trouble === 'late shortage')
      await this.control.inject({
        ...launch,
        vanishWhilePending: true,
        // Half of them are gone before anybody has seen them.
        ...(this.random.next() < 0.5 ? { vanishAfterMs: 0 } : {}),
        times: this.random.integer(1, 2),
      });
    if (trouble === 'throttled')
      await this.control.inject({ ...launch, error: refused('Throttling.User'), times: THROTTLED_TIMES });
    if (trouble === 'price rise') await this.raisePriceBefore(id);
    if (trouble === 'interrupted before it was ready') {
      const instance = await this.runningInstanceOf(id);
      if (isSpot(instance)) await this.control.interrupt(instance.instanceId, this.random.integer(0, 500));
    }
  }

  /** The pool that the job is about to take gets dearer than its profile allows, for a while. */
  private async raisePriceBefore(id: number): Promise<void> {
    let taken: RegExpExecArray | null = null;
    await until(
      `job ${id} takes a pool`,
      () => (taken = /Taking (\S+) in (\S+),/.exec(this.logs.get(id) ?? '')) !== null,
    );
    const [, instanceType = '', zoneId = ''] = taken ?? [];
    const before = (await this.control.pools()).find(
      (pool) => pool.zoneId === zoneId && pool.instanceType === instanceType,
    )!;
    await this.control.setPool({ zoneId, instanceType }, { spotYuanPerHour: RISEN_YUAN_PER_HOUR });
    await sleep(15_000);
    await this.control.setPool({ zoneId, instanceType }, { spotYuanPerHour: before.spotYuanPerHour });
  }

  private async interrupt(name: string, id: number): Promise<void> {
    const instance = await this.runningInstanceOf(id);
    // What interruptions have left of the market may be pay-as-you-go alone, which is never taken
    // back.
    if (!isSpot(instance)) return this.letEnd(name);
    this.interrupted.set(name, (this.interrupted.get(name) ?? 0) + 1);
    await this.control.interrupt(instance.instanceId, this.random.integer(...NOTICE_MS));
  }

  private letEnd(name: string): void {
    writeFileSync(mayEnd(this.folder, name), '');
  }

  private async runningInstanceOf(id: number): Promise<InstanceView> {
    let found: InstanceView | undefined;
    await until(`an instance of job ${id} runs`, async () => {
      const { instances } = await this.control.leftovers();
      found = instances.find(({ tags, status }) => tags[TAG.job] === String(id) && status === 'Running');
      return found !== undefined;
    });
    return found!;
  }

  private stackOf(id: number): string {
    return jobIdentity(this.serverUrl(), id, 1).stackName;
  }
}

function isSpot({ spotStrategy }: InstanceView): boolean {
  return spotStrategy !== 'NoSpot';
}

/**
 * Stock and prices that change while jobs run: at most a third of the pools is sold out at a time.
 */
export async function changeMarket(control: CloudControl, random: Seeded, signal: AbortSignal): Promise<number> {
  const pools = (await control.pools()).filter(isOurs);
  const soldOut: (typeof pools)[number][] = [];
  let changes = 0;
  while (!signal.aborted) {
    const pool = random.pick(pools);
    const { zoneId, instanceType } = pool;
    if (random.next() < 0.5) {
      const factor = random.integer(80, 140) / 100;
      const spotYuanPerHour = Math.min(
        pool.onDemandYuanPerHour,
        Math.round(pool.spotYuanPerHour * factor * 1000) / 1000,
      );
      await control.setPool({ zoneId, instanceType }, { spotYuanPerHour });
    } else {
      await control.setPool({ zoneId, instanceType }, { stock: 'WithoutStock', onDemandStock: 'WithStock' });
      soldOut.push(pool);
      const back = soldOut.length > pools.length / 3 ? soldOut.shift() : undefined;
      if (back) await control.setPool({ zoneId: back.zoneId, instanceType: back.instanceType }, { stock: 'WithStock' });
    }
    changes++;
    await sleep(500, undefined, { signal }).catch(() => undefined);
  }
  return changes;
}

function isOurs({ instanceType }: { readonly instanceType: string }): boolean {
  return STANDARD_TYPES.includes(instanceType);
}

async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 300_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await holds()); await sleep(50))
    if (Date.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
}
