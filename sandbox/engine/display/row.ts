import { type DiagnosticEvent, type StepMetadata } from '../deployment/events';
import { equal, type Properties } from '../rpc/values';
import { STACK_TYPE } from '../deployment/urn';
import { displayType, plural, wordsOf } from './words';

/** What the display knows about one resource. */
export interface Row {
  /** Empty for the stack as long as nothing has been heard of it. */
  urn: string;
  type: string;
  name: string;
  op: string;
  step?: StepMetadata;
  hidden: boolean;
  failed: boolean;
  /** Operations whose outputs have been seen, with what was said of them. */
  completed: Map<string, StepMetadata>;
  startedMs?: number;
  endedMs?: number;
  diagnostics: DiagnosticEvent[];
}

export interface RowView {
  preview: boolean;
  /** Everything is over: rows show counts instead of their last message. */
  finished: boolean;
  nowMs: number;
}

/** A row as one line. */
export function rowLine(row: Row, view: RowView): string {
  const label = ` ${wordsOf(row.op).mark}`;
  return [label, displayType(row.type), row.name, status(row, view), info(row, view)].join(' ');
}

/** Nothing more is expected of the row; of the stack something is expected until the end. */
export function isDone(row: Row, finished: boolean): boolean {
  if (row.failed || finished) return true;
  return !isStack(row) && row.completed.has(row.op);
}

function isStack({ urn, type }: Row): boolean {
  return urn !== '' && type === STACK_TYPE;
}

/** A message as a person reads it; empty for what is only for debugging. */
export function diagnosticText({ severity, prefix, message }: DiagnosticEvent): string {
  if (severity === 'debug') return '';
  return `${prefix}${message}`.trimEnd();
}

export function countOf(row: Row, ...severities: string[]): number {
  return row.diagnostics.filter(({ severity, ephemeral }) => !ephemeral && severities.includes(severity)).length;
}

function status(row: Row, view: RowView): string {
  const retained = row.step?.old?.retainOnDelete && RETAINING.includes(row.op);
  return bareStatus(row, view) + (retained ? '[retain]' : '');
}

/** Operations that leave a resource in the cloud when it is marked so. */
const RETAINING = ['delete', 'delete-replaced', 'replace', 'create-replacement'];

function bareStatus(row: Row, view: RowView): string {
  const words = wordsOf(row.op);
  const failed = row.failed || countOf(row, 'error') > 0;
  if (view.finished && !failed && isInterrupted(row)) return `${words.running} (interrupted)`;
  if (!isDone(row, view.finished)) {
    if (row.op === 'same') return isStack(row) ? 'running' : '';
    return view.preview ? words.planned : `${words.running} (${seconds(row.startedMs, view.nowMs)}s)`;
  }
  if (view.preview) return words.plannedAsOne;
  if (failed) return `**${words.failed}${row.op === 'same' ? '' : took(row)}**`;
  return words.done && `${words.done}${took(row)}`;
}

function isInterrupted(row: Row): boolean {
  const custom = row.step?.new?.custom ?? row.step?.old?.custom ?? false;
  return custom && row.op !== 'same' && row.op !== 'remove-pending-replace' && !row.completed.has(row.op);
}

function seconds(fromMs: number | undefined, toMs: number): number {
  return fromMs === undefined ? 0 : Math.floor((toMs - fromMs) / 1000);
}

function took({ startedMs, endedMs }: Row): string {
  if (startedMs === undefined || endedMs === undefined) return '';
  const duration = (endedMs - startedMs) / 1000;
  return duration < 1 ? ` (${duration.toFixed(2)}s)` : ` (${Math.floor(duration)}s)`;
}

function info(row: Row, view: RowView): string {
  const parts: string[] = [];
  const partOfReplacement = row.op === 'create-replacement' || row.op === 'delete-replaced';
  const changes = shortDiff((partOfReplacement && row.completed.get('replace')) || row.step);
  if (changes) parts.push(`[${changes}]`);
  if (view.finished) {
    const counts: [number, string][] = [
      [countOf(row, 'error'), 'error'],
      [countOf(row, 'warning'), 'warning'],
      [countOf(row, 'info', 'info#err'), 'message'],
    ];
    parts.push(...counts.filter(([count]) => count > 0).map(([count, word]) => plural(count, word)));
  } else {
    const last = row.diagnostics.findLast((entry) => diagnosticText(entry) !== '');
    if (last) parts.push(diagnosticText(last));
  }
  return parts.join('; ').split('\n')[0]!;
}

/** "diff: ~instanceType,tags". */
function shortDiff(step: StepMetadata | undefined): string {
  if (!step?.old || !step.new || step.op === 'same') return '';
  const [before, after] = [visible(step.old.inputs), visible(step.new.inputs)];
  const keys = (chosen: (key: string) => boolean, all: string[], mark: string) => {
    const found = all.filter(chosen).sort();
    return found.length > 0 ? mark + found.join(',') : '';
  };
  const wanted = (key: string) => !step.diffs?.length || step.diffs.includes(key);
  const text =
    keys((key) => !(key in before) && wanted(key), Object.keys(after), '+') +
    keys((key) => !(key in after) && wanted(key), Object.keys(before), '-') +
    keys((key) => key in after && !equal(before[key], after[key]) && wanted(key), Object.keys(before), '~');
  return text && `diff: ${text}`;
}

function visible(inputs: Properties): Properties {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => !key.startsWith('__')));
}
