import { statSync } from 'node:fs';
import { decide, type Decision, type Observation, type ReapPolicy } from './decide';
import { forgetFailures } from '../hooks/failures';
import { noteReap } from './last-run';
import { observe, type JobQuestion } from './observe';
import { createCloud } from '../cloud/client';
import type { Cloud } from '../cloud/types';
import { createEngine } from '../engine';
import { gitlabApi } from '../gitlab/api';
import { hostStartMs, processStat, startedAtMs } from '../host/process-owner';
import { queueLength } from '../host/queue';
import { parseStackName } from '../jobs/identity';
import { RecordStore } from '../jobs/record-store';
import { abandoned, instanceOf, planned } from '../jobs/transitions';
import { TAG, type JobRecord } from '../jobs/types';
import type { Settings } from '../settings/types';
import { ledgerOf } from '../billing/budget-check';
import { destroyerDependencies } from '../composition/dependencies';
import { factsOf } from '../billing/found-instance';
import { destroyPending, MAX_TRIES } from '../teardown/destroyer';
import { destroyerQueue } from '../host/slots';
import { dayOf } from '../billing/ledger';

/** Longer than anybody counts back. */
const KEEP_FAILURES_MS = 40 * 86_400_000;

export interface Verdict extends Observation {
  readonly decision: Decision;
}

/** Decides on all that is there, and changes nothing. @throws CloudRefused, CloudUnreachable, EngineFailed */
export async function verdicts(
  settings: Settings,
  policy: Omit<ReapPolicy, 'nowMs'>,
  warn: (line: string) => void,
): Promise<readonly Verdict[]> {
  const cloud = createCloud(settings);
  const store = new RecordStore(settings.stateDir);
  const seen = await observe({
    cloud,
    engine: createEngine(settings, cloud),
    store,
    executorId: settings.executorId,
    stateDir: settings.stateDir,
    ownBackend: settings.pulumi.backendUrl.startsWith('file://'),
    now: Date.now,
    bootMs: hostStartMs(),
    hookAlive,
    destroyerAlive: (record) =>
      record.phase === 'destroying' && record.tries < MAX_TRIES && queueLength(destroyerQueue(settings)) > 0,
    folderChangedMs: (stackName) => changedMs(store.files(stackName).directory),
    askGitLab: asker(settings),
    warn,
  });
  return seen.map((observation) => ({
    ...observation,
    decision: decide(observation, { ...policy, nowMs: Date.now() }),
  }));
}

/**
 * Carries verdicts out: records the intent to destroy, and works the intents off (or leaves them to a destroyer that is at work already).
 * Also sweeps what belongs to no stack: providers of killed CLIs, past days of the ledger.
 *
 * @returns the names of the stacks that are still there.
 */
export async function carryOut(
  decided: readonly Verdict[],
  settings: Settings,
  log: (line: string) => void,
): Promise<readonly string[]> {
  const cloud = createCloud(settings);
  const store = new RecordStore(settings.stateDir);
  const doomed: string[] = [];
  for (const verdict of decided) {
    if (verdict.decision.action !== 'destroy' && verdict.decision.action !== 'adopt') continue;
    if (!unchanged(store, verdict)) continue;
    store.write(await toDestroyRecord(verdict, settings, cloud));
    doomed.push(verdict.stackName);
  }
  const { endOrphanedPlugins } = await import('../engine/orphans');
  const orphans = endOrphanedPlugins(settings.pulumi.backendUrl);
  if (orphans > 0) log(`Ended ${orphans} provider processes of killed pulumi CLIs`);
  if (doomed.length > 0) await destroyPending(destroyerDependencies(settings, log));
  await ledgerOf(settings).fold(dayOf(new Date()));
  forgetFailures(settings.stateDir, dayOf(new Date(Date.now() - KEEP_FAILURES_MS)));
  return doomed.filter((stackName) => store.readLenient(stackName) !== undefined);
}

/** Writes down how a round went, also one that failed: `doctor` and the metrics tell when nobody looks after leftovers. */
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
function unchanged(store: RecordStore, { stackName, record }: Verdict): boolean {
  const now = store.readLenient(stackName);
  return now?.phase === record?.phase && now?.heartbeatAt === record?.heartbeatAt;
}

/** The record that has the stack destroyed; where there is none, made of what its tags tell. */
async function toDestroyRecord(
  { stackName, record, instances, tags }: Verdict,
  settings: Settings,
  cloud: Cloud,
): Promise<JobRecord> {
  const nowMs = Date.now();
  if (record && (record.phase === 'destroying' || instanceOf(record))) return abandoned(record, undefined, nowMs);
  const instance = await factsOf(instances[0], cloud);
  if (record) return abandoned(record, instance, nowMs);
  const { jobId, attempt } = parseStackName(stackName) ?? { jobId: 0, attempt: 0 };
  const found = {
    identity: { stackName, serverHost: tags?.[TAG.server] ?? '', jobId, attempt },
    executorId: tags?.[TAG.executor] ?? settings.executorId,
    project: tags?.[TAG.project] ?? '',
    startedAt: instances[0]?.createdAt || new Date(nowMs).toISOString(),
    releaseAt: instances[0]?.autoReleaseTime,
  };
  return abandoned(planned(found, nowMs), instance, nowMs);
}

/** The record's pid, unless it is another process's by now: one that began after the hook last touched the record. */
function hookAlive({ hookPid, heartbeatAt }: JobRecord): boolean {
  if (hookPid === undefined) return false;
  const stat = processStat(hookPid);
  return stat !== undefined && stat.state !== 'Z' && startedAtMs(stat.startTicks) <= Date.parse(heartbeatAt) + 2_000;
}

function changedMs(directory: string): number | undefined {
  return statSync(directory, { throwIfNoEntry: false })?.mtimeMs;
}

/** GitLab can be asked about its own jobs only; the token is for one server. */
function asker({
  gitlab,
}: Settings): ((job: JobQuestion) => ReturnType<ReturnType<typeof gitlabApi>['job']>) | undefined {
  const { token, url } = gitlab;
  if (token === undefined || url === undefined) return undefined;
  const api = gitlabApi({ url, token });
  const host = new URL(url).host.toLowerCase();
  return ({ serverHost, project, jobId }) =>
    serverHost.split('/')[0] === host
      ? api.job(project, jobId)
      : Promise.reject(new Error(`GITLAB_SPOT_GITLAB_URL is another server than ${serverHost}`));
}
