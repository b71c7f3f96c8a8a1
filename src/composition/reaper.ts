import { statSync } from 'node:fs';
import { audit } from '../audit/log';
import { ledgerOf } from '../billing/budget-check';
import { createCloud } from '../cloud/client';
import { createEngine } from '../engine';
import { gitlabApi } from '../gitlab/api';
import { gitlabFetch } from '../gitlab/fetch';
import { machineId } from '../host/machine';
import { bootTime, upMsOf } from '../host/boot-clock';
import { hostStartMs, processStat, startedAtMs } from '../host/process-owner';
import { queueLength } from '../host/queue';
import { destroyerQueue } from '../host/slots';
import { RecordStore } from '../jobs/record-store';
import type { JobRecord } from '../jobs/types';
import type { JobQuestion } from '../reaper/observe';
import type { ReaperDependencies } from '../reaper/reap';
import type { Settings } from '../settings/types';
import { destroyPending, MAX_TRIES } from '../teardown/destroyer';
import { destroyerDependencies } from './teardown';

/** The real outside world of `reap`. */
export function reaperDependencies(settings: Settings, log: (line: string) => void): ReaperDependencies {
  const cloud = createCloud(settings);
  const store = new RecordStore(settings.stateDir);
  return {
    cloud,
    store,
    engine: createEngine(settings, cloud),
    executorId: settings.executorId,
    stateDir: settings.stateDir,
    machine: machineId(settings.stateDir),
    ownBackend: settings.pulumi.backendUrl.startsWith('file://'),
    now: Date.now,
    bootMs: hostStartMs(),
    bootTime,
    hookAlive,
    destroyerAlive: (record) =>
      record.phase === 'destroying' && record.tries < MAX_TRIES && queueLength(destroyerQueue(settings)) > 0,
    folderChangedMs: (stackName) => changedMs(store.files(stackName).directory),
    askGitLab: asker(settings),
    log,
    audit: (act) => audit(settings.stateDir, act),
    destroyPending: () => destroyPending(destroyerDependencies(settings, log)),
    endOrphanedPlugins: async () => {
      const { endOrphanedPlugins } = await import('../engine/orphans');
      return endOrphanedPlugins(settings.pulumi.backendUrl);
    },
    sweepFolders: async (beforeMs) => {
      const { sweepFolders } = await import('../engine/backend-folders');
      sweepFolders(settings.pulumi.backendUrl, beforeMs);
    },
    ledger: ledgerOf(settings),
  };
}

/**
 * The record's pid, unless it is another process's by now: one that began after the hook last
 * touched the record.
 */
export function hookAlive({ hookPid, heartbeatAt, writtenAt }: JobRecord): boolean {
  if (hookPid === undefined) return false;
  const stat = processStat(hookPid);
  if (stat === undefined || stat.ended) return false;
  const here = writtenAt && bootTime();
  if (here) return here.bootId === writtenAt.bootId && upMsOf(stat.startTicks)! <= writtenAt.upMs;
  return startedAtMs(stat.startTicks) <= Date.parse(heartbeatAt) + 2_000;
}

function changedMs(directory: string): number | undefined {
  return statSync(directory, { throwIfNoEntry: false })?.mtimeMs;
}

/** GitLab can be asked about its own jobs only; the token is for one server. */
function asker(
  settings: Settings,
): ((job: JobQuestion) => ReturnType<ReturnType<typeof gitlabApi>['job']>) | undefined {
  const { token, url } = settings.gitlab;
  if (token === undefined || url === undefined) return undefined;
  const api = gitlabApi({ url, token, fetch: gitlabFetch(settings) });
  const host = new URL(url).host.toLowerCase();
  return ({ serverHost, project, jobId }) =>
    serverHost.split('/')[0] === host
      ? api.job(project, jobId)
      : Promise.reject(new Error(`GITLAB_SPOT_GITLAB_URL is another server than ${serverHost}`));
}
