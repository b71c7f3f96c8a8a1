import { addUp } from '../../billing/add-up';
import { advise, adviceText, ADVICE_DAYS, type Advice } from '../../billing/advice';
import { costPage } from '../../billing/cost-page';
import { dayOf, monthOf, type DayRange } from '../../billing/ledger';
import { byCurrency, GROUPS, summarize, whatIsCounted, type GroupBy, type Paid } from '../../billing/report';
import { total, type CostRow } from '../../billing/tally';
import { ledgersOf, readAll, spentBefore, type Ledgers } from '../../billing/several-ledgers';
import type { LedgerEntry } from '../../billing/types';
import { namedIn, unitNameOf, unitOf, type Currency } from '../../currency';
import { standingLines, type Standing } from '../../billing/standing';
import { ConfigurationError } from '../../errors';
import { writeOutput } from '../../host/private-file';
import type { BudgetSettings, Profile, Settings } from '../../settings/types';
import { jsonText } from '../../printable';
import { defineCommand } from '../command';
import { fold } from '../prose';
import { columnsHere, csvLine, table } from '../table';

export interface CostArguments {
  readonly by: GroupBy;
  /**
   * Days (`2026-11-24`) or months (`2026-11`) in UTC; default: the month of the other one, or this
   * month.
   */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly format: 'table' | 'csv' | 'json';
  /** A file for the page; then nothing else is printed but its name. */
  readonly html: string | undefined;
  /** A 4c8g instance by the year, yuan a year. */
  readonly yearlyInstance: number;
  /** What the runner host costs a month, in what most is paid in; undefined: left out. */
  readonly hostCost?: number | undefined;
}

export interface CostDependencies {
  readonly ledgers: Ledgers;
  readonly now: () => number;
  readonly out: (text: string) => void;
  readonly warn: (line: string) => void;
  /**
   * What costs money while nothing runs; left out, or undefined: not to be told, or it can't be
   * asked.
   */
  readonly standing?: (currency: Currency) => Promise<Standing | undefined>;
  /** What advice is held against; left out: there is none. */
  readonly profiles?: readonly Profile[];
  readonly budget?: Pick<BudgetSettings, 'monthlyYuan' | 'currency'>;
  readonly gitlabUrl?: string | undefined;
}

const DAY_MS = 86_400_000;
const YEARLY = { vcpu: 4, memoryGiB: 8 } as const;

/** `gitlab-spot cost`: what the ledger says, summed. */
export async function cost(args: CostArguments, dependencies: CostDependencies): Promise<void> {
  const { now, out, warn, standing } = dependencies;
  const range = rangeOf(args, new Date(now()));
  const since = dayOf(new Date(now() - (ADVICE_DAYS - 1) * DAY_MS));
  const today = dayOf(new Date(now()));
  const wide = {
    from: since < range.from ? since : range.from,
    to: today > range.to ? today : range.to,
  };
  const { entries: read, unreadable } = await readAll(dependencies.ledgers, args.format === 'csv' ? range : wide);
  if (unreadable > 0) warn(`Lines of the ledger that can't be read are left out: ${unreadable}`);
  const entries = within(read, range);
  // A range without entries is told in what was paid in last.
  const [{ currency }] = byCurrency(read, dependencies.budget?.currency);
  const [main, ...others] = byCurrency(entries, currency);
  const idle = args.format === 'csv' ? undefined : await standing?.(main.currency);
  const advice =
    args.format === 'csv' ? [] : adviceFrom(within(read, { from: since, to: today }), main.currency, dependencies);
  if (args.html !== undefined) {
    const page = costPage({
      entries,
      currency,
      standing: idle,
      range,
      generatedAt: new Date(now()),
      yearly: { ...YEARLY, yuanPerYear: args.yearlyInstance },
      previous: await spentBefore(range, today, main.currency, dependencies.ledgers),
      budget: budgetOf(dependencies),
      hostYuanPerMonth: args.hostCost,
      advice,
      gitlabUrl: dependencies.gitlabUrl,
    });
    writeOutput(args.html, page);
    return out(`${args.html}\n`);
  }
  if (args.format === 'json') {
    const apart = others.length === 0 ? {} : { otherCurrencies: others.map((paid) => forScripts(args.by, paid)) };
    const told = advice.length === 0 ? {} : { advice: namedIn(main.currency, advice) };
    return out(
      `${jsonText({ ...range, by: args.by, ...forScripts(args.by, main), ...apart, ...told, ...(idle && { standing: namedIn(idle.currency, idle) }) })}\n`,
    );
  }
  if (args.format === 'csv') return out([main, ...others].map((paid) => csv(args.by, paid)).join('\r\n'));
  const beside = idle ? `${standingLines(idle).join('\n')}\n` : '';
  if (entries.length === 0) return out(`No instance was paid for from ${range.from} to ${range.to}.\n${beside}`);
  const tables = [main, ...others].map((paid) => `${forPeople(args.by, paid)}\n`);
  const hints = advice.slice(0, 5).map((one) => `${adviceText(one, main.currency)}\n`);
  const sentences = `${range.from} to ${range.to} (UTC). ${whatIsCounted(entries)}\n${beside}${hints.join('')}`;
  out(tables.join('') + fold(sentences, columnsHere()));
}

