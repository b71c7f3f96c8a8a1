import writeFileAtomic from 'write-file-atomic';
import { costPage } from '../../audit/cost-page';
import { monthOf, type DayRange, type Ledger } from '../../audit/ledger';
import { summarize, total, type CostRow, type GroupBy } from '../../audit/report';
import { ConfigurationError } from '../../errors';
import { defineCommand } from '../command';
import { csvLine, table } from '../table';

export interface CostArguments {
  readonly by: GroupBy;
  /** Days, `2026-11-24`; default: this month (UTC). */
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
}

/** `gitlab-spot cost`: what the ledger says, summed. */
export async function cost(args: CostArguments, { ledger, now, out, warn }: CostDependencies): Promise<void> {
  const range = rangeOf(args, new Date(now()));
  const { entries, unreadable } = await ledger.entries(range);
  if (unreadable > 0) warn(`${unreadable} lines of the ledger can't be read and are left out`);
  if (args.html !== undefined) {
    const page = costPage({ entries, range, generatedAt: new Date(now()), yearlyInstanceYuan: args.yearlyInstance });
    await writeFileAtomic(args.html, page).catch((error: unknown) => {
      throw new ConfigurationError(
        `The page can't be written to ${args.html} (${(error as NodeJS.ErrnoException).code})`,
        { remedy: 'Name a file in a folder that you may write to.' },
      );
    });
    return out(`${args.html}\n`);
  }
  const rows = summarize(entries, args.by);
  if (args.format === 'json')
    return out(`${JSON.stringify({ ...range, by: args.by, rows, total: total('total', entries) }, null, 2)}\n`);
  if (args.format === 'csv') return out(csv(args.by, rows));
  out(
    rows.length === 0
      ? `No instance was paid for from ${range.from} to ${range.to}.\n`
      : forPeople(args.by, [...rows, total('total', entries)]),
  );
}

/** @throws ConfigurationError for what is no day, or a range that ends before it begins. */
function rangeOf({ from, to }: CostArguments, now: Date): DayRange {
  const month = monthOf(now);
  const range = { from: day('--from', from) ?? month.from, to: day('--to', to) ?? month.to };
  if (range.from > range.to)
    throw new ConfigurationError(`The range ${range.from} to ${range.to} ends before it begins`, {
      remedy: 'Swap --from and --to.',
    });
  return range;
}

function day(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const date = new Date(`${text}T00:00:00Z`);
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text))
    return text;
  throw new ConfigurationError(`${option} takes a day such as 2026-11-24, not "${text}"`);
}

function forPeople(by: GroupBy, rows: readonly CostRow[]): string {
  const figures = ['instances', 'hours', 'yuan', 'pay-as-you-go', 'saved', 'failed', 'interrupted', 'ready'];
  return table(
    [{ title: by }, ...figures.map((title) => ({ title, align: 'right' as const }))],
    rows.map((row) => [
      row.key,
      String(row.jobs),
      row.hours.toFixed(2),
      row.yuan.toFixed(4),
      row.onDemandYuan.toFixed(4),
      row.onDemandYuan > 0 ? `${Math.round((1 - row.yuan / row.onDemandYuan) * 100)} %` : '',
      String(row.failed),
      String(row.interrupted),
      row.readySeconds === undefined ? '' : `${Math.round(row.readySeconds)} s`,
    ]),
  );
}

function csv(by: GroupBy, rows: readonly CostRow[]): string {
  const head = csvLine([
    by,
    'instances',
    'hours',
    'yuan',
    'pay_as_you_go_yuan',
    'failed',
    'interrupted',
    'ready_seconds',
  ]);
  return (
    head +
    rows
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
        ]),
      )
      .join('')
  );
}

export const costCommand = defineCommand<CostArguments>({
  command: 'cost',
  describe: 'What the jobs cost, by day, project, profile or job',
  builder: (yargs) =>
    yargs.options({
      by: { choices: ['day', 'project', 'profile', 'job'] as const, default: 'day' as const, describe: 'Sum by' },
      from: { type: 'string', describe: 'First day, such as 2026-11-01 (default: of this month)' },
      to: { type: 'string', describe: 'Last day (default: of this month)' },
      format: { choices: ['table', 'csv', 'json'] as const, default: 'table' as const, describe: 'How to print it' },
      json: { type: 'boolean', describe: 'The same as --format json' },
      html: { type: 'string', describe: 'Write a page with charts to this file instead' },
      'yearly-instance': {
        type: 'number',
        default: 3000,
        describe: 'For comparison: a 4c8g instance by the year, yuan',
      },
    }) as never,
  needs: { cloud: false },
  async run(args, { settings, out, warn }) {
    const { ledgerOf } = await import('../../lifecycle/budget');
    const format = (args as { json?: boolean }).json ? 'json' : args.format;
    await cost({ ...args, format }, { ledger: ledgerOf(settings), now: Date.now, out, warn });
  },
});
