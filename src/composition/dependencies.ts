import { createCloud } from '../cloud/client';
import { createEngine } from '../engine';
import type { JobLog } from '../gitlab/job-log';
import { provisionInstance } from '../prepare/provision-instance';
import { RecordStore } from '../jobs/record-store';
import { createPlacement } from '../placement';
import { readProfiles } from '../settings/profiles';
import type { Settings } from '../settings/types';
import { askRetry } from '../teardown/ask-retry';
import { budgetCheck, ledgerOf } from '../billing/budget-check';
import { findInstance } from '../billing/found-instance';
import type { DestroyerDependencies } from '../teardown/destroyer';
import type { PrepareDependencies } from '../prepare/prepare';
import { goneAt, recordCost } from '../billing/record-cost';

/** The real outside world for the use cases that need the cloud and the engine. Tests hand in their own. */

export function prepareDependencies(settings: Settings, log: JobLog, signal: AbortSignal): PrepareDependencies {
  const cloud = createCloud(settings);
  const now = Date.now;
  const store = new RecordStore(settings.stateDir);
  return {
    settings,
    profiles: readProfiles(settings.profilesFile),
    store,
    cloud,
    engine: createEngine(settings, cloud),
    placement: createPlacement({ cloud, settings, now }),
    log,
    now,
    signal,
    provision: (request) => provisionInstance({ ...request, settings, log, signal }),
    onGone: (record, goneAt) => recordCost(record, goneAt, { ledger: ledgerOf(settings), cloud }),
    checkBudget: budgetCheck(settings, store, now),
  };
}

export function destroyerDependencies(settings: Settings, log: (line: string) => void): DestroyerDependencies {
  const cloud = createCloud(settings);
  return {
    settings,
    store: new RecordStore(settings.stateDir),
    engine: createEngine(settings, cloud),
    findInstance: (stackName) => findInstance(stackName, cloud),
    log,
    now: Date.now,
    async onGone(record) {
      await recordCost(record, goneAt(record), { ledger: ledgerOf(settings), cloud });
      await askRetry(record, settings, { log, now: Date.now });
    },
  };
}
