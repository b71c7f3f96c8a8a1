import { budgetCheck, ledgerOf } from '../billing/budget-check';
import { recordCost } from '../billing/record-cost';
import { createCloud } from '../cloud/client';
import { createEngine } from '../engine';
import { trySlot } from '../host/queue';
import { engineQueue, keeperQueue } from '../host/slots';
import { RecordStore } from '../jobs/record-store';
import { createPlacement } from '../placement';
import { provisionSpare } from '../prepare/provision-instance';
import { sharedLookup } from '../prepare/shared-lookup';
import { usableProfiles } from '../settings/good-profiles';
import type { Settings } from '../settings/types';
import { readArrivals, trimArrivals } from '../spares/arrivals';
import { wantsNone } from '../spares/drained';
import type { KeepDependencies } from '../spares/keep';
import { makeSpare } from '../spares/make';
import { waitForSsh } from '../ssh';
import { destroyPending } from '../teardown/destroyer';
import { newestImage } from './claim';
import { destroyerDependencies } from './teardown';
import { gitlabApi } from '../gitlab/api';
import { gitlabFetch } from '../gitlab/fetch';

/** The real outside world of the keeper of spare machines. */
export function keeperDependencies(
  settings: Settings,
  log: (line: string) => void,
  signal: AbortSignal,
): KeepDependencies {
  const cloud = createCloud(settings);
  const store = new RecordStore(settings.stateDir);
  const engine = createEngine(settings, cloud);
  const placement = createPlacement({ cloud, settings, now: Date.now });
  const lines = { line: log, warn: log };
  return {
    settings,
    profiles: () => usableProfiles(settings.profilesFile, settings.stateDir).page,
    arrivals: () => {
      trimArrivals(settings);
      return readArrivals(settings);
    },
    listJobs: jobLister(settings),
    store,
    cloud,
    imageId: newestImage(settings, cloud),
    isDrained: () => wantsNone(settings),
    tryAlone: () => trySlot(keeperQueue(settings)),
    destroyPending: () => destroyPending(destroyerDependencies(settings, log)),
    log,
    now: Date.now,
    signal,
    make: (profile, onCreated) =>
      makeSpare(
        profile,
        {
          settings,
          store,
          cloud,
          engine,
          placement,
          waitForSsh,
          lookUp: sharedLookup({ cloud, settings, now: Date.now }),
          log: lines,
          now: Date.now,
          signal,
          checkBudget: budgetCheck(settings, store, Date.now),
          onGone: (record, goneAt) => recordCost(record, goneAt, { ledger: ledgerOf(settings), cloud }),
          trySlot: () => trySlot(engineQueue(settings)),
          provision: (connection) => provisionSpare({ connection, settings, log: lines, signal }),
        },
        onCreated,
      ),
  };
}

/** GitLab's list of a pipeline, by the project's key (`HOST#ID`); the token is for one server. */
function jobLister(settings: Settings): KeepDependencies['listJobs'] {
  const { token, url } = settings.gitlab;
  if (token === undefined || url === undefined) return undefined;
  const api = gitlabApi({ url, token, fetch: gitlabFetch(settings) });
  const host = new URL(url).host.toLowerCase();
  return async (project, pipeline) => {
    const [server = '', id = ''] = project.split('#');
    return server.split('/')[0] === host ? api.pipelineJobs(Number(id), pipeline) : undefined;
  };
}
