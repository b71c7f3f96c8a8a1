import { type Kind } from '../deployment/deployment';
import { type EngineEvent, type StepMetadata, type SummaryEvent } from '../deployment/events';
import { STACK_TYPE, urnName, urnType } from '../deployment/urn';
import { outputLines } from './outputs';
import { countOf, diagnosticText, isDone, rowLine, type Row, type RowView } from './row';
import { summaryText } from './summary';
import { displayType } from './words';

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
}

/** Shows a deployment line by line, as the real CLI does where there is no terminal. */
export class LineDisplay {
  private readonly rows: Row[] = [];
  /** The stack's URN once it has been heard of; messages of no resource belong to its row. */
  private stackUrn = '';
  private summary: SummaryEvent | undefined;
  private progress: NodeJS.Timeout | undefined;
  private dots = false;

  constructor(
    private readonly out: (text: string) => void,
    private readonly options: Options,
  ) {}

  /** Prints the banner and begins to show that something goes on. */
  begin(): void {
    this.out(`${this.banner()} (${this.options.stack}):\n`);
    this.progress = setInterval(() => this.tick(), PROGRESS_MS);
    this.progress.unref();
  }

  show(event: EngineEvent): void {
    if (event.internal) return;
    if (event.preludeEvent) return this.line('');
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
    if (this.isQuietRead(metadata)) return;
    const row = this.rowOf(metadata.urn, metadata);
    Object.assign(row, { op: metadata.op, step: metadata, startedMs: Date.now() });
    delete row.endedMs;
    this.reveal(row, metadata);
    this.print(row);
  }

  private ended(metadata: StepMetadata): void {
    if (this.isQuietRead(metadata)) return;
    const row = this.rowOf(metadata.urn, metadata);
    const refreshing = row.op === 'refresh';
    Object.assign(row, { op: metadata.op, step: metadata, endedMs: Date.now() });
    row.completed.set(metadata.op, metadata);
    this.reveal(row, metadata);
    const custom = (metadata.new ?? metadata.old)?.custom ?? false;
    if (refreshing || (!this.options.preview && custom && metadata.op !== 'same')) this.print(row);
  }

  /** What is only looked at is told as a message of the stack. */
  private isQuietRead({ op, type, urn }: StepMetadata): boolean {
    if (op === 'discard' || op === 'read-replacement') return true;
    if (op !== 'read') return false;
    const message = `read ${displayType(type)} ${urnName(urn)}`;
    this.diagnose({ diagnosticEvent: { prefix: '', message, color: 'raw', severity: 'info', ephemeral: true } });
    return true;
  }

  private failed(metadata: StepMetadata): void {
    const row = this.rowOf(metadata.urn, metadata);
    row.failed = true;
    this.print(row);
  }

  private diagnose({ diagnosticEvent }: EngineEvent): void {
    const entry = diagnosticEvent!;
    if (diagnosticText(entry) === '') return;
    const row = this.rowOf(entry.urn ?? this.stackUrn);
    row.hidden = false;
    row.diagnostics.push(entry);
    this.print(row);
  }

  private rowOf(urn: string, metadata?: StepMetadata): Row {
    let row = this.rows.find((candidate) => candidate.urn === urn) ?? this.nameStack(urn);
    if (!row) this.rows.push((row = blankRow(urn, metadata?.type ?? urnType(urn), urnName(urn))));
    this.addParent(metadata);
    if (urn !== this.stackUrn && !this.rows.some((candidate) => candidate.urn === this.stackUrn))
      this.rows.unshift(this.stackRow(''));
    return row;
  }

  /** The row of the stack, when this is the first that is heard of it. */
  private nameStack(urn: string): Row | undefined {
    if (urn === '') {
      const row = this.stackRow('');
      this.rows.unshift(row);
      return row;
    }
    if (urnType(urn) !== STACK_TYPE) return undefined;
    this.stackUrn = urn;
    const unnamed = this.rows.find((row) => row.urn === '');
    if (unnamed) unnamed.urn = urn;
    return unnamed;
  }

  /** A child that comes before its parent brings its parent's row, which is not shown by itself. */
  private addParent(metadata: StepMetadata | undefined): void {
    const parent = (metadata?.new ?? metadata?.old)?.parent;
    if (!parent || parent === this.stackUrn || this.rows.some(({ urn }) => urn === parent)) return;
    this.rows.push(blankRow(parent, urnType(parent), urnName(parent)));
  }

  private stackRow(urn: string): Row {
    const row = blankRow(urn, STACK_TYPE, `${this.options.project}-${this.options.stackName}`);
    row.hidden = false;
    return row;
  }

  private reveal(row: Row, { op, urn, old, new: now }: StepMetadata): void {
    const shown = op !== 'same' || urn === this.stackUrn;
    if (shown || (old && now && Boolean(old.protect) !== Boolean(now.protect))) row.hidden = false;
  }

  private print(row: Row): void {
    if (!row.hidden) this.line(rowLine(row, this.view(false)));
  }

  private finish(): void {
    const view = this.view(true);
    const open = this.rows.filter((row) => !row.hidden && !isDone(row, false));
    open.forEach((row) => this.line(rowLine(row, view)));
    this.printDiagnostics();
    this.printOutputs();
    if (this.summary) this.line(summaryText(this.summary, this.rows.filter((row) => countOf(row, 'error') > 0).length));
  }

  private printDiagnostics(): void {
    let header = 'Diagnostics:\n';
    for (const row of this.rows) {
      const texts = row.diagnostics.filter(({ ephemeral }) => !ephemeral).map((entry) => diagnosticText(entry));
      const lines = texts.flatMap((text) => text.split('\n'));
      if (lines.length === 0) continue;
      this.line(
        `${header}  ${displayType(row.type)} (${row.name}):\n${lines.map((text) => `    ${text.trimEnd()}\n`).join('')}`,
      );
      header = '';
    }
  }

  private printOutputs(): void {
    const step = this.rows.find(({ urn }) => urn !== '' && urn === this.stackUrn)?.step;
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

  private view(finished: boolean): RowView {
    return { preview: this.options.preview, finished, nowMs: Date.now() };
  }
}

function blankRow(urn: string, type: string, name: string): Row {
  return { urn, type, name, op: 'same', hidden: true, failed: false, completed: new Map(), diagnostics: [] };
}
