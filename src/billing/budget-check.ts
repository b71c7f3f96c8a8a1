import path from 'node:path';
import { auditBudget } from '../audit/log';
import { checkBudget, isLimited } from './budget';
import { goneMs, hourlyYuan } from './cost';
import { Ledger, monthOf, type DayRange } from './ledger';
import { projectKey } from './ledger-lines';
import type { Currency } from '../currency';
import { ConfigurationError, SpotError } from '../errors';
import { acquireSlot } from '../host/queue';
import { isSpareName } from '../jobs/identity';
import { makePrivate } from '../host/private-folder';
import type { RecordStore } from '../jobs/record-store';
import type { InstanceFacts, JobRecord } from '../jobs/types';
import type { Candidate } from '../placement/types';
import { counted } from '../plural';
import type { JobCount } from '../settings/choose-profile';
import type { Settings } from '../settings/types';

export function ledgerOf(settings: Pick<Settings, 'stateDir'>): Ledger {
  return new Ledger(path.join(settings.stateDir, 'ledger'));
}

/** The platform team lets no more of these jobs run at a time. */
class TooManyJobs extends SpotError {
  readonly blame = 'configuration';
}

export interface BudgetedJob {
  /** With what it may cost (reservedYuan), which counts from here on. */
  readonly record: JobRecord;
  /** Whether GitLab itself says which project's it is. */
  readonly verified: boolean;
  /** Its pools and their prices are known: from here on it must be known what it may cost. */
  readonly placed?: boolean | undefined;
  /** What the account is billed in; undefined: not known before placement. */
  readonly currency?: Currency | undefined;
  /** How many jobs may run at a time, this one included; left out: it has been counted. */
  readonly counts?: readonly JobCount[] | undefined;
  /**
   * Writes the record: the reservation is nothing else, so it goes with the job, however that dies.
   */
  readonly hold: () => void;
}

/**
 * Asks whether the month's budget has room for a job, and holds what it may cost. One job of the
 * host at a time, so that of many that begin together no more are let in than there is room for.
 * @returns warnings about the budget. @throws BudgetExhausted, TooManyJobs
 */
export function budgetCheck(
  settings: Pick<Settings, 'stateDir' | 'budget'>,
  store: RecordStore,
  now: () => number,
): (job: BudgetedJob) => Promise<readonly string[]> {
  return async ({ record, verified, placed, currency, counts = [], hold }) => {
    const { budget } = settings;
    auditBudget(settings.stateDir, budget);
    const isBudget = isLimited(budget);
    if (!isBudget && counts.length === 0) {
      hold();
      return [];
    }
    if (isBudget && !verified)
      throw new ConfigurationError(
        'There is a budget, and this runner hands over nothing that proves whose job this is',
        {
          remedy: 'Upgrade gitlab-runner to a version that writes JOB_RESPONSE_FILE.',
        },
      );
    const directory = path.join(settings.stateDir, 'slots', 'budget');
    makePrivate(directory);
    const slot = await acquireSlot({ directory, slots: 1 });
    try {
      counts.forEach((count) => checkCount(count, record, store));
      if (!isBudget) return (hold(), []);
      const ledger = ledgerOf(settings);
      const month = monthOf(new Date(now()));
      const spent = await ledger.spentByKey(month, budget.currency);
      const unknown = [...(await unreadable(ledger, month, store))];
      const others = reserved(store, now()).filter(({ stackName }) => stackName !== record.identity.stackName);
      const { project, projectId } = record;
      const key = keyOf(record);
      // Before placement, a profile without a price cap reserves nothing; the job is checked again
      // before its instance is created.
      const own = { project: key, yuan: record.reservedYuan ?? 0 };
      if (placed && record.reservedYuan === undefined)
        unknown.push(`no price of profile ${record.profile} is known now, and it names no spot.maxPrice`);
      const all = [...others.map((one) => ({ project: one.key, yuan: one.yuan })), own];
      const warnings = checkBudget({ budget, project, projectId, key, spent, reserved: all, unknown, currency });
      hold();
      return warnings;
    } finally {
      slot.release();
    }
  };
}

/**
 * Each record that can't be read counts as one more job.
 * @throws TooManyJobs
 */
