import type { HookContext } from '../gitlab/contract';
import { countedAttempts } from '../jobs/attempts';
import { jobIdentity } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import type { JobIdentity, JobRecord } from '../jobs/types';
import type { Settings } from '../settings/types';

export interface CleanUpDependencies {
  readonly settings: Settings;
  readonly store: RecordStore;
  readonly now: () => number;
  /** The job's status as the runner has it (CI_JOB_STATUS): running, success, failed, canceled. */
  readonly status: string | undefined;
}

/** A job's time runs from before its prepare. */
const PREPARE_BEGINS_MS = 5_000;

type Result = Extract<JobRecord, { phase: 'destroying' }>['result'];

/**
 * Records that the job's stack is to go; the destroyer does the work, so that the job's status need not wait for it (design.md, decision 5).
 * Idempotent, and content with an empty disk: a stack's name follows from the environment alone.
 *
 * @returns the names of the stacks that are to be destroyed.
 */
export function markForDestroy({ job }: HookContext, dependencies: CleanUpDependencies): string[] {
  const { settings, store } = dependencies;
  // Without an attempt in the environment config itself failed; earlier attempts had cleanups of their own.
  const attempts = job.attempt === undefined ? range(countedAttempts(settings.stateDir, job)) : [job.attempt];
  const identities = attempts.map((attempt) => jobIdentity(job.serverUrl, job.jobId, attempt));
  for (const identity of identities) {
    const known = store.readLenient(identity.stackName);
    if (known?.phase === 'destroying') continue;
    if (known && neverBegan(known)) {
      store.remove(identity.stackName);
      continue;
    }
    const record = known ?? unknownRecord(identity, job, dependencies);
    store.write(destroying(record, job.choice.noRetry, dependencies));
  }
  return identities.map(({ stackName }) => stackName).filter((name) => store.readLenient(name) !== undefined);
}

/** Prepare ended before its first `up`, whose release time is recorded ahead of it: there is no stack, and no need to ask the cloud. */
function neverBegan(record: JobRecord): boolean {
  return record.phase === 'preparing' && record.releaseAt === undefined;
}

function destroying(record: JobRecord, noRetry: boolean, { status, now }: CleanUpDependencies): JobRecord {
  const nowIso = new Date(now()).toISOString();
  const instance = record.phase === 'preparing' ? record.launched : record.instance;
  const result = resultOf(record, status, now());
  return {
    ...record,
    phase: 'destroying',
    instance,
    result,
    loss: record.phase === 'lost' ? { reason: record.loss.reason, at: record.loss.at } : undefined,
    askRetry: record.phase === 'lost' && record.loss.reason === 'interrupted' && !noRetry,
    endedAt: nowIso,
    notBefore: result === 'failed' ? keptUntil(record, now()) : undefined,
    tries: 0,
    hookPid: undefined,
    heartbeatAt: nowIso,
  };
}

/** SPOT_DEBUG_KEEP: a failed job's instance stays for a look. Its release time was set with that in mind. */
function keptUntil({ keepMs = 0, phase }: JobRecord, nowMs: number): string | undefined {
  return phase === 'running' && keepMs > 0 ? new Date(nowMs + keepMs).toISOString() : undefined;
}

/** Before the job's own script the runner says `running`, however the job ends (seen: 19.3). */
function resultOf(record: JobRecord, status: string | undefined, nowMs: number): Result {
  if (status === 'canceled' || status === 'success') return status;
  if (status === 'running' && wasCutOff(record, nowMs)) return 'canceled';
  return record.phase === 'running' ? 'failed' : 'system-failure';
}

/** Ended from outside: nothing of it had failed, and it had time left. */
function wasCutOff(record: JobRecord, nowMs: number): boolean {
  if (nowMs >= Date.parse(record.startedAt) + record.timeoutMs - PREPARE_BEGINS_MS) return false;
  if (record.phase === 'preparing') return record.cutOff === true;
  return record.phase === 'running' && !record.stages.at(-1)?.exitCode;
}

/** The disk is empty or the record damaged: the stack may be there all the same. */
function unknownRecord(
  identity: JobIdentity,
  job: HookContext['job'],
  { settings, now }: CleanUpDependencies,
): JobRecord {
  return {
    version: 1,
    phase: 'preparing',
    identity,
    executorId: settings.executorId,
    serverUrl: job.serverUrl,
    project: job.project.path,
    ref: job.ref.name,
    jobName: job.jobName,
    userLogin: job.userLogin,
    profile: job.choice.profile ?? '',
    timeoutMs: job.timeoutMs,
    startedAt: job.startedAt.toISOString(),
    releaseAt: undefined,
    heartbeatAt: new Date(now()).toISOString(),
    hookPid: undefined,
    tried: [],
    stages: [],
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
