import { currencyOf, unitOf, type Currency } from '../currency';
import { ConfigurationError, SpotError } from '../errors';
import { instanceOf } from '../jobs/transitions';
import type { JobRecord } from '../jobs/types';
import type { BudgetSettings } from '../settings/types';

/**
 * The month's budget is used up and the setting says to refuse. Trying again this month can't mend
 * it.
 */
export class BudgetExhausted extends SpotError {
  readonly blame = 'configuration';
}

export interface BudgetQuestion {
  readonly budget: BudgetSettings;
  /** Its path, for messages and settings. */
  readonly project: string;
  readonly projectId?: number | undefined;
  /** What `spent` and `reserved` call it: outlives a rename. Left out: its path. */
  readonly key?: string | undefined;
  /** Spent this month, in the budget's currency, by project. */
  readonly spent: ReadonlyMap<string, number>;
  /** What running jobs may still cost, yuan, this job's own amount included. */
  readonly reserved: readonly { readonly project: string; readonly yuan: number }[];
  /**
   * Why neither amount is whole: a line of the ledger that can't be read, a job without a price.
   */
  readonly unknown?: readonly string[] | undefined;
  /** What the account is billed in, as far as it is known. */
  readonly currency?: Currency | undefined;
}

export function isLimited({ monthlyYuan, perProjectYuan }: BudgetSettings): boolean {
  return monthlyYuan !== undefined || Object.keys(perProjectYuan).length > 0;
}

/**
 * What there is to tell of money is in the budget's currency. Where nothing is limited, it is in what
 * the host's machines cost now, or else in what the month's did.
 */
export function asBilled(
  budget: BudgetSettings,
  records: readonly JobRecord[],
  spent: ReadonlyMap<Currency, unknown>,
): BudgetSettings {
  if (isLimited(budget)) return budget;
  const [instance] = records.flatMap((record) => instanceOf(record) ?? []);
  const currency = instance ? currencyOf(instance.currency) : [...spent.keys()].at(-1);
  return { ...budget, currency: currency ?? budget.currency };
}

/** From this share of a limit on it is near: the job's log warns, board and doctor show it. */
export const WARN_SHARE = 0.8;

/** @throws ConfigurationError where the account is billed in another currency. */
export function checkCurrency({ currency }: BudgetSettings, billed: Currency): void {
  if (billed === currency) return;
  throw new ConfigurationError(
    `The budget is in ${unitOf(currency)}, and this account is billed in ${unitOf(billed)}`,
    { remedy: `Set GITLAB_SPOT_CURRENCY=${billed}, and the budget to an amount in ${unitOf(billed)}.` },
  );
}

/**
 * Holds the month's spending and what running jobs may still cost against the limits.
 *
 * @returns warnings for the job's log; empty where no limit is near.
 * @throws BudgetExhausted at 100 %, or when an amount is not whole, where the setting is `refuse`.
 */
export function checkBudget({
  budget,
  project,
  projectId,
  key = project,
  spent,
  reserved,
  unknown = [],
  currency = budget.currency,
}: BudgetQuestion): readonly string[] {
  checkCurrency(budget, currency);
  const sum = (belongs: (project: string) => boolean) =>
    [...spent].filter(([name]) => belongs(name)).reduce((total, [, yuan]) => total + yuan, 0) +
    reserved.filter((entry) => belongs(entry.project)).reduce((total, { yuan }) => total + yuan, 0);
  const limits = [
    {
      whose: 'The monthly budget',
      setting: 'GITLAB_SPOT_BUDGET',
      limit: budget.monthlyYuan,
      used: () => sum(() => true),
    },
    {
      whose: `The monthly budget of ${project}`,
      setting: 'GITLAB_SPOT_BUDGET_PER_PROJECT',
      limit: limitOf(budget, project, projectId),
      // Lines from before ids were kept have the path alone.
      used: () => sum((name) => name === key || name === project),
    },
  ];
  const isLimited = limits.some(({ limit }) => limit !== undefined);
  const doubts = isLimited && unknown.length > 0 ? [notWhole(unknown, budget.action)] : [];
  const warnings = limits.flatMap(({ whose, setting, limit, used }) => {
    if (limit === undefined) return [];
    const yuan = used();
    if (yuan < limit * WARN_SHARE) return [];
    const share = `${yuan.toFixed(2)} of ${limit} ${unitOf(budget.currency)}${limit > 0 ? ` (${Math.floor((yuan / limit) * 100)} %)` : ''}, running jobs' possible cost included`;
    if (yuan <= limit) return [`${whose} is nearly used up: ${share}`];
    if (budget.action === 'warn') return [`${whose} is exceeded: ${share}; jobs go on, by setting`];
    throw new BudgetExhausted(`${whose} is used up: ${share}`, {
      remedy: `Raise ${setting}, or wait for the next month.`,
    });
  });
  return [...doubts, ...warnings];
}

/** What a project may cost a month, by its id before its path; undefined: there is no limit. */
export function limitOf(
  { perProjectYuan }: Pick<BudgetSettings, 'perProjectYuan'>,
  project: string,
  projectId?: number | string,
): number | undefined {
  // Spare machines are no project's.
  if (project === '') return undefined;
  const named = [String(projectId ?? ''), project].find((name) => Object.hasOwn(perProjectYuan, name));
  return perProjectYuan[named ?? '*'];
}

/**
 * If something that was paid for can't be read, there may be no room left: it never counts as
 * nothing.
 */
function notWhole([first, ...others]: readonly string[], action: BudgetSettings['action']): string {
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  const what = `The monthly budget can't be reckoned: ${first}${more}`;
  if (action === 'warn') return `${what}; jobs go on, by setting`;
  throw new BudgetExhausted(what, {
    remedy:
      'Update gitlab-spot where a later version wrote it; restore or remove what is damaged in the state folder; give each profile a spot.maxPrice.',
  });
}