/** @param entries oldest first */
function within(entries: readonly LedgerEntry[], { from, to }: DayRange): readonly LedgerEntry[] {
  const first = entries.findIndex((entry) => entry.from >= from);
  const last = entries.findLastIndex((entry) => entry.from.slice(0, 10) <= to);
  return first < 0 ? [] : entries.slice(first, last + 1);
}

function adviceFrom(
  entries: readonly LedgerEntry[],
  currency: Currency,
  { profiles = [] }: Pick<CostDependencies, 'profiles'>,
): readonly Advice[] {
  return advise(byCurrency(entries).find((paid) => paid.currency === currency)?.entries ?? [], profiles);
}

/** One host's share of the budget says nothing about several hosts. */
function budgetOf({ budget, ledgers }: CostDependencies) {
  if (budget?.monthlyYuan === undefined || ledgers.length > 1) return undefined;
  return { monthlyYuan: budget.monthlyYuan, currency: budget.currency };
}

function forScripts(by: GroupBy, { currency, entries }: Paid) {
  return { currency, ...namedIn(currency, { rows: summarize(entries, by), total: total('total', entries) }) };
}

/**
 * @throws ConfigurationError for what is neither day nor month, or a range that ends before it
 * begins.
 */
function rangeOf({ from, to }: CostArguments, now: Date): DayRange {
  const [first, last] = [days('--from', from), days('--to', to)];
  const thisMonth = monthOf(now);
  const range = {
    from: first?.from ?? (last ? monthOf(new Date(last.to)).from : thisMonth.from),
    to: last?.to ?? (first && first.from > thisMonth.to ? monthOf(new Date(first.from)).to : thisMonth.to),
  };
  if (range.from > range.to)
    throw new ConfigurationError(`The range ${range.from} to ${range.to} ends before it begins`, {
      remedy: 'Swap --from and --to.',
    });
  return range;
}

/** The days that an option names: one, or all of a month. */
function days(option: string, text: string | undefined): DayRange | undefined {
  if (text === undefined) return undefined;
  const date = new Date(`${text}T00:00:00Z`);
  const known = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
  if (known && /^\d{4}-\d\d-\d\d$/.test(text)) return { from: text, to: text };
  if (known && /^\d{4}-\d\d$/.test(text)) return monthOf(date);
  throw new ConfigurationError(`${option} takes a day such as 2026-11-24 or a month such as 2026-11, not "${text}"`);
}

/** Of the figures, which a narrow terminal can do without: the highest first. */
const SPARE = [3, 2, undefined, 7, 4, 1, 6, 5, 8] as const;

function forPeople(by: GroupBy, { currency, entries }: Paid): string {
  const parts = summarize(entries, by);
  const all = total('total', entries);
  const rows: readonly CostRow[] = [...parts, all];
  const column = (of: (row: CostRow) => number, digits = 4): readonly string[] => {
    const { parts: texts, sum } = addUp(parts.map(of), digits);
    return [...texts, sum];
  };
  const hours = column((row) => row.hours, all.hours < 1000 ? 2 : 1);
  const yuan = column((row) => row.yuan);
  const disks = column((row) => row.diskYuan);
  const onDemand = column((row) => row.onDemandYuan);
  const figures = [
    'instances',
    'hours',
    unitOf(currency),
    'of it\ndisks',
    'pay-as-\nyou-go',
    'saved',
    'failed',
    'inter-\nrupted',
    'ready',
  ];
  return table(
    [{ title: by }, ...figures.map((title, index) => ({ title, align: 'right' as const, spare: SPARE[index] }))],
    rows.map((row, index) => [
      row.key,
      String(row.jobs),
      hours[index]!,
      yuan[index]!,
      disks[index]!,
      onDemand[index]!,
      row.onDemandYuan > 0 ? `${Math.round((1 - row.yuan / row.onDemandYuan) * 100)} %` : '',
      String(row.failed),
      String(row.interrupted),
      row.readySeconds === undefined ? '' : `${Math.round(row.readySeconds)} s`,
    ]),
  );
}

