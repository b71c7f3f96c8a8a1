import { type FlagValues } from '../cli/flags';
import { type Kind } from '../deployment/deployment';
import { type EngineEvent, type StepMetadata, type SummaryEvent } from '../deployment/events';
import { STACK_TYPE, urnName, urnType } from '../deployment/urn';
import { outputLines } from './outputs';
import { countOf, diagnosticText, rowLine, type Row, type RowView } from './row';
import { displayType, wordsOf } from './words';

const BANNERS: Record<Kind, [preview: string, running: string]> = {
  update: ['Previewing update', 'Updating'],
  refresh: ['Previewing refresh', 'Refreshing'],
  destroy: ['Previewing destroy', 'Destroying'],
};
const PROGRESS_MS = 1000;

interface Options {
  kind: Kind;
  preview: boolean;
  stack: string;
  stackName: string;
  project: string;
  flags: FlagValues;
}

/** Shows a deployment line by line, as the real CLI does where there is no terminal. */
export class LineDisplay {
  private readonly rows = new Map<string, Row>();
  private readonly root: Row;
  private summary: SummaryEvent | undefined;
  private progress: NodeJS.Timeout | undefined;
  private dots = false;

  constructor(
    private readonly out: (text: string) => void,
    private readonly options: Options,
  ) {
    this.root = blankRow('', STACK_TYPE, `${options.project}-${options.stackName}`);
    this.root.hidden = false;
  }

  /** Prints the banner and begins to show that something goes on. */
  begin(): void {
    this.out(`${this.banner()} (${this.options.stack}):\n`);
    if (this.options.flags.bool('suppress-progress')) return;
    this.progress = setInterval(() => this.tick(), PROGRESS_MS);
    this.progress.unref();
  }

  show(event: EngineEvent): void {
    if (event.internal) return;
    if (event.preludeEvent)
      return this.line(this.options.flags.bool('show-config') ? configText(event.preludeEvent.config) : '');
    if (event.stdoutEvent) return this.line(event.stdoutEvent.message);
    if (event.summaryEvent) this.summary = event.summaryEvent;
    else if (event.cancelEvent) this.finish();
    else if (event.diagnosticEvent) this.diagnose(event);
    else if (event.resourcePreEvent) this.started(event.resourcePreEvent.metadata);
    else if (event.resOutputsEvent) this.ended(event.resOutputsEvent.metadata);
    else if (event.resOpFailedEvent) this.failed(event.resOpFailedEvent.metadata);
  }

  end(): void {
    clearInterval(this.progress);
  }

  private banner(): string {
    return BANNERS[this.options.kind][this.options.preview ? 0 : 1];
  }

  private started(metadata: StepMetadata): void {
    const row = this.rowOf(metadata.urn, metadata);
    Object.assign(row, { op: metadata.op, step: metadata, startedMs: Date.now(), done: false });
    delete row.endedMs;
    this.reveal(row, metadata);
    this.print(row);
  }

  private ended(metadata: StepMetadata): void {
    const row = this.rowOf(metadata.urn, metadata);
    const refreshing = row.op === 'refresh';
    Object.assign(row, {
      op: metadata.op,
      step: metadata,
      endedMs: Date.now(),
      done: row.type !== STACK_TYPE || this.options.kind === 'destroy',
    });
    this.reveal(row, metadata);
    const custom = metadata.new?.custom ?? metadata.old?.custom ?? false;
    if (refreshing || (!this.options.preview && custom && metadata.op !== 'same')) this.print(row);
  }

  private failed(metadata: StepMetadata): void {
    const row = this.rowOf(metadata.urn, metadata);
    row.failed = true;
    this.print(row);
  }

  private diagnose({ diagnosticEvent }: EngineEvent): void {
    const entry = diagnosticEvent!;
    if (diagnosticText(entry, this.debug) === '') return;
    const row = entry.urn ? this.rowOf(entry.urn) : this.rootRow();
    row.hidden = false;
    row.diagnostics.push(entry);
    this.print(row);
  }

  private rootRow(): Row {
    if (!this.rows.has('')) this.rows.set('', this.root);
    return this.root;
  }