function checkCount({ of, whose, setting, maxJobs }: JobCount, own: JobRecord, store: RecordStore): void {
  const belongs = (record: JobRecord): boolean =>
    record.phase !== 'destroying' && (of === 'profile' ? record.profile === own.profile : keyOf(record) === keyOf(own));
  const others = store
    .list()
    // Spare machines are no jobs.
    .filter(({ stackName }) => stackName !== own.identity.stackName && !isSpareName(stackName))
    .filter(({ record, problem }) => (record ? belongs(record) : problem !== undefined));
  if (others.length < maxJobs) return;
  throw new TooManyJobs(
    `${whose} has ${counted(others.length, 'job')} on this host, and may have ${maxJobs} at a time`,
    {
      remedy: `Run the job again later (\`retry:\` does), have GitLab hold jobs back with \`resource_group\`, or raise ${setting}.maxJobs in instances.yaml.`,
      retryable: true,
    },
  );
}

/**
 * Entries and records of this host that can't be read, so that their cost is unknown; they never
 * count as nothing.
 */
export async function unreadable(
  ledger: Pick<Ledger, 'unreadable'>,
  month: DayRange,
  store: Pick<RecordStore, 'list'>,
): Promise<readonly string[]> {
  const lines = (await ledger.unreadable(month)).map((place) => `ledger/${place}`);
  const records = store.list().flatMap(({ stackName, problem }) => (problem ? [`jobs/${stackName} (${problem})`] : []));
  return [...lines, ...records].map((place) => `${place} can't be read`);
}

/**
 * What the jobs of this host may still cost: each what it holds, at least its price until its own
 * limit.
 */
export function reserved(
  store: Pick<RecordStore, 'list'>,
  nowMs: number = Date.now(),
): { stackName: string; project: string; key: string; yuan: number }[] {
  return store.list().flatMap(({ stackName, record }) => {
    const yuan = record && mayCost(record, nowMs);
    return yuan === undefined ? [] : [{ stackName, project: record!.project, key: keyOf(record!), yuan }];
  });
}

function mayCost(record: JobRecord, nowMs: number): number | undefined {
  const instance = record.phase === 'preparing' ? record.launched : record.instance;
  // Until its line is in the ledger it is paid for: as long as it is there, or kept for a look.
  if (record.phase === 'destroying')
    return instance && costUntil(instance, goneMs(record) ?? Math.max(nowMs, Date.parse(record.notBefore ?? '') || 0));
  // Once it has an instance that one's price is known, and tells better than the profile's cap.
  return (instance && mostAnInstanceCosts(instance, record.timeoutMs + (record.keepMs ?? 0))) ?? record.reservedYuan;
}

function costUntil(instance: InstanceFacts, endMs: number): number | undefined {
  return mostAnInstanceCosts(instance, Math.max(0, endMs - Date.parse(instance.createdAt)));
}

/** With its disk; undefined where its own price is not known. */
function mostAnInstanceCosts(instance: InstanceFacts, lifeMs: number): number | undefined {
  return instance.priceYuanPerHour > 0 ? mostItCosts(hourlyYuan(instance), lifeMs) : undefined;
}

/** Yuan; undefined without a price. */
export function mostItCosts(priceYuanPerHour: number, lifeMs: number): number | undefined {
  return Number.isFinite(priceYuanPerHour) && priceYuanPerHour > 0
    ? (priceYuanPerHour * lifeMs) / 3_600_000
    : undefined;
}

/**
 * Yuan that a job may cost on the dearest of its pools, with its disk; at least what it holds
 * already. Without a cap a spot price may rise as far as pay-as-you-go. Undefined: no price is
 * known.
 */
export function mayPay(
  { reservedYuan, timeoutMs, keepMs = 0 }: Pick<JobRecord, 'reservedYuan' | 'timeoutMs' | 'keepMs'>,
  candidates: readonly Pick<Candidate, 'priceYuanPerHour' | 'onDemandYuanPerHour' | 'diskYuanPerHour'>[],
): number | undefined {
  const price = Math.max(0, ...candidates.flatMap((one) => [one.priceYuanPerHour ?? 0, one.onDemandYuanPerHour ?? 0]));
  const disk = candidates[0]?.diskYuanPerHour ?? 0;
  const yuan = mostItCosts(price > 0 ? price + disk : 0, timeoutMs + keepMs);
  return reservedYuan === undefined ? yuan : Math.max(reservedYuan, yuan ?? 0);
}

function keyOf({ identity, projectId, project }: JobRecord): string {
  return projectKey(identity.serverHost, projectId, project);
}
