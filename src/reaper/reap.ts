import type { Act } from '../audit/log';
import { factsOf, spareOf } from '../billing/found-instance';
import { dayOf, type Ledger } from '../billing/ledger';
import type { Cloud } from '../cloud/types';
import type { Engine } from '../engine/types';
import { forgetFailures } from '../hooks/failures';
import { forgetDeadTickets } from '../host/slots';
import { parseStackName } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import { abandoned, givenUp, instanceOf, planned } from '../jobs/transitions';
import { TAG, type JobRecord } from '../jobs/types';
import { counted } from '../plural';
import type { Settings } from '../settings/types';
import { decide, type Decision, type Observation, type ReapPolicy } from './decide';
import { noteReap } from './last-run';
import { observe, type ObserveDependencies } from './observe';

/** Nobody looks further back than this. */
const KEEP_FAILURES_MS = 40 * 86_400_000;

const NAMESAKE_WARNING =
  'another machine has this host’s name, as a copy of its disk has: give one of them another GITLAB_SPOT_EXECUTOR_ID';

export interface Verdict extends Observation {
  readonly decision: Decision;
}

/** What a round of the reaper needs of the outside world. */
export interface ReaperDependencies extends Omit<ObserveDependencies, 'cloud' | 'engine' | 'store' | 'warn'> {
  readonly cloud: ObserveDependencies['cloud'] & Pick<Cloud, 'spotPrices' | 'madeAt' | 'systemDisk' | 'diskPrice'>;
  readonly engine: Pick<Engine, 'list' | 'destroy'>;
  readonly store: RecordStore;
  readonly ledger: Pick<Ledger, 'fold'>;
  /** Destroys what is marked for destruction, unless another destroyer is at work. */
  readonly destroyPending: () => Promise<unknown>;
  /** Ends the provider processes of killed CLIs; returns how many there were. */
  readonly endOrphanedPlugins: () => Promise<number>;
  /** Removes the backend's folders of stacks that are gone, unless they changed since then. */
  readonly sweepFolders: (beforeMs: number) => Promise<void>;
  readonly log: (line: string) => void;
  /** Writes down what is destroyed, and why. */
  readonly audit?: ((act: Act) => unknown) | undefined;
}

/**
 * Decides on all that is there, and changes nothing. @throws CloudRefused, CloudUnreachable,
 * EngineFailed
 */
export async function verdicts(
  dependencies: ReaperDependencies,
  policy: Omit<ReapPolicy, 'nowMs'>,
): Promise<readonly Verdict[]> {
  const seen = await observe({ ...dependencies, warn: dependencies.log });
  const namesake = seen.find(({ owner }) => owner.kind === 'other-host' && owner.isNamesake);
  if (namesake) dependencies.log(`${namesake.stackName}: ${NAMESAKE_WARNING}`);
  return seen.map((observation) => ({
    ...observation,
    decision: decide(observation, { ...policy, nowMs: dependencies.now() }),
  }));
}

/**
 * Carries out the verdicts: records what is to be destroyed, then destroys it (or leaves that to a
 * destroyer already at work). Also removes what belongs to no stack: providers of killed CLIs,
 * tickets of killed hooks, unchanged folders older than the grace period; and folds the ledger's
 * past days.
 * @returns the names of the stacks that are still there
 */
export async function carryOut(
  decided: readonly Verdict[],
  dependencies: ReaperDependencies,
  { graceMs }: Pick<ReapPolicy, 'graceMs'>,
): Promise<readonly string[]> {
  const { store, log, stateDir, now } = dependencies;
  const doomed: string[] = [];
  for (const verdict of decided) {
    if (verdict.decision.action !== 'destroy' && verdict.decision.action !== 'adopt') continue;
    if (!unchanged(store, verdict)) continue;
    store.write(await toDestroyRecord(verdict, dependencies));
    dependencies.audit?.({ action: 'reap', target: verdict.stackName, detail: verdict.decision.reason });
    doomed.push(verdict.stackName);
  }
  const orphans = await dependencies.endOrphanedPlugins();
  if (orphans > 0) log(`Ended ${counted(orphans, 'provider process', 'provider processes')} of killed pulumi CLIs`);
  if (doomed.length > 0) await dependencies.destroyPending();
  await dependencies.sweepFolders(now() - graceMs);
  await dependencies.ledger.fold(dayOf(new Date(now())));
  forgetDeadTickets(stateDir);
  forgetFailures(stateDir, dayOf(new Date(now() - KEEP_FAILURES_MS)));
  return doomed.filter((stackName) => store.readLenient(stackName) !== undefined);
}

/**
 * Writes down how a round went, also one that failed: `doctor` and the metrics tell when nobody
 * looks after leftovers.
 */
export async function noted<R extends { readonly decided: readonly Verdict[]; readonly left: readonly string[] }>(
  { stateDir }: Pick<Settings, 'stateDir'>,
  round: () => Promise<R>,
): Promise<R> {
  try {
    const result = await round();
    const of = (...actions: Decision['action'][]): number =>
      result.decided.filter(({ decision }) => actions.includes(decision.action)).length;
    const left = result.left.length;
    noteReap(stateDir, Date.now(), { destroyed: of('destroy', 'adopt') - left, left, reported: of('report') });
    return result;
  } catch (error) {
    noteReap(stateDir, Date.now(), undefined);
    throw error;
  }
}

/** A hook may have begun since the decision: then the next reap decides anew. */
function unchanged(store: RecordStore, { stackName, record, holder }: Verdict): boolean {
  const now = store.readLenient(stackName);
  if (now?.phase !== record?.phase || now?.heartbeatAt !== record?.heartbeatAt) return false;
  // A job may be about to take it.
  return now?.phase !== 'spare' || holder !== undefined || store.take(stackName, stackName);
}

/** The record that has the stack destroyed; where there is none, made of what its tags tell. */
async function toDestroyRecord(
  { stackName, record, instances, tags }: Verdict,
  { cloud, executorId, now }: ReaperDependencies,
): Promise<JobRecord> {
  const nowMs = now();
  if (record?.phase === 'spare') return givenUp(record, nowMs);
  if (record && (record.phase === 'destroying' || instanceOf(record))) return abandoned(record, undefined, nowMs);
  const instance = await factsOf(instances[0], cloud);
  if (record) return abandoned(record, instance, nowMs);
  const { jobId, attempt } = parseStackName(stackName) ?? { jobId: 0, attempt: 0 };
  const found = {
    identity: { stackName, serverHost: tags?.[TAG.server] ?? '', jobId, attempt },
    executorId: tags?.[TAG.executor] ?? executorId,
    project: tags?.[TAG.project] ?? '',
    startedAt: instances[0]?.createdAt || new Date(nowMs).toISOString(),
    releaseAt: instances[0]?.autoReleaseTime,
    profile: tags?.[TAG.profile] ?? '',
    spare: instances[0] && spareOf(instances[0]),
  };
  return abandoned(planned(found, nowMs), instance, nowMs);
}
