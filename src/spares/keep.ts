import type { Cloud, CloudInstance } from '../cloud/types';
import { formatDuration } from '../duration';
import { SpotError } from '../errors';
import type { Slot } from '../host/queue';
import { abandoned, givenUp, type Spare } from '../jobs/transitions';
import type { RecordStore } from '../jobs/record-store';
import { TAG, type InstanceFacts, type JobRecord } from '../jobs/types';
import type { Profile, ProfilesPage, Settings } from '../settings/types';
import { beyond, isForecast, isLost, wantsForecast, whyGo } from './decide';
import {
  forecastOf,
  History,
  leadOf,
  LOOK_MS,
  nextLook,
  runningPipelines,
  wantedNow,
  type Arrival,
  type Listed,
  type Memory,
  type Present,
} from './forecast';
import { NoSlotNow } from './make';
import { shapeOf } from './shape';

export interface KeepDependencies {
  readonly settings: Pick<Settings, 'cloud' | 'ssh' | 'executorId' | 'limits'>;
  /** As the page is now. */
  readonly profiles: () => ProfilesPage;
  /** The jobs that came to this host, oldest first. */
  readonly arrivals: () => readonly Arrival[];
  /** GitLab's list of a running pipeline's jobs; left out: it can't be asked. */
  readonly listJobs?: ((project: string, pipeline: number) => Promise<Listed | undefined>) | undefined;
  readonly store: RecordStore;
  readonly cloud: Pick<Cloud, 'findInstances' | 'describeInstance'>;
  /** The id of the profile's newest image; undefined: it can't be asked now. */
  readonly imageId: (profile: Profile) => Promise<string | undefined>;
  /**
   * A person wants none on this host now (`gitlab-spot spares drain`), or no jobs (`gitlab-spot
   * drain`).
   */
  readonly isDrained: () => boolean;
  /** `onCreated`: the cloud has the instance, and another may be created. */
  readonly make: (profile: Profile, onCreated: () => void) => Promise<InstanceFacts>;
  /** Undefined: another keeper of this host is at work. */
  readonly tryAlone: () => Slot | undefined;
  /** Sees to it that what is marked for destruction goes. */
  readonly destroyPending: () => Promise<unknown>;
  /** Waits for jobs that are expected; left out: the keeper ends before they come. */
  readonly pause?: ((ms: number) => Promise<unknown>) | undefined;
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export interface Kept {
  readonly made: readonly string[];
  readonly gone: readonly string[];
  /** Why some could not be made, each once. */
  readonly failed: readonly string[];
}

/**
 * An edited page, or jobs that take what was just made, are handled for this many rounds; then the
 * reaper's timer continues.
 */
const MOST_ROUNDS = 5;
/** Side by side: each holds 430 MB while it is created. */
const MOST_AT_ONCE = 2;
/** After this a new keeper takes over, which reads programs and settings again. */
const LONGEST_WAIT_MS = 20 * 60_000;
/** What the cloud has is asked so often while the keeper waits. */
const SEEN_MS = 60_000;
/** A profile whose pools gave nothing is tried again after that. */
const COOL_MS = 60_000;

/**
 * Keeps the spare machines of this host: makes missing ones, then gives up those that may no longer
 * be used. One keeper works at a time. Another one ends at once, since the first looks for new work
 * before it ends.
 * @returns undefined if another keeper is at work
 */
export async function keepSpares(dependencies: KeepDependencies): Promise<Kept | undefined> {
  const alone = dependencies.tryAlone();
  if (!alone) return undefined;
  const keeper = new Keeper(dependencies);
  try {
    await keeper.run();
  } finally {
    // Another keeper takes what is half made for a dead one's.
    await keeper.atRest();
    alone.release();
  }
  if (dependencies.store.spares().some(({ phase }) => phase === 'destroying')) await dependencies.destroyPending();
  return keeper.kept;
}

class Keeper {
  readonly kept = { made: [] as string[], gone: [] as string[], failed: [] as string[] };
  /** What is under way, by profile; '': the end of some. */
  private readonly working = new Map<Promise<unknown>, string>();
  private readonly lanes = Array.from({ length: MOST_AT_ONCE }, () => Promise.resolve());
  private begun = 0;
  /** A failure that affects every profile: nothing more is begun, and the keeper ends with it. */
  private failure: { readonly error: unknown } | undefined;
  private readonly coolUntil = new Map<string, number>();
  private readonly listed = new Map<string, { readonly atMs: number; readonly jobs: Listed | undefined }>();
  private readonly foreseen: Memory = new Map();
  private lastSeen: { readonly atMs: number; readonly instances: readonly CloudInstance[] } | undefined;

  constructor(private readonly dependencies: KeepDependencies) {}

