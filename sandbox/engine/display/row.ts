import { type DiagnosticEvent, type StepMetadata } from '../deployment/events';
import { equal, type Properties } from '../rpc/values';
import { displayType, plural, wordsOf } from './words';

/** What the display knows about one resource. */
export interface Row {
  urn: string;
  type: string;
  name: string;
  op: string;
  step?: StepMetadata;
  hidden: boolean;
  failed: boolean;
  /** Outputs of the current operation have been seen. */
  done: boolean;
  startedMs?: number;
  endedMs?: number;
  diagnostics: DiagnosticEvent[];
}

export interface RowView {
  preview: boolean;
  urns: boolean;
  debug: boolean;
  /** Everything is over: rows show counts instead of their last message. */
  finished: boolean;
  nowMs: number;
}

/** A row as one line. */
export function rowLine(row: Row, view: RowView): string {
  const label = ` ${wordsOf(shownOp(row)).mark}`;
  const what = view.urns ? [row.urn] : [displayType(row.type), row.name];
  return [label, ...what, status(row, view), info(row, view)].join(' ');
}

/** A message as a person reads it, without what is only for debugging. */
export function diagnosticText({ severity, prefix, message }: DiagnosticEvent, debug: boolean): string {
  if (severity === 'debug' && !debug) return '';
  return `${prefix}${message}`.trimEnd();
}

export function countOf(row: Row, ...severities: string[]): number {
  return row.diagnostics.filter(({ severity, ephemeral }) => !ephemeral && severities.includes(severity)).length;
}

/** A replacement's parts are shown as one. */
function shownOp({ op }: Row): string {
  return op === 'create-replacement' || op === 'delete-replaced' ? 'replace' : op;
}

function status(row: Row, view: RowView): string {
  const words = wordsOf(shownOp(row));
  if (view.preview) return words.planned;
  const failed = row.failed || countOf(row, 'error') > 0;
  const interrupted = view.finished && !failed && !row.done && row.step?.new?.custom && row.op !== 'same';
  if (interrupted) return `${words.running} (interrupted)`;
  if (!(row.failed || row.done || view.finished))
    return words.running && `${words.running} (${seconds(row.startedMs, view.nowMs)}s)`;
  if (failed) return `**${words.failed}**`;
  return words.done && `${words.done}${took(row)}`;
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
  const changes = shortDiff(row.step);
  if (changes) parts.push(`[${changes}]`);
  if (view.finished) {
    const counts: [number, string][] = [
      [countOf(row, 'error'), 'error'],
      [countOf(row, 'warning'), 'warning'],
      [countOf(row, 'info', 'info#err'), 'message'],
    ];
    parts.push(...counts.filter(([count]) => count > 0).map(([count, word]) => plural(count, word)));
  } else {
    const last = row.diagnostics.findLast((entry) => diagnosticText(entry, view.debug) !== '');
    if (last) parts.push(diagnosticText(last, view.debug));
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
