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
/** Beyond the latest that it came before, at least. */
const SLACK_MS = 60_000;
/** Of that stretch is the pace of the jobs that nothing announces. */
const PACE_MS = 30 * 60_000;
/** For those so many machines wait at most, as a share of those at work: it is what they cost. */
const IDLE_SHARE = 0.04;

interface Pipeline {
  readonly project: string;
  readonly id: number;
  readonly startMs: number;
  lastMs: number;
  readonly jobs: Map<string, Arrival>;
}

/** The next jobs of pipelines that run, as earlier pipelines of their projects went. */
export function expectedJobs(arrivals: readonly Arrival[], present: Present): Expected[] {
  const pipelines = pipelinesOf(arrivals);
  const byProject = new Map<string, Pipeline[]>();
  for (const one of pipelines) byProject.set(one.project, [...(byProject.get(one.project) ?? []), one]);
  return pipelines
    .filter(({ lastMs }) => lastMs > present.nowMs - ALIVE_MS)
    .flatMap((one) => {
      const past = byProject.get(one.project)!.filter(({ startMs }) => startMs < one.startMs);
      return nextJobs(one, past.slice(-PAST), present);
    })
    .filter(({ untilMs }) => untilMs > present.nowMs);
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
      beginMs: atMs + Math.max(0, best.at(0.25) - present.leadMs),
      untilMs: atMs + best.at(0.9) + Math.max(SLACK_MS, best.at(0.9) / 2),
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
 * How many machines wait for jobs that nothing announces, a pipeline's first: as many as came
 * within a boot in the last half hour, nine times of ten, and no more than a share of those at
 * work.
 */
export function unannounced(arrivals: readonly Arrival[], profile: string, present: Present): number {
  const { nowMs, leadMs, running } = present;
  const most = Math.floor(IDLE_SHARE * running(profile));
  if (most === 0) return 0;
  const first = pipelinesOf(arrivals).flatMap(({ startMs, jobs }) =>
    [...jobs.values()].filter((one) => one.profile === profile && one.atMs < startMs + leadMs).map(({ atMs }) => atMs),
  );
  const times = first.filter((atMs) => atMs > nowMs - PACE_MS).sort((a, b) => a - b);
  const together = times
    .map((end) => times.filter((atMs) => atMs > end - leadMs && atMs <= end).length)
    .sort((a, b) => a - b);
  return Math.min(most, together.length === 0 ? 0 : quantile(together, 0.9));
}

/** How many machines of a profile are to wait or be made now. */
export function wantedNow(
  { name, spares }: Pick<Profile, 'name' | 'spares'>,
  arrivals: readonly Arrival[],
  expected: readonly Expected[],
  present: Present,
): number {
  const { nowMs } = present;
  if (!spares || !isWithin(spares.when, new Date(nowMs))) return 0;
  const { keep, max = keep } = spares;
  if (max <= keep) return keep;
  const coming = expected.filter((one) => one.profile === name && one.beginMs <= nowMs).length;
  return Math.min(max, coming + Math.max(keep, unannounced(arrivals, name, present)));
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
export function runningPipelines(
  arrivals: readonly Arrival[],
  nowMs: number,
): readonly Pick<Arrival, 'project' | 'pipeline'>[] {
  return pipelinesOf(arrivals)
    .filter(({ lastMs }) => lastMs > nowMs - ALIVE_MS)
    .map(({ project, id }) => ({ project, pipeline: id }));
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

/** Oldest first; of a job that was run again the first time counts. */
function pipelinesOf(arrivals: readonly Arrival[]): Pipeline[] {
  const found = new Map<string, Pipeline>();
  for (const one of arrivals) {
    const key = `${one.project} ${one.pipeline}`;
    const { project, pipeline: id, atMs } = one;
    const known = found.get(key) ?? { project, id, startMs: atMs, lastMs: atMs, jobs: new Map<string, Arrival>() };
    found.set(key, known);
    known.lastMs = atMs;
    if (!known.jobs.has(one.job)) known.jobs.set(one.job, one);
  }
  return [...found.values()];
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
