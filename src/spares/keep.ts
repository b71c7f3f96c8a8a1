import type { Cloud, CloudInstance } from '../cloud/types';
import { formatDuration } from '../duration';
import { SpotError } from '../errors';
import type { Slot } from '../host/queue';
import { abandoned, givenUp, type Spare } from '../jobs/transitions';
import type { RecordStore } from '../jobs/record-store';
import { TAG, type InstanceFacts, type JobRecord } from '../jobs/types';
import type { Profile, ProfilesPage, Settings } from '../settings/types';
import { beyond, isLost, missing, whyGo } from './decide';
import { NoSlotNow } from './make';
import { shapeOf } from './shape';

export interface KeepDependencies {
  readonly settings: Pick<Settings, 'cloud' | 'ssh' | 'executorId' | 'limits'>;
  readonly profiles: ProfilesPage;
  readonly store: RecordStore;
  readonly cloud: Pick<Cloud, 'findInstances'>;
  /** The id of the profile's newest image; undefined: it can't be asked now. */
  readonly imageId: (profile: Profile) => Promise<string | undefined>;
  /** A person wants none on this host now (`gitlab-spot spares drain`). */
  readonly isDrained: () => boolean;
  readonly make: (profile: Profile) => Promise<InstanceFacts>;
  /** Undefined: another keeper of this host is at work. */
  readonly tryAlone: () => Slot | undefined;
  /** Sees to it that what is marked for destruction goes. */
  readonly destroyPending: () => Promise<unknown>;
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
 * A page that is edited, or jobs that take what was just made, are seen by so many rounds; then the
 * timer's next one goes on.
 */
const MOST_ROUNDS = 5;
/** Side by side: each holds 430 MB while it is created. */
const MOST_AT_ONCE = 2;

/**
 * Keeps the spare machines of this host: makes those that are missing, then gives up those that
 * nobody may have any more. One keeper works at a time; another ends at once, since the first looks
 * again before it goes.
 * @returns undefined where another keeper does it.
 */
export async function keepSpares(dependencies: KeepDependencies): Promise<Kept | undefined> {
  const alone = dependencies.tryAlone();
  if (!alone) return undefined;
  const kept: { made: string[]; gone: string[]; failed: string[] } = { made: [], gone: [], failed: [] };
  try {
    for (let round = 0; round < MOST_ROUNDS && !dependencies.signal.aborted; round++) {
      const { made, gone, failed } = await new Round(dependencies).run();
      kept.made.push(...made);
      kept.gone.push(...gone);
      for (const one of failed) if (!kept.failed.includes(one)) kept.failed.push(one);
      // Whoever took one while others were made found this keeper at work, and relies on another
      // look.
      if (made.length === 0) break;
    }
  } finally {
    alone.release();
  }
  if (dependencies.store.spares().some(({ phase }) => phase === 'destroying')) await dependencies.destroyPending();
  return kept;
}

/** One look at all there is, and what follows from it. */
class Round {
  private readonly imageIds = new Map<string, string | undefined>();

  constructor(private readonly dependencies: KeepDependencies) {}