function csv(by: GroupBy, { currency, entries }: Paid): string {
  const unit = unitNameOf(currency);
  const head = csvLine([
    ...[by, 'instances', 'hours', unit, `pay_as_you_go_${unit}`, 'failed', 'interrupted', 'ready_seconds'],
    `disk_${unit}`,
  ]);
  return (
    head +
    summarize(entries, by)
      .map((row) =>
        csvLine([
          row.key,
          row.jobs,
          row.hours,
          row.yuan,
          row.onDemandYuan,
          row.failed,
          row.interrupted,
          row.readySeconds,
          row.diskYuan,
        ]),
      )
      .join('')
  );
}

interface CommandLine extends Omit<CostArguments, 'by' | 'format'> {
  readonly ledger: readonly string[] | undefined;
  readonly by: GroupBy | undefined;
  readonly format: CostArguments['format'] | undefined;
  readonly csv: boolean | undefined;
  readonly json: boolean | undefined;
  readonly standing: boolean;
}

export const costCommand = defineCommand<CommandLine>({
  command: 'cost',
  describe: 'What the jobs cost, by day, project, job, branch, user and more',
  builder: (yargs) =>
    yargs
      .options({
        by: { choices: GROUPS, describe: 'Sum by (default: day)' },
        from: { type: 'string', requiresArg: true, describe: 'First day or month, such as 2026-11-01 or 2026-11' },
        to: { type: 'string', requiresArg: true, describe: 'Last day or month (default of both: this month)' },
        format: { choices: ['table', 'csv', 'json'] as const, describe: 'How to print it (default: table)' },
        csv: { type: 'boolean', describe: 'The same as --format csv' },
        json: { type: 'boolean', describe: 'The same as --format json' },
        html: { type: 'string', requiresArg: true, describe: 'Write a page with charts to this file instead' },
        ledger: {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: 'A state folder to read instead of this host’s; several: the hosts together',
        },
        standing: {
          type: 'boolean',
          default: true,
          describe: 'Ask the cloud what costs money while nothing runs, for an estimate; --no-standing asks nothing',
        },
        'yearly-instance': {
          type: 'number',
          default: 3000,
          describe: 'On the page, for comparison: a 4c8g instance by the year, yuan',
        },
        'host-cost': { type: 'number', describe: 'On the page: what the runner host costs a month' },
      })
      .conflicts({ html: ['by', 'format', 'csv', 'json'], json: ['csv', 'format'], csv: 'format' }) as never,
  needs: { cloud: false, host: true },
  async run(args, { settings, out, warn }) {
    const format = args.json ? 'json' : args.csv ? 'csv' : (args.format ?? 'table');
    if (!(args.yearlyInstance > 0))
      throw new ConfigurationError('--yearly-instance takes a price in yuan a year, such as 3000');
    if (args.hostCost !== undefined && !(args.hostCost >= 0))
      throw new ConfigurationError('--host-cost takes a price a month, such as 60');
    const isAsked = args.standing && settings.cloud.region !== '';
    await cost(
      { ...args, by: args.by ?? 'day', format },
      {
        ledgers: ledgersOf(args.ledger ?? [], settings),
        now: Date.now,
        out,
        warn,
        profiles: await profilesOf(settings),
        budget: settings.budget,
        gitlabUrl: settings.gitlab.url,
        ...(isAsked ? { standing: standingFrom(settings, warn) } : {}),
      },
    );
  },
});

/** A page that is not right gives no advice; `gitlab-spot check` says what is wrong with it. */
async function profilesOf(settings: Settings): Promise<readonly Profile[]> {
  const { parseProfiles, readPage } = await import('../../settings/profiles');
  try {
    return Object.values(parseProfiles(readPage(settings.profilesFile), settings.profilesFile).profiles);
  } catch {
    return [];
  }
}

/** Asks the cloud for a few seconds at most: the ledger's figures do not wait for it. */
const PATIENCE = { timeoutMs: 5_000, retryMs: 0 } as const;

function standingFrom(settings: Settings, warn: (line: string) => void): NonNullable<CostDependencies['standing']> {
  return async (currency) => {
    const [{ askStanding }, { bucketGiB }, { createCloud, createRpc }, { createImages }, { hasFoundationNat }] =
      await Promise.all([
        import('../../billing/ask-standing'),
        import('../../cloud/bucket-size'),
        import('../../cloud/client'),
        import('../../cloud/images'),
        import('../../cloud/way-out'),
      ]);
    const rpc = createRpc(settings, PATIENCE);
    return askStanding({
      cloud: createCloud(settings, PATIENCE),
      images: createImages(rpc),
      hasNat: (vpcId) => hasFoundationNat(rpc, vpcId),
      bucketGiB: (name) => bucketGiB(rpc, name),
      settings,
      cacheBucket: settings.childEnvironment.GITLAB_SPOT_CACHE_BUCKET,
      currency,
    }).catch((error: unknown) => {
      warn(`What costs money while nothing runs can't be asked (${(error as Error).message})`);
      return undefined;
    });
  };
}
