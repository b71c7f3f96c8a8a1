import { goneMs, hourlyYuan } from '../billing/cost';
import { projectIdIn } from '../billing/ledger-lines';
import { millionths as round } from '../billing/money';
import type { ProjectSpend } from '../billing/project-spend';
import { unitNameOf, type Currency } from '../currency';
import type { ReapRun } from '../reaper/last-run';
import { isSpareName } from '../jobs/identity';
import { instanceOf } from '../jobs/transitions';
import type { JobRecord } from '../jobs/types';
import type { BudgetSettings } from '../settings/types';
import type { Family, Labels, Sample } from './exposition';
import { READY_BUCKETS, type Counts, type Totals } from './tally';

/** What this host's metrics are made from. */
export interface Observed {
  readonly version: string;
  readonly records: readonly JobRecord[];
  /** Jobs that wait for a slot to create their instance. */
  readonly waiting: number;
  readonly maxTries: number;
  readonly totals: Totals;
  /** This month, by currency. */
  readonly spent: ReadonlyMap<Currency, readonly ProjectSpend[]>;
  readonly reap: ReapRun | undefined;
  readonly budget: BudgetSettings;
  /** What running jobs may still cost, yuan. */
  readonly reserved: readonly ProjectSpend[];
  /** Lines of this month's ledger and records that can't be read. */
  readonly unreadable: number;
}

/**
 * A spare machine is `preparing` until it waits for a job (`spare`), and `destroying` in the end.
 */
const SPARE_PHASES = ['preparing', 'spare', 'destroying'] as const;
const PHASES = ['preparing', 'running', 'lost', 'destroying'] as const;
const seconds = (iso: string): number => Date.parse(iso) / 1000;

/**
 * Names and units as https://prometheus.io/docs/practices/naming/ has them. Counters count from the
 * host's first job on.
 */
export function families(observed: Observed): readonly Family[] {
  return [...ofNow(observed), ...ofTotals(observed), ...ofReaper(observed.reap), ...ofBudget(observed)];
}

function ofNow({ version, records: all, waiting, maxTries, budget }: Observed): Family[] {
  const isSpare = ({ identity }: JobRecord): boolean => isSpareName(identity.stackName);
  const records = all.filter((record) => !isSpare(record));
  const spares = all.filter(isSpare);
  const doomed = all.flatMap((record) => (record.phase === 'destroying' ? [record] : []));
  const instances = all.flatMap((record) => (goneMs(record) === undefined ? (instanceOf(record) ?? []) : []));
  const gauge = (name: string, help: string, samples: readonly Sample[]): Family => ({
    name,
    help,
    type: 'gauge',
    samples,
  });
  return [
    gauge('gitlab_spot_info', 'Version of gitlab-spot on this host.', [{ labels: { version }, value: 1 }]),
    gauge(
      'gitlab_spot_jobs',
      'Jobs of this host by phase; lost: their instance is gone; destroying: over, their stack is not gone yet.',
      PHASES.map((phase) => ({
        labels: { phase },
        value: records.filter((record) => record.phase === phase).length,
      })),
    ),
    gauge(
      'gitlab_spot_spares',
      'Spare machines of this host by phase; spare: it waits for a job.',
      SPARE_PHASES.map((phase) => ({
        labels: { phase },
        value: spares.filter((record) => record.phase === phase).length,
      })),
    ),
    gauge('gitlab_spot_jobs_waiting', 'Jobs that wait for a slot to create their instance.', [{ value: waiting }]),
    gauge('gitlab_spot_destroys_pending', 'Stacks whose destroy is still to be done or tried again.', [
      { value: doomed.filter(({ tries }) => tries < maxTries).length },
    ]),
    gauge('gitlab_spot_destroys_given_up', 'Stacks that could not be destroyed and are left to the reaper.', [
      { value: doomed.filter(({ tries }) => tries >= maxTries).length },
    ]),
    ...unitsOf(
      instances.map(({ currency }) => currency),
      budget,
    ).map((unit) =>
      gauge(`gitlab_spot_instances_${unit}_per_hour`, 'What the instances of this host cost now, with their disks.', [
        { value: round(sumOf(instances, (one) => (unitNameOf(one.currency) === unit ? hourlyYuan(one) : 0))) },
      ]),
    ),
  ];
}

function ofTotals({ totals, budget }: Observed): Family[] {
  const counter = (name: string, help: string, counts: Counts, ...names: string[]): Family => ({
    name,
    help,
    type: 'counter',
    samples: samplesOf(counts, names),
  });
  return [
    counter(
      'gitlab_spot_jobs_ended_total',
      'Instances that are gone, by how their job ended.',
      totals.ended,
      'profile',
      'result',
    ),
    counter(
      'gitlab_spot_interruptions_total',
      'Instances that were taken back, by the word of the cloud or their own.',
      totals.interrupted,
      'profile',
    ),
    counter(
      'gitlab_spot_interruptions_confirmed_total',
      'Of these, instances of which the cloud itself says so.',
      totals.confirmed,
      'profile',
    ),
    counter(
      'gitlab_spot_failures_total',
      'Failures of hooks that were not the job’s own doing, by cause.',
      totals.failures,
      'hook',
      'cause',
    ),
    ...money('spend', 'What instances that are gone have cost, with their disks.', totals.spent, budget),
    ...money('disk_spend', 'The part of it that was for disks.', totals.disks ?? {}, budget),
    counter(
      'gitlab_spot_instance_seconds_total',
      'Billed life of instances that are gone.',
      totals.seconds,
      'profile',
      'market',
    ),
    {
      name: 'gitlab_spot_ready_seconds',
      help: 'From the start of prepare until the instance was ready.',
      type: 'histogram',
      samples: Object.entries(totals.ready).map(([profile, { buckets, sum, count }]) => ({
        labels: { profile },
        buckets: READY_BUCKETS.map((bound, index) => [bound, buckets[index] ?? 0] as const),
        sum,
        count,
      })),
    },
  ];
}

