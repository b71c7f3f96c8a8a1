/** What each job cost and how long it took, by the cloud's own bill and the runner's hooks. */
import type { BillLine } from '../cloud/types';
import { cutTo, padded, widthOf } from './terminal';
import type { JobResult, RunnerEvent } from '../runner/types';

export interface JobFigures {
  readonly job: string;
  readonly instanceType: string;
  readonly zone: string;
  readonly yuanPerHour: number | undefined;
  /** From the job's begin until its machine was ready; of the last attempt. */
  readonly readySeconds: number | undefined;
  readonly durationSeconds: number;
  readonly yuan: number;
  /** `0`, `42`, `system failure`, `canceled`, … */
  readonly exit: string;
}

/**
 * Remembers when each job's machine was ready: that is when the log goes on from preparing the
 * executor.
 */
export class ReadyTimes {
  private readonly began = new Map<number, number>();
  private readonly ready = new Map<number, number>();

  constructor(private readonly now: () => number) {}

  see(event: RunnerEvent): void {
    if (event.type !== 'log') return;
    if (!this.began.has(event.id)) this.began.set(event.id, this.now());
    if (!this.ready.has(event.id) && /section_start:\d+:prepare_script/.test(event.text))
      this.ready.set(event.id, this.now());
  }

  seconds(id: number): number | undefined {
    const [began, ready] = [this.began.get(id), this.ready.get(id)];
    return began === undefined || ready === undefined ? undefined : (ready - began) / 1000;
  }
}

/** A job's machines are those that carry its id in a tag `…job`. */
function billOf(id: number, bill: readonly BillLine[]): BillLine[] {
  return bill.filter((line) =>
    Object.entries(line.tags).some(([key, value]) => /(^|[:/])job$/.test(key) && value === String(id)),
  );
}

function exitWords(job: JobResult): string {
  if (job.state === 'success') return '0';
  if (job.state !== 'failed') return job.state;
  const words =
    job.exitCode === undefined ? (job.failureReason ?? 'failed').replaceAll('_', ' ') : String(job.exitCode);
  return job.allowFailure ? `${words} (allowed)` : words;
}

export function figuresOf(job: JobResult, bill: readonly BillLine[], ready: ReadyTimes): JobFigures {
  const ids = job.attemptIds;
  const lines = ids.flatMap((id) => billOf(id, bill));
  const last = lines.at(-1);
  return {
    job: job.attempts > 1 ? `${job.name} (${job.attempts} attempts)` : job.name,
    instanceType: last?.instanceType ?? '-',
    zone: last?.zoneId ?? '-',
    yuanPerHour: last?.priceYuanPerHour,
    readySeconds: ready.seconds(job.id),
    durationSeconds: job.durationMs / 1000,
    yuan: lines.reduce((sum, line) => sum + line.yuan, 0),
    exit: exitWords(job),
  };
}

interface Column {
  readonly title: string;
  readonly right?: boolean;
  readonly cell: (row: JobFigures) => string;
  /** Below the rows. */
  readonly sum?: (rows: readonly JobFigures[]) => string;
}

const number = (value: number | undefined, digits: number): string =>
  value === undefined ? '-' : value.toFixed(digits);
const total = (rows: readonly JobFigures[], of: (row: JobFigures) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0);

const COLUMNS: readonly Column[] = [
  { title: 'job', cell: (row) => row.job },
  { title: 'instance type', cell: (row) => row.instanceType },
  { title: 'zone', cell: (row) => row.zone },
  { title: 'yuan/h', right: true, cell: (row) => number(row.yuanPerHour, 3) },
  { title: 'ready', right: true, cell: (row) => seconds(row.readySeconds) },
  {
    title: 'took',
    right: true,
    cell: (row) => seconds(row.durationSeconds),
    sum: (rows) => seconds(total(rows, ({ durationSeconds }) => durationSeconds)),
  },
  {
    title: 'yuan',
    right: true,
    cell: (row) => number(row.yuan, 6),
    sum: (rows) =>
      number(
        total(rows, ({ yuan }) => yuan),
        6,
      ),
  },
  { title: 'exit', cell: (row) => row.exit },
];
/** What is left out first where there is not the room. */
const DISPENSABLE = ['yuan/h', 'zone', 'ready', 'instance type'];
const SHORTEST_NAME = 20;
const GAP = '  ';

function seconds(value: number | undefined): string {
  return value === undefined ? '-' : `${value.toFixed(value < 9.95 ? 1 : 0)} s`;
}

/** Plain text, columns aligned, with a last line of sums; as wide as the terminal. */
export function table(rows: readonly JobFigures[], width = 80): string {
  let columns = COLUMNS;
  for (const title of DISPENSABLE) {
    if (leastWidth(columns, rows) <= width) break;
    columns = columns.filter((column) => column.title !== title);
  }
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
    columns.map(({ sum }) => sum?.(rows) ?? ''),
  ];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => widthOf(line[index]!))));
  const over = widths.reduce((sum, one) => sum + one + GAP.length, -GAP.length) - width;
  widths[0] = over > 0 ? Math.max(SHORTEST_NAME, widths[0]! - over) : widths[0]!;
  const text = (line: readonly string[]): string =>
    line
      .map((cell, index) => padded(cutTo(cell, widths[index]!), widths[index]!, columns[index]!.right))
      .join(GAP)
      .trimEnd();
  const rule = widths.map((one) => '-'.repeat(one)).join(GAP);
  return [text(lines[0]!), rule, ...lines.slice(1, -1).map(text), rule, text(lines.at(-1)!)].join('\n');
}

/** With the shortest names. */
function leastWidth(columns: readonly Column[], rows: readonly JobFigures[]): number {
  return columns.reduce((sum, { title, cell, sum: below }, index) => {
    const widest = Math.max(widthOf(title), widthOf(below?.(rows) ?? ''), ...rows.map((row) => widthOf(cell(row))));
    return sum + (index === 0 ? Math.min(widest, SHORTEST_NAME) : widest + GAP.length);
  }, 0);
}
