/** What each job cost and how long it took, by the cloud's own bill and the runner's hooks. */
import type { BillLine } from '../cloud/types';
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

/** Remembers when each job's machine was ready: that is when the log goes on from preparing the executor. */
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

export function exitWords(job: JobResult): string {
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

const HEAD = ['job', 'instance type', 'zone', 'yuan/hour', 'ready s', 'duration s', 'yuan', 'exit'];
const RIGHT = [3, 4, 5, 6];

/** Plain text, columns aligned, with a last line of sums. */
export function table(rows: readonly JobFigures[]): string {
  const number = (value: number | undefined, digits: number) => (value === undefined ? '-' : value.toFixed(digits));
  const sum = (pick: (row: JobFigures) => number) => rows.reduce((total, row) => total + pick(row), 0);
  const cells = [
    HEAD,
    ...rows.map((row) => [
      row.job,
      row.instanceType,
      row.zone,
      number(row.yuanPerHour, 3),
      number(row.readySeconds, 1),
      number(row.durationSeconds, 1),
      number(row.yuan, 6),
      row.exit,
    ]),
    [
      '',
      '',
      '',
      '',
      '',
      number(
        sum((row) => row.durationSeconds),
        1,
      ),
      number(
        sum((row) => row.yuan),
        6,
      ),
      '',
    ],
  ];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        RIGHT.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const [head = [], ...others] = cells;
  return [line(head), rule, ...others.slice(0, -1).map(line), rule, line(others.at(-1) ?? [])].join('\n');
}
