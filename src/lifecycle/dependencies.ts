import path from 'node:path';
import { checkBudget } from '../audit/budget';
import { Ledger, monthOf } from '../audit/ledger';
import { createCloud } from '../cloud/client';
import { createEngine } from '../engine';
import type { JobLog } from '../gitlab/job-log';
import { equip } from '../instance/equip';
import { RecordStore } from '../job/record-store';
import { createPlacement } from '../placement';
import { readProfiles } from '../settings/profiles';
import type { Settings } from '../settings/types';
import { askRetry } from './ask-retry';
import { findInstance } from './found-instance';
import type { DestroyerDependencies } from './destroyer';
import type { PrepareDependencies } from './prepare';
import { goneAt, settle } from './settle';

/** The real outside world for the use cases that need the cloud and the engine. Tests hand in their own. */

export function ledgerOf(settings: Pick<Settings, 'stateDir'>): Ledger {
  return new Ledger(path.join(settings.stateDir, 'ledger'));
}

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
    equip: (equipment) => equip({ ...equipment, settings, log, signal }),
    onGone: (record, goneAt) => settle(record, goneAt, { ledger: ledgerOf(settings), cloud }),
    async checkBudget({ project, profile, timeoutMs }) {
      const { budget } = settings;
      if (budget.monthlyYuan === undefined && Object.keys(budget.perProjectYuan).length === 0) return [];
      const spent = await ledgerOf(settings).spent(monthOf(new Date(now())));
      const own = { project, yuan: mostItCosts(profile.spot.maxPriceYuanPerHour, timeoutMs) };
      return checkBudget({ budget, project, spent, reserved: [...reserved(store), own] });
    },
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
      await settle(record, goneAt(record), { ledger: ledgerOf(settings), cloud });
      await askRetry(record, settings, { log, now: Date.now });
    },
  };
}

/** What the jobs of this host may still cost: each at its price until its own limit. */
export function reserved(store: RecordStore): { project: string; yuan: number }[] {
  return store.list().flatMap(({ record }) => {
    if (!record || record.phase === 'destroying') return [];
    const price = record.phase === 'preparing' ? record.launched?.priceYuanPerHour : record.instance.priceYuanPerHour;
    return price === undefined ? [] : [{ project: record.project, yuan: mostItCosts(price, record.timeoutMs) }];
  });
}

/** A profile without a cap reserves nothing: its price is not known before placement. */
function mostItCosts(priceYuanPerHour: number, timeoutMs: number): number {
  return Number.isFinite(priceYuanPerHour) ? (priceYuanPerHour * timeoutMs) / 3_600_000 : 0;
}