  private rowOf(urn: string, metadata?: StepMetadata): Row {
    if (urnType(urn) === STACK_TYPE) {
      this.root.urn = urn;
      return this.rootRow();
    }
    this.rootRow();
    let row = this.rows.get(urn);
    if (!row) this.rows.set(urn, (row = blankRow(urn, metadata?.type ?? urnType(urn), urnName(urn))));
    return row;
  }

  private reveal(row: Row, { op, old, new: now }: StepMetadata): void {
    if (op !== 'same' || this.options.flags.bool('show-sames') || old?.protect !== now?.protect) row.hidden = false;
  }

  private print(row: Row): void {
    if (!row.hidden) this.line(rowLine(row, this.view(false)));
  }

  private finish(): void {
    const view = this.view(true);
    for (const row of this.rows.values()) if (!row.hidden && !row.done && !row.failed) this.line(rowLine(row, view));
    this.printDiagnostics();
    if (!this.options.flags.bool('suppress-outputs')) this.printOutputs();
    if (this.summary)
      this.line(summaryText(this.summary, [...this.rows.values()].filter((row) => countOf(row, 'error') > 0).length));
  }

  private printDiagnostics(): void {
    let header = 'Diagnostics:\n';
    for (const row of this.rows.values()) {
      const texts = row.diagnostics
        .filter(({ ephemeral }) => !ephemeral)
        .map((entry) => diagnosticText(entry, this.debug));
      const lines = texts.flatMap((text) => text.split('\n'));
      if (lines.length === 0) continue;
      const heading = this.options.flags.bool('urns') ? row.urn : `${displayType(row.type)} (${row.name})`;
      this.line(`${header}  ${heading}:\n${lines.map((text) => `    ${text.trimEnd()}\n`).join('')}`);
      header = '';
    }
  }

  private printOutputs(): void {
    const { step } = this.root;
    const text = step ? outputLines(step, this.options.preview) : '';
    if (text) this.line(`Outputs:\n${text}`);
  }

  private tick(): void {
    if (this.dots) this.out('.');
    else this.out(`@ ${this.banner().toLowerCase()}...`);
    this.dots = true;
  }

  private line(text: string): void {
    this.out(`${this.dots ? '\n' : ''}${text}\n`);
    this.dots = false;
    this.progress?.refresh();
  }

  private get debug(): boolean {
    return this.options.flags.bool('debug');
  }

  private view(finished: boolean): RowView {
    const { preview, flags } = this.options;
    return { preview, urns: flags.bool('urns'), debug: this.debug, finished, nowMs: Date.now() };
  }
}

function blankRow(urn: string, type: string, name: string): Row {
  return { urn, type, name, op: 'same', hidden: true, failed: false, done: false, diagnostics: [] };
}

function configText(config: Record<string, string>): string {
  return `Configuration:\n${Object.entries(config)
    .map(([key, value]) => `    ${key}: ${value}\n`)
    .join('')}`;
}

const SUMMARY_ORDER = [
  'create',
  'update',
  'delete',
  'replace',
  'read',
  'import',
  'refresh',
  'delete-replaced',
  'create-replacement',
  'discard',
  'discard-replaced',
];

function summaryText({ resourceChanges, durationSeconds, isPreview }: SummaryEvent, errored: number): string {
  const counted = SUMMARY_ORDER.filter((op) => (resourceChanges[op] ?? 0) > 0);
  const lines = counted.map(
    (op) =>
      `    ${wordsOf(op).mark}${resourceChanges[op]} ${isPreview ? `to ${wordsOf(op).planned}` : wordsOf(op).summary}\n`,
  );
  const changed = counted.filter((op) => op !== 'read').reduce((sum, op) => sum + resourceChanges[op]!, 0);
  const same = resourceChanges['same'] ?? 0;
  const tail: string[] = [];
  if (counted.length > 1 && changed > 0) tail.push(plain(changed, 'change'));
  if (same > 0) tail.push(`${same} unchanged`);
  if (errored > 0) tail.push(`${errored} errored`);
  const last = tail.length > 0 ? `    ${tail.join('. ')}\n` : '';
  const duration = isPreview ? '' : `\nDuration: ${goDuration(durationSeconds)}\n`;
  return `Resources:\n${lines.join('')}${last}${duration}`;
}

function plain(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** 601 s is 10m1s. */
function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds % 60}s`;
}
