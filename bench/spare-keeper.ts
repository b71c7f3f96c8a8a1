import { beyond, waitOf } from '../src/spares/decide';
import {
  forecastOf,
  History,
  LOOK_MS,
  nextLook,
  wantedNow,
  type Arrival,
  type Forecast,
  type Memory,
  type Present,
} from '../src/spares/forecast';
import { isWithin, parseHours } from '../src/settings/hours';
import type { Profile } from '../src/settings/types';
import { Places, type Timeline } from './timeline';

/** A host's keeper of spare machines in a simulated day: decided by the product's own functions. */

/** `spares` of the one profile of a simulated day. */
export interface SimulatedSpares {
  readonly keep: number;
  readonly max: number;
  readonly when: string;
}

interface KeeperPlant {
  readonly upSeconds: number;
  readonly bootSeconds: number;
  readonly destroySeconds: number;
}

interface Machine {
  readonly beganAt: number;
  readonly readyAt: number;
  readonly startedAt: string;
  readonly instance: { readonly readyAt: string };
}

/** What spares cost beside the jobs that had them, seconds of a machine. */
interface SpareSeconds {
  waited: number;
  /** Of which between 22:00 and 07:00. */
  waitedAtNight: number;
  /** The whole life of those that nobody came for. */
  wasted: number;
}

const MIDNIGHT = new Date(2026, 10, 24).getTime();
/** As in src/spares/keep.ts. */
const AT_ONCE = 2;
/** The reaper's timer. */
const ROUND_SECONDS = 300;

export class SimulatedKeeper {
  readonly seconds: SpareSeconds = { waited: 0, waitedAtNight: 0, wasted: 0 };
  private readonly profile: Pick<Profile, 'name' | 'spares' | 'spot'>;
  private readonly history = new History();
  private noted = 0;
  private waiting: Machine[] = [];
  private making = 0;
  private readonly memory: Memory = new Map();
  /** Made anew with each job, and every few looks. */
  private forecast: (Forecast & { readonly noted: number; readonly atMs: number }) | undefined;
  private readonly lanes = new Places(AT_ONCE);
  private works = false;

  constructor(
    { keep, max, when }: SimulatedSpares,
    private readonly plant: KeeperPlant,
    private readonly host: {
      readonly events: Timeline;
      readonly ups: Places;
      /** Gives the place of an `up` that begins then back as a job's does, and says when. */
      readonly holdUp: (begins: number, onGiven: (at: number) => void) => void;
      readonly instances: Places;
      readonly running: () => number;
      /** When the API lets an instance be made. */
      readonly allowed: (at: number) => number;
    },
  ) {
    const spares = { keep, max, when: parseHours(when)!, idleMs: 30 * 60_000 };
    this.profile = { name: 'standard', spares, spot: { protectedHour: 'auto' } as Profile['spot'] };
  }

  /** The reaper's rounds, until the day is over. */
  start(endsAt: number): void {
    const { events } = this.host;
    for (let at = 0; at < endsAt; at += ROUND_SECONDS) events.add(at, (now) => this.look(now));
  }

  note(job: Omit<Arrival, 'atMs' | 'profile'>, at: number): void {
    this.history.add({ ...job, atMs: MIDNIGHT + at * 1000, profile: this.profile.name });
    this.noted += 1;
  }

  /** The oldest that waits. */
  claim(at: number): Machine | undefined {
    const one = this.waiting.shift();
    if (one) this.count(one, at);
    return one;
  }

  /** A job's prepare has ended: a keeper begins, unless one works. */
  begin(at: number): void {
    if (!this.works) this.look(at);
  }

  private look(at: number): void {
    const nowMs = MIDNIGHT + at * 1000;
    const present: Present = {
      nowMs,
      leadMs: (this.plant.bootSeconds + 3) * 1000,
      running: this.host.running,
    };
    const { noted } = this;
    if (this.forecast?.noted !== noted || this.forecast.atMs < nowMs - 12 * LOOK_MS)
      this.forecast = { ...forecastOf(this.history, present, this.memory), noted, atMs: nowMs };
    const { forecast } = this;
    const wanted = wantedNow(this.profile, forecast, nowMs);
    const isOver = (one: Machine): boolean =>
      !isWithin(this.profile.spares!.when, new Date(nowMs)) ||
      Date.parse(one.instance.readyAt) + waitOf(this.profile) <= nowMs;
    const going = new Set([...this.waiting.filter(isOver), ...beyond(this.waiting, this.profile, wanted, nowMs)]);
    this.waiting = this.waiting.filter((one) => !going.has(one));
    going.forEach((one) => this.giveUp(one, at));
    for (let missing = wanted - this.waiting.length - this.making; missing > 0; missing--) if (!this.make(at)) break;
    const page = { profiles: { standard: this.profile as Profile } };
    const there = this.waiting.map(() => ({ profile: this.profile.name }));
    const nextMs = nextLook(forecast.expected, there, page, nowMs);
    if (nextMs === undefined && this.making === 0) return void (this.works = false);
    if (this.works) return;
    this.works = true;
    this.host.events.add(at + Math.min(nextMs ?? LOOK_MS, LOOK_MS) / 1000, (later) => {
      this.works = false;
      this.look(later);
    });
  }

  /** False: no slot is free now, or the account has no room. */
  private make(at: number): boolean {
    const { lanes } = this;
    const { events, ups, instances, holdUp } = this.host;
    if (lanes.free === 0 || ups.free === 0 || instances.free === 0) return false;
    this.making += 1;
    for (const one of [lanes, ups, instances]) one.take(at, () => undefined);
    const beganAt = this.host.allowed(at);
    holdUp(beganAt, (at) => lanes.release(at));
    events.add(beganAt + Math.max(this.plant.upSeconds, this.plant.bootSeconds), (readyAt) => {
      this.making -= 1;
      const iso = (seconds: number): string => new Date(MIDNIGHT + seconds * 1000).toISOString();
      this.waiting.push({ beganAt, readyAt, startedAt: iso(beganAt), instance: { readyAt: iso(readyAt) } });
    });
    return true;
  }

  private giveUp(one: Machine, at: number): void {
    this.count(one, at);
    this.seconds.wasted += at - one.beganAt + this.plant.destroySeconds;
    this.host.events.add(at + this.plant.destroySeconds, (end) => this.host.instances.release(end));
  }

  private count({ readyAt }: Machine, at: number): void {
    this.seconds.waited += at - readyAt;
    const night = (from: number, to: number): number => Math.max(0, Math.min(at, to) - Math.max(readyAt, from));
    const hour = 3600;
    this.seconds.waitedAtNight += night(0, 7 * hour) + night(22 * hour, 31 * hour);
  }
}
