import type { CloudInstance } from '../cloud/types';
import type { JobRecord } from '../jobs/types';

/**
 * Everything known of one stack of a job or spare machine, from the four places that can know of
 * it.
 */
export interface Observation {
  readonly stackName: string;
  /** By tag or record; `unknown`: an empty stack in a backend that several hosts share. */
  readonly owner:
    | { readonly kind: 'this-host' }
    | {
        readonly kind: 'other-host';
        readonly executorId: string;
        /** It is another machine of this host's name. */
        readonly isNamesake?: boolean | undefined;
      }
    | { readonly kind: 'unknown' };
  /** Present in the Pulumi backend. */
  readonly inBackend: boolean;
  /** How many instances, key pairs and security groups the cloud has under the stack's tag. */
  readonly inCloud: number;
  readonly instances: readonly CloudInstance[];
  /** Tags of what is in the cloud, for what no record tells. */
  readonly tags: Readonly<Record<string, string>> | undefined;
  /**
   * Since the newest of them was made or the stack was last updated; undefined where neither says.
   */
  readonly ageMs: number | undefined;
  /** The instance's own release time has passed. */
  readonly overdue: boolean;
  readonly record: JobRecord | undefined;
  /** There is a record, but it can't be read: `newer`: a later version of gitlab-spot wrote it. */
  readonly unreadable?: 'damaged' | 'newer' | undefined;
  /**
   * Of a spare machine: the job that has taken it and has a record, or `nobody`. Undefined: nobody
   * has taken it.
   */
  readonly holder?: string | undefined;
  /** A hook or destroyer that works on the job on this host, right now. */
  readonly worker: 'hook' | 'destroyer' | undefined;
  /**
   * Since the record was last touched; `before-boot`: by a process that a restart of the host, or
   * of its container, has ended.
   */
  readonly idle: { readonly ms: number } | 'before-boot' | undefined;
  readonly gitlab:
    | { readonly state: 'running' }
    | { readonly state: 'over'; readonly sinceMs: number }
    | { readonly state: 'unknown' };
}

export interface ReapPolicy {
  /** A job without a worker is taken for dead after this time, milliseconds. */
  readonly graceMs: number;
  /** Also what other hosts made, where GitLab or the release time says that it is over. */
  readonly allHosts: boolean;
  readonly nowMs: number;
}

export interface Decision {
  /**
   * `adopt`: destroy what no record of this host speaks of (its disk was lost). `report`: leave it,
   * but say so.
   */
  readonly action: 'keep' | 'destroy' | 'adopt' | 'report';
  readonly reason: string;
}

/** After GitLab's last word a job of another host may still be cleaning up. */
const OTHER_HOST_GRACE_MS = 15 * 60_000;

/** A keeper comes every five minutes, and first makes another spare. */
const KEEPER_LATE_MS = 15 * 60_000;

/**
 * A hook writes every 30 s while it lives, and the next one starts within seconds. After this long
 * without a sign, the job runs only according to GitLab.
 */
const SILENT_MS = 30 * 60_000;

/**
 * Decides: keep, destroy, adopt or report. Pure, so that every combination can be tested. Never
 * destroys a stack that a hook works on, a job that GitLab calls running (unless its runner is
 * known to have died), or an instance that is kept for inspection. In doubt it keeps, and the
 * instance's own release time ends it.
 */
export function decide(seen: Observation, policy: ReapPolicy): Decision {
  if (seen.worker === 'destroyer') return keep('its destroyer is at work');
  if (seen.worker === 'hook') return keep('a hook is at work');
  if (seen.unreadable) return decideUnreadable(seen, seen.unreadable, policy);
  if (seen.owner.kind !== 'this-host') return decideForeign(seen, policy);
  return seen.record ? decideRecorded(seen, seen.record, policy) : decideUnrecorded(seen, policy);
}

