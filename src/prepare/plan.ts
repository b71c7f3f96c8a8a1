import { listPriceOf } from '../cloud/list-prices';
import { formatDuration } from '../duration';
import { HostError } from '../errors';
import type { HookContext } from '../gitlab/contract';
import type { JobLog } from '../gitlab/job-log';
import { userName } from '../gitlab/user-name';
import { refuseWhileDrained } from '../jobs/drain';
import { jobIdentity } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import { planned, type Preparing } from '../jobs/transitions';
import type { JobIdentity } from '../jobs/types';
import type { Arrival } from '../spares/forecast';
import { chooseProfile, jobCounts } from '../settings/choose-profile';
import type { Profile, ProfilesPage, Settings } from '../settings/types';
import { mostItCosts, type BudgetedJob } from '../billing/budget-check';

/** The fold of the job's log that holds all of prepare. */
export const PREPARE_SECTION = { name: 'gitlab_spot_prepare', title: 'Preparing an instance', collapsed: true };

/** What prepare knows before it asks the cloud; the record is on disk. */
export interface JobPlan {
  readonly identity: JobIdentity;
  readonly profile: Profile;
  readonly record: Preparing;
}

export interface PlanDependencies {
  readonly settings: Settings;
  readonly profiles: ProfilesPage;
  /**
   * What is wrong with the edited profiles page, where `profiles` are those of the last good one.
   */
  readonly profilesProblem?: string | undefined;
  readonly store: RecordStore;
  readonly log: JobLog;
  readonly now: () => number;
  /** SIGTERM: the job was cancelled or ran into its limit. */
  readonly signal: AbortSignal;
  /**
   * Reserves the most the job may cost in the month's budget, by writing its record.
   * @returns warnings @throws BudgetExhausted, TooManyJobs
   */
  readonly checkBudget: (job: BudgetedJob) => Promise<readonly string[]>;
  /** Remembers that the job came, for a forecast of those that follow; left out: nobody wants one. */
  readonly noteArrival?: ((arrival: Arrival) => void) | undefined;
}

/** All that can fail without the cloud: the job's choice, the budget, the record on disk. */
export async function planJob({ job }: HookContext, dependencies: PlanDependencies, hookPid: number): Promise<JobPlan> {
  const { settings, profiles, store, log, now } = dependencies;
  refuseWhileDrained(settings.stateDir);
  const identity = identityOf(job);
  refuseSecondPrepare(identity, job.project.id, store);
  if (dependencies.profilesProblem !== undefined) log.warn(dependencies.profilesProblem);
  const profile = chooseProfile(profiles, job);
  const keepMs = keepOf(job.choice.debugKeepMs, profile, log);
  const record = planned(
    {
      identity,
      executorId: settings.executorId,
      serverUrl: job.serverUrl,
      project: job.project.path,
      projectId: job.project.id || undefined,
      ref: job.ref.name,
      verified: job.verified,
      jobName: job.jobName,
      userLogin: userName(job),
      profile: profile.name,
      timeoutMs: job.timeoutMs,
      keepMs,
      reservedYuan: mostItCosts(mostYuanPerHour(profile), job.timeoutMs + keepMs),
      hookPid,
      jobKey: `${identity.serverHost} ${job.pipelineId ?? job.jobId} ${job.jobName}`,
    },
    now(),
  );
  const hold = (): void => store.write(record);
  const counts = jobCounts(profiles, profile, job);
  const budget = await dependencies.checkBudget({ record, verified: job.verified, counts, hold });
  budget.forEach((warning) => log.warn(warning));
  if (job.pipelineId !== undefined && job.project.id && identity.attempt === 1)
    dependencies.noteArrival?.({
      atMs: now(),
      project: `${identity.serverHost}#${job.project.id}`,
      pipeline: job.pipelineId,
      job: job.jobName,
      profile: profile.name,
    });
  return { identity, profile, record };
}

/** The profile's cap, and its disk by list price: the cloud has not been asked yet. */
export function mostYuanPerHour({ spot, disk }: Profile): number {
  return spot.maxPriceYuanPerHour + (listPriceOf(disk)?.yuanPerHour ?? 0);
}

/**
 * The record that this very process wrote while it queued as a shell. Undefined: none, or it is
 * damaged.
 */
export function queuedRecord({ job }: HookContext, store: RecordStore): JobPlan['record'] | undefined {
  const record = job.attempt === undefined ? undefined : store.readLenient(identityOf(job).stackName);
  const isOurs = record?.phase === 'preparing' && record.hookPid === process.pid && record.releaseAt === undefined;
  return isOurs ? record : undefined;
}

/** Goes on with it. */
export function resumePlan(record: JobPlan['record'], { job }: HookContext, profiles: ProfilesPage): JobPlan {
  return { identity: record.identity, profile: chooseProfile(profiles, job), record };
}

/**
 * Config counts the attempts: a record under this one's name is another prepare's, and the trace of
 * its machine.
 */
function refuseSecondPrepare({ stackName, attempt }: JobIdentity, projectId: number, store: RecordStore): void {
  const known = store.readOfLenient(stackName, projectId);
  if (known === undefined) return;
  throw new HostError(`Attempt ${attempt} of this job was prepared before: its record says ${known.phase}`, {
    remedy:
      known.phase === 'destroying'
        ? 'It was ended while it waited (`gitlab-spot jobs rm`): run the job again.'
        : 'Let config_exec (dist/executor/config.js) run before each prepare_exec.',
  });
}

function identityOf({ serverUrl, jobId, attempt }: HookContext['job']): JobIdentity {
  if (attempt !== undefined) return jobIdentity(serverUrl, jobId, attempt);
  throw new HostError('The config hook did not run before prepare: the attempt is unknown', {
    remedy: 'Set config_exec to dist/executor/config.js in the runner’s config.toml.',
  });
}

/** What the profile allows of what the job asks for (SPOT_DEBUG_KEEP), and says which. */
function keepOf(askedMs: number | undefined, profile: Profile, log: JobLog): number {
  const keepMs = Math.min(askedMs ?? 0, profile.debugKeepMaxMs);
  if (keepMs > 0) log.line(`If the job fails, its instance stays for ${formatDuration(keepMs)} (SPOT_DEBUG_KEEP)`);
  else if (askedMs) log.warn(`SPOT_DEBUG_KEEP has no effect: profile ${profile.name} does not allow it (debugKeepMax)`);
  return keepMs;
}
