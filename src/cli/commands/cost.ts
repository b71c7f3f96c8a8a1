import writeFileAtomic from 'write-file-atomic';
import { costPage } from '../../billing/cost-page';
import { monthOf, type DayRange, type Ledger } from '../../billing/ledger';
import {
  byCurrency,
  summarize,
  total,
  whatIsCounted,
  type CostRow,
  type GroupBy,
  type Paid,
} from '../../billing/report';
import { namedIn, unitNameOf, unitOf, type Currency } from '../../currency';
import { standingLines, type Standing } from '../../billing/standing';
import { ConfigurationError } from '../../errors';
import type { Settings } from '../../settings/types';
import { defineCommand } from '../command';
import { csvLine, table } from '../table';

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
}

export interface CostDependencies {
  readonly ledger: Ledger;
  readonly now: () => number;
  readonly out: (text: string) => void;
  readonly warn: (line: string) => void;
  /**
   * What costs money while nothing runs; left out, or undefined: not to be told, or it can't be
   * asked.
   */
  readonly standing?: (currency: Currency) => Promise<Standing | undefined>;
}

/** `gitlab-spot cost`: what the ledger says, summed. */
export async function cost(args: CostArguments, { ledger, now, out, warn, standing }: CostDependencies): Promise<void> {
  const range = rangeOf(args, new Date(now()));
  const { entries, unreadable } = await ledger.entries(range);
  if (unreadable > 0) warn(`Lines of the ledger that can't be read are left out: ${unreadable}`);
  const [main, ...others] = byCurrency(entries);
  const idle = args.format === 'csv' ? undefined : await standing?.(main.currency);
  if (args.html !== undefined) {
    const page = costPage({
      entries,
      standing: idle,
      range,
      generatedAt: new Date(now()),
      yearlyInstanceYuan: args.yearlyInstance,
    });
    await writeFileAtomic(args.html, page).catch((error: unknown) => {
      throw new ConfigurationError(
        `The page can't be written to ${args.html} (${(error as NodeJS.ErrnoException).code})`,
        { remedy: 'Name a file in a folder that you may write to.' },
      );
    });
    return out(`${args.html}\n`);
  }
  if (args.format === 'json') {
    const apart = others.length === 0 ? {} : { otherCurrencies: others.map((paid) => forScripts(args.by, paid)) };
    return out(
      `${JSON.stringify({ ...range, by: args.by, ...forScripts(args.by, main), ...apart, ...(idle && { standing: namedIn(idle.currency, idle) }) }, null, 2)}\n`,
    );
  }
  if (args.format === 'csv') return out([main, ...others].map((paid) => csv(args.by, paid)).join('\r\n'));
  const beside = idle ? `${standingLines(idle).join('\n')}\n` : '';
  if (entries.length === 0) return out(`No instance was paid for from ${range.from} to ${range.to}.\n${beside}`);
  const tables = [main, ...others].map((paid) => `${forPeople(args.by, paid)}\n`);
  out(`${tables.join('')}${range.from} to ${range.to} (UTC). ${whatIsCounted(entries)}\n${beside}`);
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

function forPeople(by: GroupBy, { currency, entries }: Paid): string {
  const rows: readonly CostRow[] = [...summarize(entries, by), total('total', entries)];
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
    [{ title: by }, ...figures.map((title) => ({ title, align: 'right' as const }))],
    rows.map((row) => [
      row.key,
      String(row.jobs),
      row.hours.toFixed(row.hours < 1000 ? 2 : 1),
      row.yuan.toFixed(4),
      row.diskYuan.toFixed(4),
      row.onDemandYuan.toFixed(4),
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
  readonly by: GroupBy | undefined;
  readonly format: CostArguments['format'] | undefined;
  readonly csv: boolean | undefined;
  readonly json: boolean | undefined;
  readonly standing: boolean;
}

export const costCommand = defineCommand<CommandLine>({
  command: 'cost',
  describe: 'What the jobs cost, by day, project, profile or job',
  builder: (yargs) =>
    yargs
      .options({
        by: { choices: ['day', 'project', 'profile', 'job'] as const, describe: 'Sum by (default: day)' },
        from: { type: 'string', requiresArg: true, describe: 'First day or month, such as 2026-11-01 or 2026-11' },
        to: { type: 'string', requiresArg: true, describe: 'Last day or month (default of both: this month)' },
        format: { choices: ['table', 'csv', 'json'] as const, describe: 'How to print it (default: table)' },
        csv: { type: 'boolean', describe: 'The same as --format csv' },
        json: { type: 'boolean', describe: 'The same as --format json' },
        html: { type: 'string', requiresArg: true, describe: 'Write a page with charts to this file instead' },
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
      })
      .conflicts({ html: ['by', 'format', 'csv', 'json'], json: ['csv', 'format'], csv: 'format' }) as never,
  needs: { cloud: false },
  async run(args, { settings, out, warn }) {
    const { ledgerOf } = await import('../../billing/budget-check');
    const format = args.json ? 'json' : args.csv ? 'csv' : (args.format ?? 'table');
    if (!(args.yearlyInstance > 0))
      throw new ConfigurationError('--yearly-instance takes a price in yuan a year, such as 3000');
    const standing = args.standing && settings.cloud.region !== '' ? { standing: standingFrom(settings, warn) } : {};
    await cost(
      { ...args, by: args.by ?? 'day', format },
      { ledger: ledgerOf(settings), now: Date.now, out, warn, ...standing },
    );
  },
});

/** The cloud is asked for a few seconds at most: what the ledger says does not wait for it. */
const PATIENCE = { timeoutMs: 5_000, retryMs: 0 } as const;

function standingFrom(settings: Settings, warn: (line: string) => void): NonNullable<CostDependencies['standing']> {
  return async (currency) => {
    const [{ askStanding }, { createCloud, createRpc }, { createImages }, { hasFoundationNat }] = await Promise.all([
      import('../../billing/ask-standing'),
      import('../../cloud/client'),
      import('../../cloud/images'),
      import('../../cloud/way-out'),
    ]);
    const rpc = createRpc(settings, PATIENCE);
    return askStanding({
      cloud: createCloud(settings, PATIENCE),
      images: createImages(rpc),
      hasNat: (vpcId) => hasFoundationNat(rpc, vpcId),
      settings,
      cacheBucket: settings.childEnvironment.GITLAB_SPOT_CACHE_BUCKET,
      currency,
    }).catch((error: unknown) => {
      warn(`What costs money while nothing runs can't be asked (${(error as Error).message})`);
      return undefined;
    });
  };
}