function decideRecorded(seen: Observation, record: JobRecord, policy: ReapPolicy): Decision {
  if (record.phase === 'destroying') {
    if (record.notBefore !== undefined && Date.parse(record.notBefore) > policy.nowMs)
      return keep(`kept for inspection until ${record.notBefore}`);
    return destroy(`the job ended (${record.result}) and its destroy was left undone`);
  }
  if (record.phase === 'spare') return decideSpare(seen, record.until, policy);
  // A runner does not resume a job after a restart, and GitLab needs an hour to notice.
  if (seen.idle === 'before-boot')
    return destroy('the host or its container was restarted, so nothing works on the job any more');
  const idleMs = seen.idle?.ms ?? Infinity;
  if (seen.gitlab.state === 'running') {
    if (!seen.idle || idleMs < Math.max(policy.graceMs, SILENT_MS)) return keep('GitLab says that the job runs');
    return destroy(`${idleSince(idleMs)}: its runner died, and GitLab does not know yet`);
  }
  if (idleMs < policy.graceMs) return keep(`a hook worked on it ${seconds(idleMs)} ago`);
  if (seen.gitlab.state === 'over') return destroy(overSince(seen.gitlab.sinceMs));
  return destroy(idleSince(idleMs));
}

/** The keeper ends a spare; where none works any more, the reaper does. */
function decideSpare({ stackName, holder }: Observation, until: string, policy: ReapPolicy): Decision {
  if (holder === 'nobody') return destroy('the job that took this spare machine is gone');
  if (holder === stackName) return destroy('this spare machine was being given up');
  if (holder !== undefined) return keep(`${holder} is taking this spare machine`);
  if (policy.nowMs < Date.parse(until) + KEEPER_LATE_MS) return keep(`a spare machine, which waits until ${until}`);
  return destroy('no job took this spare machine in time');
}

function decideUnrecorded(seen: Observation, policy: ReapPolicy): Decision {
  if (seen.gitlab.state === 'running') return keep('GitLab says that the job runs');
  if (seen.ageMs !== undefined && seen.ageMs < policy.graceMs) return keep(`it is ${seconds(seen.ageMs)} old`);
  return { action: 'adopt', reason: 'no record on this host names it' };
}

/**
 * The record can't be read, so a hook may still be at work: only what GitLab, the cloud or the
 * release time says of the job's end counts.
 */
function decideUnreadable(
  { gitlab, overdue }: Observation,
  problem: 'damaged' | 'newer',
  policy: ReapPolicy,
): Decision {
  if (problem === 'newer')
    return { action: 'report', reason: 'a later version of gitlab-spot wrote its record; only that may touch it' };
  if (overdue) return { action: 'adopt', reason: 'its record is damaged, and its release time has passed' };
  if (gitlab.state === 'over' && gitlab.sinceMs >= Math.max(policy.graceMs, OTHER_HOST_GRACE_MS))
    return { action: 'adopt', reason: `its record is damaged; ${overSince(gitlab.sinceMs)}` };
  return {
    action: 'report',
    reason: 'its record is damaged, and nothing says that its job is over: its release time ends it',
  };
}

function decideForeign(seen: Observation, policy: ReapPolicy): Decision {
  const whose = seen.owner.kind === 'other-host' ? `it belongs to ${seen.owner.executorId}` : 'no tag says whose it is';
  if (seen.gitlab.state === 'running') return keep('GitLab says that the job runs');
  if (!policy.allHosts) return { action: 'report', reason: `${whose}; --all-hosts reaps it too` };
  if (seen.gitlab.state === 'over' && seen.gitlab.sinceMs >= Math.max(policy.graceMs, OTHER_HOST_GRACE_MS)) {
    return {
      action: 'adopt',
      reason: `${whose}; ${overSince(seen.gitlab.sinceMs)}`,
    };
  }
  if (seen.overdue) return { action: 'adopt', reason: `${whose}; its release time has passed` };
  return { action: 'report', reason: `${whose}, and nothing says that its job is over` };
}

function keep(reason: string): Decision {
  return { action: 'keep', reason };
}

function destroy(reason: string): Decision {
  return { action: 'destroy', reason };
}

/** GitLab gives no time for a job that it no longer has. */
function overSince(ms: number): string {
  return `GitLab says that the job is over${Number.isFinite(ms) ? `, for ${seconds(ms)} now` : ''}`;
}

function idleSince(ms: number): string {
  return Number.isFinite(ms) ? `no hook has worked on it for ${seconds(ms)}` : 'no hook is known to have worked on it';
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
