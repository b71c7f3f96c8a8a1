import { version } from '../../package.json';
import { monthOf } from '../billing/ledger';
import { lastReap } from '../reaper/last-run';
import { queueLength } from '../host/queue';
import { RecordStore } from '../jobs/record-store';
import { ledgerOf, reserved, unreadable } from '../billing/budget-check';
import { MAX_TRIES } from '../teardown/destroyer';
import { engineQueue } from '../host/slots';
import type { Settings } from '../settings/types';
import { exposition } from './exposition';
import { families } from './families';
import { Tally } from './tally';

/**
 * This host's metrics, from its state folder alone: neither cloud nor GitLab nor Pulumi is asked.
 */
export async function collectMetrics(settings: Settings, nowMs = Date.now()): Promise<string> {
  const { stateDir, budget, limits } = settings;
  const store = new RecordStore(stateDir);
  const ledger = ledgerOf(settings);
  const month = monthOf(new Date(nowMs));
  const totals = await new Tally(stateDir, ledger).totals(nowMs);
  return exposition(
    families({
      version,
      records: store.list().flatMap(({ record }) => record ?? []),
      waiting: Math.max(0, queueLength(engineQueue(settings)) - limits.concurrentUps),
      maxTries: MAX_TRIES,
      totals,
      spent: await ledger.spentIn(month),
      projects: await ledger.spentOn(month, budget.currency),
      reap: lastReap(stateDir),
      budget,
      reserved: reserved(store, nowMs),
      unreadable: (await unreadable(ledger, month, store)).length,
    }),
  );
}