  async run(): Promise<void> {
    const { store, now, signal, pause } = this.dependencies;
    // Whoever made them is dead: there is one keeper.
    const unfinished = store.spares().filter(({ phase }) => phase === 'preparing');
    unfinished.forEach((record) => store.write(abandoned(record, undefined, now())));
    const endMs = now() + LONGEST_WAIT_MS;
    for (let round = 1; !signal.aborted && !this.failure; round++) {
      const before = this.kept.made.length;
      const { nextMs, staying } = await this.round();
      if (pause && now() < endMs && (nextMs !== undefined || this.working.size > 0)) {
        await Promise.race([...this.working.keys(), pause(Math.min(nextMs ?? LOOK_MS, LOOK_MS))]);
        continue;
      }
      await Promise.all(this.working.keys());
      // A job that took a spare meanwhile found this keeper at work, and relies on one more look.
      const isAsSeen = this.kept.made.length === before && this.stillWait(staying);
      if (isAsSeen || this.failure || round === MOST_ROUNDS) break;
    }
    await this.atRest();
    if (this.failure) throw this.failure.error;
  }

  /** Nothing is under way any more. */
  async atRest(): Promise<void> {
    while (this.working.size > 0) await Promise.all(this.working.keys());
  }

  /**
   * One look at all there is, and what follows from it. @returns when the next is due, milliseconds
   * from now; undefined: no job is expected.
   */
  private async round(): Promise<{ readonly nextMs: number | undefined; readonly staying: readonly Spare[] }> {
    const { store, now, profiles, isDrained, arrivals: read } = this.dependencies;
    const page = profiles();
    const waiting = this.waiting();
    const seen = await this.seen(waiting);
    const history = new History(wantsForecast(page) ? read() : []);
    const present = await this.present(history);
    const forecast = forecastOf(history, present, this.foreseen);
    const wanted = (profile: Profile): number => wantedNow(profile, forecast, present.nowMs);

    const going = new Map<Spare, string>();
    for (const spare of waiting) {
      const reason = await this.whyGo(spare, seen, page);
      if (reason !== undefined) going.set(spare, reason);
    }
    const staying = waiting.filter((spare) => !going.has(spare));
    for (const profile of Object.values(page.profiles)) {
      const own = staying.filter((spare) => spare.profile === profile.name);
      for (const spare of beyond(own, profile, wanted(profile), now()))
        going.set(spare, isForecast(profile) ? 'no job is expected any more' : 'the page wants fewer');
    }
    // A spare whose time is over is of use until another is there.
    const replaced = [...going].filter(([, reason]) => reason === 'nobody came');
    this.giveUp(
      [...going].filter(([, reason]) => reason !== 'nobody came'),
      seen,
    );
    const made = isDrained() ? [] : this.fill(page, staying, wanted);
    if (replaced.length > 0) void this.track(Promise.all(made).then(() => this.giveUp(replaced, seen)));
    if (this.dependencies.pause && store.spares().some(({ phase }) => phase === 'destroying')) this.destroyBeside();
    return { nextMs: isDrained() ? undefined : nextLook(forecast.expected, staying, page, now()), staying };
  }

  private async present(history: History): Promise<Present> {
    const { store, now } = this.dependencies;
    const nowMs = now();
    const records = history.pipelines.length > 0 ? store.list().flatMap(({ record }) => record ?? []) : [];
    await this.askGitLab(history, nowMs);
    return {
      nowMs,
      leadMs: leadOf(records),
      listed: (project, pipeline) => this.listed.get(`${project} ${pipeline}`)?.jobs,
      running: (profile) => records.filter((one) => one.phase === 'running' && one.profile === profile).length,
    };
  }

  /** About each pipeline that runs, once a minute. */
  private async askGitLab(history: History, nowMs: number): Promise<void> {
    const { listJobs } = this.dependencies;
    if (!listJobs) return;
    for (const { key, project, id } of runningPipelines(history, nowMs)) {
      const before = this.listed.get(key);
      if (before && before.atMs > nowMs - SEEN_MS) continue;
      this.listed.set(key, { atMs: nowMs, jobs: await listJobs(project, id).catch(() => undefined) });
    }
  }

  /** Those that nobody has taken; of one that was taken to be given up, that is done. */
  private waiting(): Spare[] {
    const { store } = this.dependencies;
    const isWaiting = (record: JobRecord): record is Spare => record.phase === 'spare';
    return store
      .spares()
      .filter(isWaiting)
      .filter((spare) => {
        const taker = store.takerOf(spare.identity.stackName);
        return taker === undefined || taker === spare.identity.stackName;
      });
  }

  private stillWait(spares: readonly Spare[]): boolean {
    const names = new Set(this.waiting().map(({ identity }) => identity.stackName));
    return spares.every(({ identity }) => names.has(identity.stackName));
  }

  /** Undefined: the cloud can't be asked now, which is no reason to give anything up. */
  private async seen(waiting: readonly Spare[]): Promise<readonly CloudInstance[] | undefined> {
    const { now } = this.dependencies;
    if (waiting.length === 0) return [];
    const newestMs = Math.max(...waiting.map(({ instance }) => Date.parse(instance.readyAt)));
    if (this.lastSeen && this.lastSeen.atMs > Math.max(newestMs, now() - SEEN_MS)) return this.lastSeen.instances;
    const atMs = now();
    const instances = await this.ask(waiting).catch(() => undefined);
    this.lastSeen = instances && { atMs, instances };
    return instances;
  }

