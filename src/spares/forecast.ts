import { isWithin } from '../settings/hours';
import type { JobRecord } from '../jobs/types';
import type { Profile, ProfilesPage } from '../settings/types';
import { isForecast } from './decide';

/** Which jobs a host will have soon, from those that it had: pure. */

/** A job that came to this host. */
export interface Arrival {
  readonly atMs: number;
  /** GitLab's host and the project's id. */
  readonly project: string;
  readonly pipeline: number;
  readonly job: string;
  readonly profile: string;
}

/** A job that is expected, early enough to make a machine for it. */
export interface Expected {
  readonly profile: string;
  /** From then on its machine is made, milliseconds since the epoch. */
  readonly beginMs: number;
  /** It does not come any more. */
  readonly untilMs: number;
  /** How likely a machine that is begun at that time is wanted once it is there: 0 to 1. */
  readonly chance: (nowMs: number) => number;
}

/** What GitLab's list of a pipeline says of a job by its name: it will run, or it will not. */
export type Listed = ReadonlyMap<string, 'coming' | 'over'>;

export interface Present {
  readonly nowMs: number;
  /** From a spare's begin until it waits. */
  readonly leadMs: number;
  /** GitLab's list of a pipeline; undefined: it was not asked. */
  readonly listed?: ((project: string, pipeline: number) => Listed | undefined) | undefined;
  /** How many jobs of a profile have a machine on this host now. */
  readonly running: (profile: string) => number;
}

/** A pipeline whose last job came longer ago has no next one. */
const ALIVE_MS = 2 * 3_600_000;
/** A pipeline without a new job for this long has had all its jobs. */
const QUIET_MS = 15 * 60_000;
/** How many earlier pipelines of the project are looked at. */
const PAST = 20;
/** A job that came in fewer of them is not expected, unless GitLab lists it. */
const SHARE = 0.5;
/** Beyond the latest that it came before. */
const SLACK_MS = 60_000;
/** The rate of jobs that nothing announces is measured over this time. */
const PACE_MS = 30 * 60_000;
/** However often a job came at its time, it may come later, or not at all. */
const DOUBT = 0.3;
/** This share of the machines at work waits in addition, for more jobs than the average. */
const IDLE_SHARE = 0.03;
/**
 * This many of the next jobs get a machine each when they are due, however few jobs are expected in
 * all.
 */
const EACH_ITS_OWN = 3;

interface Pipeline {
  readonly key: string;
  readonly project: string;
  readonly id: number;
  readonly startMs: number;
  lastMs: number;
  readonly jobs: Map<string, Arrival>;
}

/** What a look at the jobs that came tells of those to come. */
export interface Forecast {
  /** The next jobs of pipelines that run. */
  readonly expected: readonly Expected[];
  /** How many jobs of a profile that nothing announces come within one boot, on average. */
  readonly unannounced: (profile: string) => number;
  /** How many jobs of a profile have a machine on this host now. */
  readonly running: (profile: string) => number;
}

/** What was foreseen when a pipeline had its last job, by pipeline: it is not asked anew. */
export type Memory = Map<
  string,
  { readonly jobs: number; readonly listed: Listed | undefined; readonly expected: Expected[] }
>;

/** As earlier pipelines of a project went, so do those that run. */
export function forecastOf(history: History, present: Present, memory: Memory = new Map()): Forecast {
  const expected = history.pipelines
    .filter(({ lastMs }) => lastMs > present.nowMs - ALIVE_MS)
    .flatMap((one) => {
      const [jobs, listed] = [one.jobs.size, present.listed?.(one.project, one.id)];
      const before = memory.get(one.key);
      if (before?.jobs === jobs && before.listed === listed) return before.expected;
      const next = nextJobs(one, history.before(one).slice(-PAST), present);
      memory.set(one.key, { jobs, listed, expected: next });
      return next;
    })
    .filter(({ untilMs }) => untilMs > present.nowMs);
  return {
    expected,
    unannounced: (profile) => unannounced(history.pipelines, profile, present),
    running: present.running,
  };
}

function nextJobs(one: Pipeline, past: readonly Pipeline[], present: Present): Expected[] {
  const listed = present.listed?.(one.project, one.id);
  const names = new Set(past.flatMap(({ jobs }) => [...jobs.keys()]));
  return [...names].flatMap((name) => {
    if (one.jobs.has(name) || (listed && listed.get(name) !== 'coming')) return [];
    const best = [...one.jobs.values()]
      .flatMap((anchor) => delays(name, anchor, past, listed !== undefined, present.nowMs) ?? [])
      .sort((a, b) => a.spreadMs - b.spreadMs)[0];
    // A machine that comes later than its job is of no use: the job makes its own meanwhile.
    if (!best || best.at(0.75) < present.leadMs) return [];
    const { atMs } = best.anchor;
    return {
      profile: past.findLast(({ jobs }) => jobs.has(name))!.jobs.get(name)!.profile,
      beginMs: atMs + Math.max(0, best.at(0.5) - present.leadMs),
      untilMs: atMs + best.at(0.9) + SLACK_MS,
      chance: (nowMs: number) => chanceOf(best, nowMs - atMs, present.leadMs),
    };
  });
}

/** How long after another job it came in earlier pipelines; undefined: not often enough. */
function delays(name: string, anchor: Arrival, past: readonly Pipeline[], isListed: boolean, nowMs: number) {
  const known = past.filter(
    ({ jobs, lastMs }) => jobs.has(anchor.job) && (jobs.has(name) || lastMs < nowMs - QUIET_MS),
  );
  const after = known
    .filter(({ jobs }) => jobs.has(name))
    .map(({ jobs }) => jobs.get(name)!.atMs - jobs.get(anchor.job)!.atMs)
    .filter((ms) => ms >= 0)
    .sort((a, b) => a - b);
  if (after.length === 0 || (!isListed && after.length < known.length * SHARE)) return undefined;
  const at = (share: number): number => quantile(after, share);
  return { anchor, at, after, without: isListed ? 0 : known.length - after.length, spreadMs: at(0.9) - at(0.1) };
}