/** A counter for each currency: names tell units, and amounts of two have no sum. */
function money(what: string, help: string, counts: Counts, budget: BudgetSettings): Family[] {
  const currencyOf = (key: string): string | undefined => key.split('\n')[2];
  return unitsOf(Object.keys(counts).map(currencyOf), budget).map((unit) => {
    const own = Object.entries(counts).filter(([key]) => unitNameOf(currencyOf(key)) === unit);
    return {
      name: `gitlab_spot_${what}_${unit}_total`,
      help,
      type: 'counter',
      samples: samplesOf(Object.fromEntries(own), ['profile', 'project']),
    };
  });
}

/** That of the budget where there is nothing now: a name that comes and goes leaves gaps. */
function unitsOf(currencies: readonly (Currency | undefined)[], { currency }: BudgetSettings): readonly string[] {
  return [...new Set((currencies.length > 0 ? currencies : [currency]).map(unitNameOf))];
}

function ofReaper(reap: ReapRun | undefined): Family[] {
  // Without a round there is no time: an alert on `absent` or on an old time tells both.
  if (!reap) return [];
  const gauge = (name: string, help: string, value: number): Family => ({
    name,
    help,
    type: 'gauge',
    samples: [{ value }],
  });
  return [
    gauge('gitlab_spot_reap_last_run_timestamp_seconds', 'When the reaper last ran.', seconds(reap.at)),
    ...(reap.lastSuccessAt === undefined
      ? []
      : [
          gauge(
            'gitlab_spot_reap_last_success_timestamp_seconds',
            'When a round of the reaper last went to its end.',
            seconds(reap.lastSuccessAt),
          ),
        ]),
    gauge('gitlab_spot_leftovers', 'Stacks that the last round of the reaper could not destroy.', reap.left),
    gauge(
      'gitlab_spot_leftovers_of_others',
      'Stacks of other hosts, or of nobody, that the last round left alone.',
      reap.reported,
    ),
    gauge('gitlab_spot_reap_last_run_destroyed', 'Stacks that the last round of the reaper destroyed.', reap.destroyed),
  ];
}

/** As `prepare` reckons it: spent this month, and what running jobs may still cost. */
function ofBudget({ budget, spent, reserved, unreadable }: Observed): Family[] {
  const used = (belongs: (one: ProjectSpend) => boolean): number =>
    sumOf([...(spent.get(budget.currency) ?? []), ...reserved].filter(belongs), ({ yuan }) => yuan);
  const currencies = spent.size > 0 ? [...spent.keys()] : [budget.currency];
  const families: Family[] = [
    ...currencies.map((currency): Family => ({
      name: `gitlab_spot_month_spend_${unitNameOf(currency)}`,
      help: 'What instances that are gone have cost in this calendar month (UTC).',
      type: 'gauge',
      samples: [{ value: round(sumOf(spent.get(currency) ?? [], ({ yuan }) => yuan)) }],
    })),
    {
      name: 'gitlab_spot_unreadable',
      help: 'Lines of this month’s ledger and job records that can’t be read; above 0 a budget refuses jobs.',
      type: 'gauge',
      samples: [{ value: unreadable }],
    },
  ];
  const limits: { labels: Labels; limit: number; used: number }[] = [];
  if (budget.monthlyYuan !== undefined)
    limits.push({ labels: { project: '' }, limit: budget.monthlyYuan, used: used(() => true) });
  for (const [project, limit] of Object.entries(budget.perProjectYuan)) {
    if (project === '*') continue;
    const its = (one: ProjectSpend): boolean => one.project === project || projectIdIn(one.key) === project;
    limits.push({ labels: { project }, limit, used: used(its) });
  }
  families.push(
    {
      name: `gitlab_spot_budget_limit_${unitNameOf(budget.currency)}`,
      help: 'The monthly budget; of all projects where `project` is empty.',
      type: 'gauge',
      samples: limits.map(({ labels, limit }) => ({ labels, value: limit })),
    },
    {
      name: 'gitlab_spot_budget_used_ratio',
      help: 'Share of the monthly budget that is spent or reserved by running jobs; above 1 jobs are refused.',
      type: 'gauge',
      samples: limits.map(({ labels, limit, used }) => ({
        labels,
        value: limit > 0 ? round(used / limit) : used > 0 ? Infinity : 0,
      })),
    },
  );
  return families;
}

function samplesOf(counts: Counts, names: readonly string[]): Sample[] {
  return Object.entries(counts).map(([key, value]) => {
    const values = key.split('\n');
    return { labels: Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])), value };
  });
}

function sumOf<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((sum, one) => sum + of(one), 0);
}
