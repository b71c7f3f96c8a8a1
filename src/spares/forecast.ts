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

/** A job that has not come yet, and a machine of its own would be in time for it. */
export interface Expected {
  readonly profile: string;
  /** From then on its machine is made, milliseconds since the epoch. */
  readonly beginMs: number;
  /** It does not come any more. */
  readonly untilMs: number;
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
/** One that was quiet for so long has had all its jobs. */
const QUIET_MS = 15 * 60_000;
/** So many earlier pipelines of the project tell. */
const PAST = 20;
/** A job that came in fewer of them is not expected, unless GitLab lists it. */
const SHARE = 0.5;
/** Beyond the latest that it came before. */
const SLACK_MS = 60_000;
/** Of that stretch is the pace of the jobs that nothing announces. */
const PACE_MS = 30 * 60_000;
/** For those so many machines wait at most, as a share of those at work: it is what they cost. */
const IDLE_SHARE = 0.04;

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
  /** How many machines of a profile wait for jobs that nothing announces. */
  readonly unannounced: (profile: string) => number;
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
  return { expected, unannounced: (profile) => unannounced(history.pipelines, profile, present) };
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
  return { anchor, at, spreadMs: at(0.9) - at(0.1) };
}

/**
 * Of a pipeline's first jobs as many as came within a boot in the last half hour, nine times of
 * ten, and no more than a share of the machines at work.
 */
function unannounced(pipelines: readonly Pipeline[], profile: string, present: Present): number {
  const { nowMs, leadMs, running } = present;
  const most = Math.floor(IDLE_SHARE * running(profile));
  if (most === 0) return 0;
  const recent = pipelines.filter(({ lastMs }) => lastMs > nowMs - PACE_MS);
  const first = recent.flatMap(({ startMs, jobs }) =>
    [...jobs.values()].filter((one) => one.profile === profile && one.atMs < startMs + leadMs).map(({ atMs }) => atMs),
  );
  const times = first.filter((atMs) => atMs > nowMs - PACE_MS).sort((a, b) => a - b);
  let begin = 0;
  const together = times
    .map((atMs, index) => {
      while (times[begin]! <= atMs - leadMs) begin += 1;
      return index - begin + 1;
    })
    .sort((a, b) => a - b);
  return Math.min(most, together.length === 0 ? 0 : quantile(together, 0.9));
}

/** How many machines of a profile are to wait or be made now. */
export function wantedNow(
  { name, spares }: Pick<Profile, 'name' | 'spares'>,
  { expected, unannounced }: Forecast,
  nowMs: number,
): number {
  if (!spares || !isWithin(spares.when, new Date(nowMs))) return 0;
  const { keep, max = keep } = spares;
  if (max <= keep) return keep;
  const coming = expected.filter((one) => one.profile === name && one.beginMs <= nowMs).length;
  return Math.min(max, coming + Math.max(keep, unannounced(name)));
}

/** A keeper that waits for jobs looks again so often. */
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