  async run(): Promise<Kept> {
    const { store, now } = this.dependencies;
    // Whoever made them is dead: there is one keeper.
    const unfinished = store.spares().filter(({ phase }) => phase === 'preparing');
    unfinished.forEach((record) => store.write(abandoned(record, undefined, now())));
    const waiting = this.waiting();
    const seen = await this.seen(waiting);
    const going = new Map<Spare, string>();
    for (const spare of waiting) {
      const reason = await this.whyGo(spare, seen);
      if (reason !== undefined) going.set(spare, reason);
    }
    const staying = waiting.filter((spare) => !going.has(spare));
    for (const spare of this.tooMany(staying)) going.set(spare, 'the page wants fewer');
    // A spare whose time is over is of use until another is there.
    const replaced = [...going].filter(([, reason]) => reason === 'nobody came');
    const gone = this.giveUp(
      [...going].filter(([, reason]) => reason !== 'nobody came'),
      seen,
    );
    const { made, failed } = await this.fill(staying);
    return { made, failed, gone: [...gone, ...this.giveUp(replaced, seen)] };
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

  /** Undefined: the cloud can't be asked now, which is no reason to give anything up. */
  private async seen(waiting: readonly Spare[]): Promise<readonly CloudInstance[] | undefined> {
    const { cloud, settings } = this.dependencies;
    if (waiting.length === 0) return [];
    return cloud.findInstances({ [TAG.kind]: 'spare', [TAG.executor]: settings.executorId }).catch(() => undefined);
  }

  private async whyGo(spare: Spare, seen: readonly CloudInstance[] | undefined): Promise<string | undefined> {
    const { profiles, settings, now, store, isDrained } = this.dependencies;
    if (store.takerOf(spare.identity.stackName) !== undefined) return 'it was to go before';
    if (isDrained()) return 'drained';
    if (seen && isLost(spare, seen)) return 'the cloud takes it back';
    const profile = Object.hasOwn(profiles.profiles, spare.profile) ? profiles.profiles[spare.profile] : undefined;
    return whyGo(spare, {
      profile,
      shape: profile ? shapeOf(profile, settings) : '',
      imageId: profile && (await this.imageId(profile)),
      nowMs: now(),
    });
  }

  private async imageId(profile: Profile): Promise<string | undefined> {
    if (!this.imageIds.has(profile.name)) this.imageIds.set(profile.name, await this.dependencies.imageId(profile));
    return this.imageIds.get(profile.name);
  }

  private tooMany(staying: readonly Spare[]): readonly Spare[] {
    return Object.values(this.dependencies.profiles.profiles).flatMap((profile) =>
      beyond(
        staying.filter((spare) => spare.profile === profile.name),
        profile,
      ),
    );
  }

  /** A job may be faster: then it is the job's. @returns the names of those that go */
  private giveUp(going: readonly (readonly [Spare, string])[], seen: readonly CloudInstance[] | undefined): string[] {
    const { store, log, now } = this.dependencies;
    return going.flatMap(([spare, reason]) => {
      const name = spare.identity.stackName;
      if (store.takerOf(name) !== name && !store.take(name, name)) return [];
      log(`${name}: goes (${reason}) after ${formatDuration(now() - Date.parse(spare.instance.readyAt))}`);
      const isGone = seen !== undefined && !seen.some(({ instanceId }) => instanceId === spare.instance.instanceId);
      store.write(givenUp(spare, now(), isGone ? now() : undefined));
      return [name];
    });
  }

  /** As many side by side as slots allow; the first failure of a profile ends its turn. */
  private async fill(staying: readonly Spare[]): Promise<Pick<Kept, 'made' | 'failed'>> {
    const { profiles, now, log, isDrained } = this.dependencies;
    const made: string[] = [];
    const failed: string[] = [];
    if (isDrained()) return { made, failed };
    const there = new Map<string, number>();
    for (const { profile } of staying) there.set(profile, (there.get(profile) ?? 0) + 1);
    const wanted = [...missing(profiles, there, now())].flatMap(([name, count]) =>
      Array.from({ length: count }, () => profiles.profiles[name]!),
    );
    const given = new Set<string>();
    const worker = async (): Promise<void> => {
      for (let profile = wanted.shift(); profile !== undefined; profile = wanted.shift()) {
        if (given.has(profile.name)) continue;
        try {
          const { instanceId, pool } = await this.dependencies.make(profile);
          log(`${profile.name}: ${instanceId} (${pool.instanceType} in ${pool.zoneId}) waits for a job`);
          made.push(instanceId);
        } catch (error) {
          given.add(profile.name);
          if (!(error instanceof SpotError)) throw error;
          if (!(error instanceof NoSlotNow)) failed.push(`${profile.name}: ${error.message}`);
          log(`${profile.name}: no spare machine: ${error.message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: MOST_AT_ONCE }, worker));
    return { made, failed };
  }
}
