import type { JobContext } from '../gitlab/types';
import { userName } from '../gitlab/user-name';
import { countedAttempts } from '../jobs/attempts';
import { jobIdentity } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import { ended, neverBegan, planned, type Preparing } from '../jobs/transitions';
import type { JobIdentity } from '../jobs/types';
import type { Settings } from '../settings/types';

export interface CleanUpDependencies {
  readonly settings: Settings;
  readonly store: RecordStore;
  readonly now: () => number;
  /** The job's status as the runner has it (CI_JOB_STATUS): running, success, failed, canceled. */
  readonly status: string | undefined;
}

/**
 * Records that the job's stack is to be destroyed. The destroyer does the work, so that the job's
 * status need not wait for it (docs/adr/0005). Idempotent, and works with an empty disk: the
 * stack's name follows from the environment alone.
 * @returns the names of the stacks to be destroyed
 */
export function markForDestroy(job: JobContext, dependencies: CleanUpDependencies): string[] {
  const { settings, store } = dependencies;
  // Without an attempt in the environment config itself failed; earlier attempts had cleanups of
  // their own.
  const attempts = job.attempt === undefined ? range(countedAttempts(settings.stateDir, job)) : [job.attempt];
  const identities = attempts.map((attempt) => jobIdentity(job.serverUrl, job.jobId, attempt));
  for (const identity of identities) {
    const known = store.readOfLenient(identity.stackName, job.project.id);
    if (known?.phase === 'destroying') continue;
    if (known && neverBegan(known)) {
      store.remove(identity.stackName);
      continue;
    }
    const record = known ?? unknownRecord(identity, job, dependencies);
    store.write(ended(record, { status: dependencies.status, noRetry: job.choice.noRetry }, dependencies.now()));
  }
  return identities.map(({ stackName }) => stackName).filter((name) => store.readLenient(name) !== undefined);
}

/** The disk is empty or the record damaged: the stack may be there all the same. */
function unknownRecord(identity: JobIdentity, job: JobContext, { settings, now }: CleanUpDependencies): Preparing {
  return planned(
    {
      identity,
      executorId: settings.executorId,
      serverUrl: job.serverUrl,
      project: job.project.path,
      projectId: job.project.id || undefined,
      ref: job.ref.name,
      jobName: job.jobName,
      verified: job.verified,
      userLogin: userName(job),
      profile: job.choice.profile ?? '',
      timeoutMs: job.timeoutMs,
      startedAt: job.startedAt.toISOString(),
    },
    now(),
  );
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
