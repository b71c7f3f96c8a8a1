import { ledgerOf } from '../billing/budget-check';
import { findInstance } from '../billing/found-instance';
import { goneAt, recordCost } from '../billing/record-cost';
import { createCloud } from '../cloud/client';
import { createEngine } from '../engine';
import { gitlabFetch } from '../gitlab/fetch';
import { RecordStore } from '../jobs/record-store';
import type { Settings } from '../settings/types';
import { askRetry } from '../teardown/ask-retry';
import type { DestroyerDependencies } from '../teardown/destroyer';

/** The real outside world of the destroyer. */
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
      await askRetry(record, settings, { log, now: Date.now, fetch: gitlabFetch(settings) });
    },
  };
}
