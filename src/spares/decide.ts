import type { CloudInstance } from '../cloud/types';
import type { Spare } from '../jobs/transitions';
import { protectedHours } from '../placement/rank';
import { isWithin } from '../settings/hours';
import type { Profile, ProfilesPage } from '../settings/types';

/** Which spare machine a job may take, and which goes: pure. */

const HOUR_MS = 3_600_000;
/** At least this much of a protected hour must be left for a job. Most jobs take minutes. */
const PROTECTED_LEFT_MS = HOUR_MS / 3;
/** A spare with a protected hour waits no longer than this, so that as much is left of it. */
const LONGEST_PROTECTED_WAIT_MS = HOUR_MS / 2;

/** How long a spare of that profile waits at most, in milliseconds. */
export function waitOf({ spares, spot }: Pick<Profile, 'spares' | 'spot'>): number {
  const idleMs = spares?.idleMs ?? 0;
  return spot.protectedHour === 'never' ? idleMs : Math.min(idleMs, LONGEST_PROTECTED_WAIT_MS);
}

export interface Wanted {
  readonly profile: Profile;
  /** The profile's, as page and settings are now. */
  readonly shape: string;
  /** The newest of the profile's image; undefined: it could not be asked. */
  readonly imageId: string | undefined;
  /** The job's own limit, milliseconds; left out: of any job. */
  readonly timeoutMs?: number;
  readonly nowMs: number;
}

/** Why a spare does not suit such a job; undefined: it does. */
export function unfit(spare: Spare, { profile, shape, imageId, timeoutMs = 0, nowMs }: Wanted): string | undefined {
  if (spare.profile !== profile.name) return `it is of profile ${spare.profile}`;
  if (spare.shape !== shape) return 'page or settings have changed since it was made';
  if (imageId !== undefined && spare.imageId !== imageId) return `there is a newer image ${profile.image}`;
  if (protectedHours(profile, timeoutMs) === 1 && protectedLeftMs(spare, nowMs) < PROTECTED_LEFT_MS)
    return 'too little of its protected hour is left';
  return undefined;
}

/** The cloud takes no pay-as-you-go instance back. */
function protectedLeftMs({ instance }: Spare, nowMs: number): number {
  if (instance.pool.market === 'on-demand') return Infinity;
  return Date.parse(instance.createdAt) + (instance.durationHours ?? 0) * HOUR_MS - nowMs;
}

/**
 * Why an untaken spare should be given up, although a job could still take it until that happens;
 * undefined: it stays.
 */
export function whyGo(
  spare: Spare,
  wanted: Omit<Wanted, 'profile'> & { readonly profile: Profile | undefined },
): string | undefined {
  const { profile, nowMs } = wanted;
  if (profile?.spares === undefined) return 'the page wants no spares of its profile';
  const reason = unfit(spare, { ...wanted, profile });
  if (reason !== undefined) return reason;
  if (!isWithin(profile.spares.when, new Date(nowMs))) return 'its hours are over';
  return Date.parse(spare.until) <= nowMs ? 'nobody came' : undefined;
}

/**
 * The cloud no longer has it, or is about to take it back. `seen`: what it has, by the spare's
 * tags or id.
 */
export function isLost({ instance }: Spare, seen: readonly CloudInstance[]): boolean {
  const one = seen.find(({ instanceId }) => instanceId === instance.instanceId);
  return one === undefined || one.recycling || one.status === 'Stopping' || one.status === 'Stopped';
}

/** It has spares for jobs that are expected, beside those that always wait. */
export function isForecast({ spares }: Pick<Profile, 'spares'>): boolean {
  return spares?.max !== undefined && spares.max > spares.keep;
}

/** Jobs that come to this host tell which follow. */
export function wantsForecast({ profiles }: Pick<ProfilesPage, 'profiles'>): boolean {
  return Object.values(profiles).some(isForecast);
}

/** A spare whose job did not come waits this long for another one. */
const SURPLUS_MS = 60_000;

/** Those of a profile that are more than wanted, the oldest first. */
export function beyond<One extends { readonly startedAt: string; readonly instance: { readonly readyAt: string } }>(
  spares: readonly One[],
  profile: Pick<Profile, 'spares'>,
  wanted: number,
  nowMs: number,
): readonly One[] {
  const oldest = [...spares].sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  const surplus = oldest.slice(0, Math.max(0, oldest.length - wanted));
  if (!isForecast(profile)) return surplus;
  return surplus.filter(({ instance }) => Date.parse(instance.readyAt) <= nowMs - SURPLUS_MS);
}