  /** One that its tags do not find may only be new, and is asked for by its id. */
  private async ask(waiting: readonly Spare[]): Promise<readonly CloudInstance[]> {
    const { cloud, settings } = this.dependencies;
    const tagged = await cloud.findInstances({ [TAG.kind]: 'spare', [TAG.executor]: settings.executorId });
    const found = new Set(tagged.map(({ instanceId }) => instanceId));
    const missed = waiting.filter(({ instance }) => !found.has(instance.instanceId));
    const byId = await Promise.all(missed.map(({ instance }) => cloud.describeInstance(instance.instanceId)));
    return [...tagged, ...byId.filter((one) => one !== undefined)];
  }

  private async whyGo(
    spare: Spare,
    seen: readonly CloudInstance[] | undefined,
    { profiles }: ProfilesPage,
  ): Promise<string | undefined> {
    const { settings, now, store, isDrained, imageId } = this.dependencies;
    if (store.takerOf(spare.identity.stackName) !== undefined) return 'it was already being given up';
    if (isDrained()) return 'drained';
    if (seen && isLost(spare, seen)) return 'the cloud takes it back';
    const profile = Object.hasOwn(profiles, spare.profile) ? profiles[spare.profile] : undefined;
    return whyGo(spare, {
      profile,
      shape: profile ? shapeOf(profile, settings) : '',
      imageId: profile && (await imageId(profile)),
      nowMs: now(),
    });
  }

  /** A job may take it first; then it stays. */
  private giveUp(going: readonly (readonly [Spare, string])[], seen: readonly CloudInstance[] | undefined): void {
    const { store, log, now } = this.dependencies;
    for (const [spare, reason] of going) {
      const name = spare.identity.stackName;
      if (store.takerOf(name) !== name && !store.take(name, name)) continue;
      if (store.readLenient(name)?.phase !== 'spare') continue;
      log(`${name}: goes (${reason}) after ${formatDuration(now() - Date.parse(spare.instance.readyAt))}`);
      const isGone = seen !== undefined && !seen.some(({ instanceId }) => instanceId === spare.instance.instanceId);
      store.write(givenUp(spare, now(), isGone ? now() : undefined));
      this.kept.gone.push(name);
    }
  }

  /** Begins what is missing. @returns what is under way by that */
  private fill(
    page: ProfilesPage,
    staying: readonly Spare[],
    wanted: (profile: Profile) => number,
  ): Promise<unknown>[] {
    const { now } = this.dependencies;
    return Object.values(page.profiles).flatMap((profile) => {
      if ((this.coolUntil.get(profile.name) ?? 0) > now()) return [];
      const making = [...this.working.values()].filter((name) => name === profile.name).length;
      const there = staying.filter((spare) => spare.profile === profile.name).length + making;
      return Array.from({ length: Math.max(0, wanted(profile) - there) }, () => this.begin(profile));
    });
  }

  /** When a lane is free, as many side by side as slots allow. */
  private begin(profile: Profile): Promise<unknown> {
    const lane = this.begun++ % MOST_AT_ONCE;
    const turn = this.lanes[lane]!;
    let free: () => void = () => undefined;
    this.lanes[lane] = new Promise((resolve) => (free = resolve));
    return this.track(
      turn.then(() => this.make(profile, free)).finally(() => free()),
      profile.name,
    );
  }

  /** The first failure of a profile ends its turn. */
  private async make(profile: Profile, onCreated: () => void): Promise<void> {
    const { now, log, signal } = this.dependencies;
    if (signal.aborted || this.failure || (this.coolUntil.get(profile.name) ?? 0) > now()) return;
    try {
      const { instanceId, pool } = await this.dependencies.make(profile, onCreated);
      log(`${profile.name}: ${instanceId} (${pool.instanceType} in ${pool.zoneId}) waits for a job`);
      this.kept.made.push(instanceId);
    } catch (error) {
      if (!(error instanceof SpotError)) throw error;
      const isBusy = error instanceof NoSlotNow;
      this.coolUntil.set(profile.name, now() + (isBusy ? LOOK_MS : COOL_MS));
      const line = `${profile.name}: ${error.message}`;
      if (!isBusy && !this.kept.failed.includes(line)) this.kept.failed.push(line);
      log(`${profile.name}: no spare machine: ${error.message}`);
    }
  }

  private destroyBeside(): void {
    if (![...this.working.values()].includes('destroyer'))
      void this.track(this.dependencies.destroyPending(), 'destroyer');
  }

  private track(work: Promise<unknown>, name = ''): Promise<unknown> {
    const tracked: Promise<unknown> = work
      .catch((error: unknown) => void (this.failure ??= { error }))
      .finally(() => this.working.delete(tracked));
    this.working.set(tracked, name);
    return tracked;
  }
}
