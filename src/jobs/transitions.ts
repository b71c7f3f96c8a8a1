import type { InstanceFacts, JobRecord, LossReason, Pool, StageResult } from './types';

/**
 * A job's phases, and every way from one to the next: who may go where, with what.
 *
 *     preparing ──ready──> running ──lost──> lost
 *         │  (handedOver)     │                │
 *         └──────── ended, abandoned, removed ─┴──> destroying ──> (forgotten)
 *
 * A spare machine: preparing ──spareReady──> spare ──givenUp──> destroying. A job that claims one
 * is handed its instance, and the spare's own record goes.
 *
 * Pure: each takes a record and a time (milliseconds since the epoch) and gives the next record.
 * Prepare, run, cleanup, the destroyer and the reaper call these, and write what they give. A
 * record never goes back.
 */

export type Preparing = Extract<JobRecord, { phase: 'preparing' }>;
export type Spare = Extract<JobRecord, { phase: 'spare' }>;
export type Running = Extract<JobRecord, { phase: 'running' }>;
export type Lost = Extract<JobRecord, { phase: 'lost' }>;
export type Destroying = Extract<JobRecord, { phase: 'destroying' }>;
/** Every phase in which an instance may still serve. */
export type Alive = Preparing | Spare | Running | Lost;

/** What is known of a job before it has a record; what is left out is not known. */
export type JobFacts = Pick<JobRecord, 'identity' | 'executorId'> &
  Partial<
    Pick<
      JobRecord,
      | 'serverUrl'
      | 'project'
      | 'projectId'
      | 'reservedYuan'
      | 'ref'
      | 'verified'
      | 'jobName'
      | 'userLogin'
      | 'profile'
      | 'timeoutMs'
      | 'startedAt'
      | 'keepMs'
      | 'releaseAt'
      | 'hookPid'
      | 'jobKey'
      | 'spare'
    >
  >;

/** The first record of a job: planned, with nothing in the cloud yet. */
export function planned(facts: JobFacts, nowMs: number): Preparing {
  return {
    version: 2,
    phase: 'preparing',
    serverUrl: '',
    project: '',
    ref: '',
    jobName: '',
    userLogin: '',
    profile: '',
    timeoutMs: 0,
    startedAt: iso(nowMs),
    releaseAt: undefined,
    hookPid: undefined,
    tried: [],
    stages: [],
    ...facts,
    heartbeatAt: iso(nowMs),
  };
}

/** The hook that works on the job is alive. */
export function beaten<R extends JobRecord>(record: R, nowMs: number, hookPid = record.hookPid): R {
  return { ...record, hookPid, heartbeatAt: iso(nowMs) };
}

/** The hook was told to end while it prepared. */
export function cutOff(record: Preparing): Preparing {
  return { ...record, cutOff: true };
}

/** What the job may cost at most is taken from its budgets, yuan or what the account pays in. */
export function reserved(record: Preparing, reservedYuan: number | undefined): Preparing {
  return { ...record, reservedYuan };
}

/**
 * A pool is asked for an instance, which releases itself at `releaseAt` (ISO). From here on there
 * may be a stack.
 */
export function launching(record: Preparing, releaseAt: string): Preparing {
  return { ...record, releaseAt };
}

/** The cloud has the instance, which is not ready yet. */
export function launched(record: Preparing, instance: InstanceFacts): Preparing {
  return { ...record, launched: instance };
}

/** A pool was tried in vain. */
export function poolFailed(record: Preparing, pool: Pool, code: string, nowMs: number): Preparing {
  return { ...record, tried: [...record.tried, { pool, code, at: iso(nowMs) }] };
}

/**
 * The cloud was told to delete the instance. Noted at once, since the process may die before it
 * sees the instance go.
 */
export function deleting<R extends Preparing | Destroying>(record: R, nowMs: number): R {
  return { ...record, deletedAt: iso(nowMs) };
}

/** An instance that never became ready is gone and in the ledger: another pool may be tried. */
export function launchForgotten(record: Preparing): Preparing {
  return { ...record, launched: undefined, deletedAt: undefined };
}

/**
 * The record of an instance that went before it was ready, as the ledger wants it.
 * @param reclaimedAt when the cloud took it back; undefined: it was given up by us.
 */
