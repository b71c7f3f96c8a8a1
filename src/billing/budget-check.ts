import path from 'node:path';
import { checkBudget } from './budget';
import { Ledger, monthOf } from './ledger';
import type { RecordStore } from '../jobs/record-store';
import type { Profile, Settings } from '../settings/types';

export function ledgerOf(settings: Pick<Settings, 'stateDir'>): Ledger {
  return new Ledger(path.join(settings.stateDir, 'ledger'));
}

export interface BudgetedJob {
  readonly project: string;
  readonly profile: Profile;
  readonly timeoutMs: number;
}

/** Asks whether the month's budget has room for a job: warnings about it; rejects when there is nothing left of it. */
export function budgetCheck(
  settings: Pick<Settings, 'stateDir' | 'budget'>,
  store: RecordStore,
  now: () => number,
): (job: BudgetedJob) => Promise<readonly string[]> {
  return async ({ project, profile, timeoutMs }) => {
    const { budget } = settings;
    if (budget.monthlyYuan === undefined && Object.keys(budget.perProjectYuan).length === 0) return [];
    const spent = await ledgerOf(settings).spent(monthOf(new Date(now())));
    const own = { project, yuan: mostItCosts(profile.spot.maxPriceYuanPerHour, timeoutMs) };
    return checkBudget({ budget, project, spent, reserved: [...reserved(store), own] });
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
