import { formatDuration } from '../duration';
import type { HookContext } from '../gitlab/contract';
import { forgetTicket, waitingLine } from '../host/slots';
import type { Ticket } from '../host/queue';
import { cutOff } from '../jobs/transitions';
import type { Profile } from '../settings/types';
import { planJob, PREPARE_SECTION, type JobPlan, type PlanDependencies } from './plan';
import { spareFor, type SpareDependencies } from './prepare';

export interface QueuedDependencies extends PlanDependencies, Omit<SpareDependencies, keyof PlanDependencies> {}

/**
 * Handles a job that has to wait for a slot, in a process that costs little (executor/prepare.sh).
 * It plans the job on behalf of the waiting process and writes the line that says so. The log's
 * section stays open for prepare, which the waiting process becomes. If a spare machine fits, the
 * job needs no slot: its ticket is removed, which tells the waiting process that it is done.
 * @returns the job's profile, if it got a spare machine
 */
export async function reportQueued(
  context: HookContext,
  dependencies: QueuedDependencies,
  waiting: { readonly pid: number; readonly ahead: number; readonly ticket?: Ticket | undefined },
): Promise<Profile | undefined> {
  const { log, settings, store, signal, now } = dependencies;
  log.open(PREPARE_SECTION);
  const startMs = now();
  let plan: JobPlan | undefined;
  try {
    plan = await planJob(context, dependencies, waiting.pid);
    signal.throwIfAborted();
    const spare = await spareFor(plan, context, dependencies);
    if (!spare) {
      log.line(waitingLine(settings, waiting.ahead));
      signal.throwIfAborted();
      return undefined;
    }
    log.line(
      `Ready after ${formatDuration(now() - startMs)}: ${spare.instanceId} (${spare.pool.instanceType}) at ${spare.address}`,
    );
    log.close();
    forgetTicket(settings, waiting.ticket);
    return plan.profile;
  } catch (error) {
    const left = plan && store.readLenient(plan.identity.stackName);
    if (signal.aborted && left?.phase === 'preparing') store.write(cutOff(left));
    log.close();
    throw error;
  }
}