/** Of the earlier pipelines in which it had not come by then, in how many it came soon after. */
function chanceOf(
  past: { readonly after: readonly number[]; readonly without: number },
  sinceMs: number,
  leadMs: number,
) {
  const later = past.after.filter((ms) => ms > sinceMs);
  const soon = later.filter((ms) => ms <= sinceMs + leadMs);
  return soon.length / (later.length + past.without + DOUBT);
}

/** A pipeline's first jobs, which came within a boot of its begin: their pace of late. */
function unannounced(pipelines: readonly Pipeline[], profile: string, { nowMs, leadMs }: Present): number {
  const first = pipelines
    .filter(({ startMs }) => startMs > nowMs - PACE_MS)
    .flatMap(({ startMs, jobs }) =>
      [...jobs.values()].filter((one) => one.profile === profile && one.atMs < startMs + leadMs),
    );
  return (first.length * leadMs) / PACE_MS;
}

/**
 * How many machines of a profile are to wait or be made now. Any job may take any of them, so what
 * counts is how many come in all.
 */
export function wantedNow(
  { name, spares }: Pick<Profile, 'name' | 'spares'>,
  { expected, unannounced, running }: Forecast,
  nowMs: number,
): number {
  if (!spares || !isWithin(spares.when, new Date(nowMs))) return 0;
  const { keep, max = keep } = spares;
  if (max <= keep) return keep;
  const own = expected.filter((one) => one.profile === name);
  const announced = own.reduce((sum, { chance }) => sum + chance(nowMs), 0);
  // Those that always wait are for jobs that nothing announces.
  const others = Math.max(0, unannounced(name) - keep);
  const coming = Math.round(announced + others + IDLE_SHARE * running(name));
  const due = own.filter(({ beginMs }) => beginMs <= nowMs).length;
  return Math.min(max, keep + Math.max(coming, Math.min(due, EACH_ITS_OWN)));
}

/** How often a keeper that waits for jobs looks again. */
export const LOOK_MS = 5_000;
/** For a job that is expected later no keeper waits: the timer's next round is earlier. */
const HORIZON_MS = 10 * 60_000;

/**
 * When a keeper that waits has something to do, milliseconds from now; undefined: nothing is to
 * come.
 * @param there the spares that wait
 */
export function nextLook(
  expected: readonly Expected[],
  there: readonly { readonly profile: string }[],
  { profiles }: Pick<ProfilesPage, 'profiles'>,
  nowMs: number,
): number | undefined {
  const forecast = new Set(
    Object.values(profiles)
      .filter(isForecast)
      .map(({ name }) => name),
  );
  if (there.some(({ profile }) => forecast.has(profile))) return LOOK_MS;
  const begins = expected.filter(({ profile }) => forecast.has(profile)).map(({ beginMs }) => beginMs - nowMs);
  const next = Math.min(...begins);
  return next < HORIZON_MS ? Math.max(next, LOOK_MS / 5) : undefined;
}

/** Pipelines that may have more jobs. */
export function runningPipelines({ pipelines }: History, nowMs: number): readonly Pipeline[] {
  return pipelines.filter(({ lastMs }) => lastMs > nowMs - ALIVE_MS);
}

/** A boot, before one was seen. */
const USUAL_LEAD_MS = 40_000;
/** From a keeper's decision until the cloud has accepted the instance. */
const BEFORE_MS = 3_000;

/** How long a machine takes on this host, as the records of those that are there tell. */
export function leadOf(records: readonly JobRecord[]): number {
  const times = records
    .flatMap((one) => {
      const isMade = one.phase === 'spare' || (one.phase === 'running' && one.spare === undefined);
      return isMade ? Date.parse(one.instance.readyAt) - Date.parse(one.instance.createdAt) : [];
    })
    // A clock was set meanwhile.
    .filter((ms) => ms >= 0)
    .sort((a, b) => a - b);
  return times.length === 0 ? USUAL_LEAD_MS : quantile(times, 0.5) + BEFORE_MS;
}

/** The jobs that came, by pipeline. */
export class History {
  /** Oldest first. */
  readonly pipelines: Pipeline[] = [];
  private readonly byKey = new Map<string, Pipeline>();
  private readonly byProject = new Map<string, Pipeline[]>();

  constructor(arrivals: readonly Arrival[] = []) {
    arrivals.forEach((one) => this.add(one));
  }

  /** Oldest first; of a job that is run again the first time counts. */
  add(one: Arrival): void {
    const key = `${one.project} ${one.pipeline}`;
    const known = this.byKey.get(key) ?? this.begin(key, one);
    known.lastMs = one.atMs;
    if (!known.jobs.has(one.job)) known.jobs.set(one.job, one);
  }

  /** Pipelines of the same project that began earlier. */
  before({ project, startMs }: Pipeline): readonly Pipeline[] {
    return (this.byProject.get(project) ?? []).filter((one) => one.startMs < startMs);
  }

  private begin(key: string, { project, pipeline: id, atMs }: Arrival): Pipeline {
    const one = { key, project, id, startMs: atMs, lastMs: atMs, jobs: new Map<string, Arrival>() };
    this.byKey.set(key, one);
    this.pipelines.push(one);
    const ofProject = this.byProject.get(project);
    if (ofProject) ofProject.push(one);
    else this.byProject.set(project, [one]);
    return one;
  }
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
