import { type Journal } from '../state/journal';
import { isSecret, secret } from '../secrets/envelope';
import { type Resource } from '../state/checkpoint';
import { diagnostic, internalMark, stepMetadata, type Emit } from './events';
import { type Op, type Step } from './step';
import { isDefaultProvider, STACK_TYPE } from './urn';

/** A step failed; it has been told as an event. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

/** The deployment is being given up; no further step begins. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

interface SchedulerOptions {
  preview: boolean;
  parallel: number;
  /** A refresh counts what it found, not that it looked. */
  refreshing: boolean;
}

/** Runs steps: so many at a time, each told before and after to the events and to the journal. */
export class StepScheduler {
  /** How many steps of each kind have been done. */
  readonly changes: Partial<Record<Op, number>> = {};
  /** Something failed. */
  failed = false;
  /** A step ended without anybody knowing how. */
  maybeCorrupt = false;
  private steps = 0;
  private running = 0;
  private stopped = false;
  private readonly waiting: (() => void)[] = [];
  private idle: (() => void)[] = [];

  constructor(
    private readonly emit: Emit,
    /** Absent in a preview. */
    private readonly journal: Journal | undefined,
    private readonly options: SchedulerOptions,
  ) {}

  /** Lets no further step begin; those under way come to their end. */
  stop(): void {
    this.stopped = true;
    this.waiting.splice(0).forEach((wake) => wake());
  }

  get isStopped(): boolean {
    return this.stopped;
  }

  /** Waits until no step is under way. */
  async settled(): Promise<void> {
    while (this.running > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  /**
   * Runs one step to its end; throws {@link StepFailed}, or {@link Interrupted} when it may not
   * begin.
   */
  async run(step: Step): Promise<void> {
    await this.slot();
    try {
      await this.perform(step);
    } finally {
      this.release();
    }
  }

  /** Runs steps that belong to one resource, one after another. */
  async runAll(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.run(step);
  }

  /** Notes the outputs that a component registered. */
  async registerOutputs(step: Step): Promise<void> {
    this.emitStep('resOutputsEvent', step, step.op);
    await this.journal?.outputsRegistered(step);
  }

  private async slot(): Promise<void> {
    while (!this.stopped && this.running >= this.options.parallel)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.stopped) throw new Interrupted('the deployment was stopped');
    this.running++;
  }

  private release(): void {
    this.running--;
    this.waiting.shift()?.();
    if (this.running === 0) this.idle.splice(0).forEach((wake) => wake());
  }

  private async perform(step: Step): Promise<void> {
    this.emitStep('resourcePreEvent', step, step.op);
    const end = await this.journal?.begin(step);
    const outcome = step.apply ? await step.apply() : { status: 'ok' as const };
    if (step.new && step.op !== 'replace') markSecrets(step.new);
    if (outcome.status === 'ok') this.succeeded(step);
    else this.reportFailure(step, outcome.status, outcome.error);
    if (outcome.status === 'partial' && step.op === 'update' && step.old?.inputs)
      step.new!.inputs = { ...step.old.inputs };
    await end?.(outcome.status === 'ok' || outcome.status === 'partial');
    if (outcome.status === 'ok') return;
    this.failed = true;
    this.stop();
    throw new StepFailed(outcome.error.message);
  }

  private succeeded(step: Step): void {
    const op = this.options.refreshing && step.op === 'refresh' ? (step.resultOp ?? 'same') : step.op;
    const counts = step.logical || (this.options.refreshing && step.op === 'refresh');
    if (counts && step.op !== 'read' && !isDefaultProvider(step.urn)) {
      this.steps++;
      this.changes[op] = (this.changes[op] ?? 0) + 1;
    }
    const resource = step.new ?? step.old;
    if (resource?.custom || step.op === 'delete' || step.op === 'refresh' || this.options.preview)
      this.emitStep('resOutputsEvent', step, op);
  }

  private reportFailure(step: Step, status: 'partial' | 'unknown' | 'unchanged', error: Error): void {
    if (status === 'unknown') this.maybeCorrupt = true;
    const about = isDefaultProvider(step.urn) ? undefined : step.urn;
    this.emit(diagnostic('error', error.message, about));
    const metadata = stepMetadata(step, step.op);
    this.emit({ resOpFailedEvent: { metadata, status: STATUS[status], steps: this.steps }, ...internalMark(step) });
  }

  private emitStep(kind: 'resourcePreEvent' | 'resOutputsEvent', step: Step, op: string): void {
    const metadata = stepMetadata(step, op);
    this.emit({ [kind]: { metadata, ...(this.options.preview && { planning: true }) }, ...internalMark(step) });
  }
}

/** resource.Status of the real engine. */
const STATUS = { unchanged: 0, partial: 1, unknown: 2 };

/** Outputs of which the program or the inputs say that they are secret, become so. */
function markSecrets(resource: Resource): void {
  if (!resource.outputs || resource.type === STACK_TYPE) return;
  for (const [key, value] of Object.entries(resource.outputs)) {
    const wanted = resource.additionalSecretOutputs?.includes(key) || isSecret(resource.inputs?.[key]);
    if (wanted) resource.outputs[key] = secret(value);
  }
}