export function failedLaunch(
  record: Preparing,
  instance: InstanceFacts,
  reclaimedAt: Date | undefined,
): Running | Lost {
  if (!reclaimedAt) return { ...record, phase: 'running', instance };
  const loss = { reason: 'interrupted', at: reclaimedAt.toISOString(), sentence: '', confirmed: true } as const;
  return { ...record, phase: 'lost', instance, loss };
}

/** A spare machine answers, is provisioned, and waits until then for a job. */
export function spareReady(
  record: Preparing,
  instance: InstanceFacts,
  kept: Pick<Spare, 'shape' | 'imageId' | 'until'>,
): Spare {
  return { ...record, ...kept, phase: 'spare', instance, hookPid: undefined, heartbeatAt: instance.readyAt };
}

/**
 * The job is about to take that spare. Written first, so that if the process dies from here on the
 * record still names it.
 */
export function claiming(record: Preparing, spareName: string, nowMs: number): Preparing {
  return { ...record, spare: { stackName: spareName, claimedAt: iso(nowMs) } };
}

/** Somebody else has it, or it does not answer: the job has none. */
export function claimFailed<R extends Preparing | Destroying>(record: R): R {
  return { ...record, spare: undefined };
}

/** The spare's instance is the job's from here on, and releases itself at `releaseAt` (ISO). */
export function handedOver(record: Preparing, spare: Spare, releaseAt: string, nowMs: number): Running {
  return ready({ ...record, releaseAt }, { ...spare.instance, readyAt: iso(nowMs) });
}

/**
 * A spare goes before a job has had it. `lostAtMs`: since when the cloud no longer has its
 * instance.
 */
export function givenUp(record: Spare, nowMs: number, lostAtMs?: number): Destroying {
  const loss = lostAtMs === undefined ? undefined : ({ reason: 'interrupted', at: iso(lostAtMs) } as const);
  return { ...toDestroy(record, record.instance, 'canceled', nowMs), loss };
}

/** The instance answers: the job's stages may begin. */
export function ready(record: Preparing, instance: InstanceFacts): Running {
  return { ...record, phase: 'running', instance, hookPid: undefined, heartbeatAt: instance.readyAt };
}

/** The cloud takes the instance back at this time (ISO). */
export function interruptionNoticed(record: Running, at: string): Running {
  return { ...record, interruptedAt: at };
}

/**
 * The script ended with the interruption, on an instance that may still upload what it has.
 * @param confirmed the cloud itself has said that it takes the instance back.
 */
export function scriptCutShort(record: Running, confirmed: boolean): Running {
  return { ...record, cutShort: { confirmed } };
}

/** A stage is at work: what a heartbeat of it says. */
export function stageAtWork(record: Running, stageNow: Running['stageNow'], nowMs: number, hookPid: number): Running {
  return { ...beaten(record, nowMs, hookPid), stageNow };
}

/** A stage has ended, or was cut off (no exit code). */
export function stageEnded(record: Running, result: StageResult): Running {
  const endedMs = Date.parse(result.startedAt) + result.durationMs;
  const stages = [...record.stages, result];
  return { ...record, stages, stageNow: undefined, hookPid: undefined, heartbeatAt: iso(endedMs) };
}

/**
 * The instance is gone, or can't be reached any more. `atMs`: when billing ended, as far as is
 * known.
 */
export function lost(
  record: Running,
  loss: { readonly reason: LossReason; readonly sentence: string; readonly confirmed?: boolean | undefined },
  atMs: number,
  nowMs: number,
): Lost {
  return { ...record, phase: 'lost', loss: { ...loss, at: iso(atMs) }, heartbeatAt: iso(nowMs) };
}

/**
 * How the runner says that the job ended (CI_JOB_STATUS), and what its author said of another run.
 */
export interface JobEnding {
  readonly status: string | undefined;
  readonly noRetry: boolean;
}

/** Cleanup: the job is over, its stack is to go. */
export function ended(record: Alive, { status, noRetry }: JobEnding, nowMs: number): Destroying {
  const result = resultOf(record, status, nowMs);
  return {
    ...toDestroy(record, instanceOf(record), result, nowMs),
    loss: lossAtTheEnd(record, nowMs),
    askRetry: lossAtTheEnd(record, nowMs)?.reason === 'interrupted' && !noRetry,
    notBefore: result === 'failed' ? keptUntil(record, nowMs) : undefined,
  };
}

