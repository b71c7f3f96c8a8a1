import type { BurstFigures } from './burst';
import type { ColdFigures } from './cold';
import type { Figure } from './figures';
import type { GrowthFigures } from './growth';
import type { HotFigures } from './hot';
import type { LifeFigures, StageFigures } from './one-job';
import type { SideBySide } from './side-by-side';

/** All that one run of the benchmark has measured: what was not asked for is absent. */
export interface Report
  extends
    Partial<StageFigures>,
    Partial<LifeFigures>,
    Partial<HotFigures>,
    Partial<ColdFigures>,
    Partial<BurstFigures> {
  readonly measuredWith: Readonly<Record<string, string | number>>;
  readonly parallel: readonly SideBySide[];
  readonly growth?: GrowthFigures;
  /** Why the benchmark ended before its end. */
  readonly failure?: string;
}

/** Figure by figure, one line each, then a table of jobs side by side. */
export function forPeople({ measuredWith, parallel, growth, failure, ...one }: Report): string {
  const lines = [
    ...entries(measuredWith, ''),
    '',
    ...entries(one, ''),
    ...(growth ? ['', ...entries(growth, 'growth: ')] : []),
    ...(parallel.length > 0 ? ['', ...table(parallel)] : []),
    ...(failure === undefined ? [] : ['', `not finished: ${failure}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function entries(values: object, prefix: string): string[] {
  return Object.entries(values).flatMap(([name, value]: [string, unknown]) => {
    const label = `${prefix}${name}`;
    if (isFigure(value))
      return [`${label.padEnd(40)}${String(value.median).padStart(10)}   p95 ${value.p95}   n ${value.n}`];
    if (typeof value === 'object' && value !== null) return entries(value, `${label}: `);
    return [`${label.padEnd(40)}${String(value).padStart(10)}`];
  });
}

function table(rows: readonly SideBySide[]): string[] {
  const head = [
    'jobs',
    'succeeded',
    'wall s',
    'prepare s p50',
    'p95',
    'peak MiB',
    'PSS',
    'CPU s/job',
    'processes/job',
    'of bound',
    'busy',
  ];
  const cells = rows.map((row) =>
    [
      row.jobs,
      row.succeeded,
      row.wallSeconds,
      row.prepareSeconds.median,
      row.prepareSeconds.p95,
      row.peakRssMiB,
      row.peakPssMiB,
      row.cpuSecondsPerJob,
      row.processesPerJob,
      row.throughputOfBound,
      row.machineBusyShare,
    ].map(String),
  );
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]!.length)));
  return [head, ...cells].map((row) => row.map((cell, column) => cell.padStart(widths[column]!)).join('  '));
}

function isFigure(value: unknown): value is Figure {
  return typeof value === 'object' && value !== null && 'median' in value && 'p95' in value;
}
