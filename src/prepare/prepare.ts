import { formatDuration } from '../duration';
import type { HookContext } from '../gitlab/contract';
import { machineId } from '../host/machine';
import type { Ticket } from '../host/queue';
import { forgetTicket, waitForSlot } from '../host/slots';
import { holderTags, jobTags, type TagFacts } from '../jobs/identity';
import { cutOff, ready } from '../jobs/transitions';
import type { InstanceFacts } from '../jobs/types';
import type { Profile } from '../settings/types';
import type { ClaimRequest } from '../spares/claim';
import type { SshConnection } from '../ssh';
import { InstanceMaker, type MakerDependencies } from './instance-maker';
import { planJob, PREPARE_SECTION, queuedRecord, resumePlan, type JobPlan, type PlanDependencies } from './plan';

export interface PrepareDependencies extends MakerDependencies, PlanDependencies {
  readonly log: PlanDependencies['log'];
  /** What a shell that waited for us has drawn (executor/prepare.sh). */
  readonly ticket?: Ticket | undefined;
  readonly provision?: Provision;
  readonly claim?: Claim;
}

/** Makes a reachable instance ready for the job's stages. */
export type Provision = (request: {
  readonly connection: SshConnection;
  readonly context: HookContext;
  readonly stackName: string;
  /** It has what every spare machine has. */
  readonly isSpare: boolean;
}) => Promise<void>;

/** Gives the job a spare machine; undefined: none fits. */
export type Claim = (request: ClaimRequest) => Promise<InstanceFacts | undefined>;

/**
 * Gives the job its machine: from plan (a record on disk) over the stack to an instance that
 * answers over SSH. Whatever ends it, and whenever, the record or the stack's name tells the
 * following cleanup what to destroy.
 * @returns the job's profile
 */
export async function prepare(context: HookContext, dependencies: PrepareDependencies): Promise<Profile> {
  const { log, now, store, profiles } = dependencies;
  const queued = queuedRecord(context, store);
  const startMs = queued ? Date.parse(queued.startedAt) : now();
  if (queued) log.resume(PREPARE_SECTION);
  else log.open(PREPARE_SECTION);
  try {
    const plan = queued ? resumePlan(queued, context, profiles) : await planJob(context, dependencies, process.pid);
    const spare = await spareFor(plan, context, dependencies);
    if (spare) forgetTicket(dependencies.settings, dependencies.ticket);
    const facts = spare ?? (await newInstance(plan, context, dependencies, queued && startMs));
    log.line(
      `Ready after ${formatDuration(now() - startMs)}: ${facts.instanceId} (${facts.pool.instanceType}) at ${facts.address}`,
    );
    return plan.profile;
  } finally {
    // A failure's sentence must not hide in a section that is folded.
    log.close();
  }
}

/** What spareFor needs; a job that waits for a slot has it too. */
export type SpareDependencies = Pick<PrepareDependencies, 'settings' | 'store' | 'signal' | 'provision' | 'claim'>;

/**
 * A machine that was made before the job, if one fits. @throws what ends the prepare; its record is
 * left for the cleanup then
 */
export async function spareFor(
  { identity, profile, record }: JobPlan,
  context: HookContext,
  { settings, store, signal, provision, claim }: SpareDependencies,
): Promise<InstanceFacts | undefined> {
  const { stackName } = identity;
  try {
    return await claim?.({
      record,
      profile,
      tags: (claimedAt) => holderTags(tagFacts(identity, context, settings), claimedAt),
      lifeMs: lifeOf(record),
      provision: async (connection) => provision?.({ connection, context, stackName, isSpare: true }),
    });
  } catch (error) {
    const left = store.readLenient(stackName);
    if (signal.aborted && left?.phase === 'preparing') store.write(cutOff(left));
    throw error;
  }
}

function tagFacts(
  identity: JobPlan['identity'],
  { job }: HookContext,
  { executorId, stateDir }: PlanDependencies['settings'],
): TagFacts {
  const { project, runner } = job;
  const host = { executorId, stateDir, machine: machineId(stateDir) };
  return { ...host, identity, projectPath: project.path, projectId: project.id, runnerId: runner.id };
}

function lifeOf({ timeoutMs, keepMs = 0 }: JobPlan['record']): number {
  return timeoutMs + keepMs;
}

/** @param waitsSinceMs when the job was told that it waits for a slot; undefined: it was not. */
async function newInstance(
  { identity, profile, record }: JobPlan,
  context: HookContext,
  dependencies: PrepareDependencies,
  waitsSinceMs: number | undefined,
): Promise<InstanceFacts> {
  const { settings, log, signal, now, ticket, provision } = dependencies;
  const { stackName } = identity;
  let waits = waitsSinceMs;
  const maker = new InstanceMaker(
    {
      record,
      profile,
      tags: jobTags(tagFacts(identity, context, settings)),
      lifeMs: lifeOf(record),
      verified: context.job.verified,
      acquireSlot: () => {
        const waitsSinceMs = waits;
        waits = undefined;
        return waitForSlot({ settings, log: (line) => log.line(line), signal, now, ticket, waitsSinceMs });
      },
      provision: async (connection) => provision?.({ connection, context, stackName, isSpare: false }),
      ready: (one, instance) => ready(one, instance),
    },
    dependencies,
  );
  try {
    return await maker.make();
  } catch (error) {
    if (signal.aborted) maker.cutOff();
    throw error;
  } finally {
    await maker.end();
  }
}