/** An interrupted script's instance may outlive it. */
function lossAtTheEnd(record: Alive, nowMs: number): Destroying['loss'] {
  if (record.phase === 'lost')
    return { reason: record.loss.reason, at: record.loss.at, confirmed: record.loss.confirmed };
  const cutShort = record.phase === 'running' ? record.cutShort : undefined;
  return cutShort && { reason: 'interrupted', at: iso(nowMs), confirmed: cutShort.confirmed };
}

/**
 * The reaper: nobody works on the job any more. `instance`: what the cloud has under its tags,
 * where the record knows of none.
 */
export function abandoned(record: JobRecord, instance: InstanceFacts | undefined, nowMs: number): Destroying {
  if (record.phase === 'destroying') return destroyAgain(record, nowMs);
  return toDestroy(record, instanceOf(record) ?? instance, 'system-failure', nowMs);
}

/** A person: the job's stack is to go now, also one that is kept for a look. */
export function removed(record: JobRecord, nowMs: number): Destroying {
  if (record.phase === 'destroying') return destroyAgain(record, nowMs);
  return toDestroy(record, instanceOf(record), 'canceled', nowMs);
}

/** The destroyer found what the record did not know of; `spare`: it was made before the job. */
export function instanceFound(record: Destroying, instance: InstanceFacts, spare = record.spare): Destroying {
  return { ...record, instance, spare };
}

/** The cloud no longer knows the instance: billing has ended. */
export function instanceGone(record: Destroying, at: Date): Destroying {
  return { ...record, goneAt: at.toISOString() };
}

/** A try to destroy the stack failed. */
export function destroyFailed(record: Destroying, nowMs: number): Destroying {
  return beaten({ ...record, tries: record.tries + 1 }, nowMs);
}

/** From the first try on again, at once. */
function destroyAgain(record: Destroying, nowMs: number): Destroying {
  return beaten({ ...record, notBefore: undefined, tries: 0, hookPid: undefined }, nowMs);
}

/** What the record knows of an instance, ready or not. */
export function instanceOf(record: JobRecord): InstanceFacts | undefined {
  return record.phase === 'preparing' ? record.launched : record.instance;
}

/**
 * From when the job pays for its instance (ISO): a spare's own time before that is not the job's.
 */
export function billedFrom(record: JobRecord): string | undefined {
  return record.spare?.claimedAt ?? instanceOf(record)?.createdAt;
}

/**
 * Prepare ended before its first `up`, whose release time is written ahead of it, and claimed no
 * spare: there is no stack.
 */
export function neverBegan(record: JobRecord): boolean {
  return record.phase === 'preparing' && record.releaseAt === undefined && record.spare === undefined;
}

function toDestroy(
  record: Alive,
  instance: InstanceFacts | undefined,
  result: Destroying['result'],
  nowMs: number,
): Destroying {
  return {
    ...record,
    phase: 'destroying',
    instance,
    result,
    // Billing stopped when the instance was lost, which may be long before anyone ends the job.
    loss: record.phase === 'lost' ? lossAtTheEnd(record, nowMs) : undefined,
    endedAt: iso(nowMs),
    notBefore: undefined,
    tries: 0,
    hookPid: undefined,
    heartbeatAt: iso(nowMs),
  };
}

/** A job's time runs from before its prepare. */
const PREPARE_BEGINS_MS = 5_000;

/** Before the job's own script the runner says `running`, however the job ends (seen: 19.3). */
function resultOf(record: Alive, status: string | undefined, nowMs: number): Destroying['result'] {
  if (status === 'canceled' || status === 'success') return status;
  if (status === 'running' && wasCutOff(record, nowMs)) return 'canceled';
  return record.phase === 'running' && !record.cutShort ? 'failed' : 'system-failure';
}

/** Ended from outside: nothing of it had failed, and it had time left. */
function wasCutOff(record: Alive, nowMs: number): boolean {
  if (nowMs >= Date.parse(record.startedAt) + record.timeoutMs - PREPARE_BEGINS_MS) return false;
  if (record.phase === 'preparing') return record.cutOff === true;
  return record.phase === 'running' && !record.stages.at(-1)?.exitCode;
}

/**
 * SPOT_DEBUG_KEEP: a failed job's instance stays for a look. Its release time was set with that in
 * mind.
 */
function keptUntil({ keepMs = 0, phase }: Alive, nowMs: number): string | undefined {
  return phase === 'running' && keepMs > 0 ? iso(nowMs + keepMs) : undefined;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
