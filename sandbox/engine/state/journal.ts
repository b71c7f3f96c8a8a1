import { type Clock } from '../clock';
import { equal, sorted, type Properties, type Value } from '../rpc/values';
import { type SecretSealer } from '../secrets/envelope';
import { type Step } from '../deployment/step';
import { manifest, tidy, type Deployment, type Operation, type Resource, type SecretsProvider } from './checkpoint';

/**
 * Ends what {@link Journal.begin} began; `done` says whether the resource is now as the step wanted
 * it.
 */
export type End = (done: boolean) => Promise<void>;

const OPERATIONS: Partial<Record<Step['op'], Operation['type']>> = {
  create: 'creating',
  'create-replacement': 'creating',
  update: 'updating',
  delete: 'deleting',
  'delete-replaced': 'deleting',
  discard: 'deleting',
  'discard-replaced': 'deleting',
  read: 'reading',
  'read-replacement': 'reading',
  import: 'importing',
};

/**
 * Keeps the stack's file up to date while steps run: before a step it says what is under way, after
 * it what is. Whoever kills the process at any point leaves a file that tells the truth.
 */
export class Journal {
  private readonly news: Resource[] = [];
  private readonly done = new Set<Resource>();
  private operations: Operation[] = [];
  private frozen = false;
  private writing: Promise<void> | undefined;
  private wanted: Promise<void> | undefined;

  /**
   * @param base the state as it was read, secrets in the clear
   * @param write saves a state; called for one state at a time
   */
  constructor(
    private readonly base: Deployment | undefined,
    private readonly secretsProvider: SecretsProvider | undefined,
    private readonly sealer: SecretSealer,
    private readonly clock: Clock,
    private readonly write: (deployment: Deployment) => Promise<void>,
  ) {}

  /** Notes that a step is under way. */
  async begin(step: Step): Promise<End> {
    const type = OPERATIONS[step.op];
    const subject = type === 'deleting' ? step.old! : step.new!;
    if (type) {
      this.operations.push({ resource: { ...subject }, type });
      const operation = this.operations.at(-1)!;
      await this.save();
      return (done) => this.end(step, done, operation);
    }
    return (done) => this.end(step, done);
  }

  /** The outputs of a component, or of the stack, have come. */
  async outputsRegistered(step: Step): Promise<void> {
    if (step.old && step.new && equal(step.old.outputs ?? {}, step.new.outputs ?? {})) return;
    await this.save();
  }

  /** Drops operations of the base that are settled: the resources were found or given up. */
  forget(operations: readonly Operation[]): void {
    if (this.base)
      this.base.pending_operations =
        this.base.pending_operations?.filter((operation) => !operations.includes(operation)) ?? [];
  }

  /** Nothing is written any more. */
  freeze(): void {
    this.frozen = true;
  }

  /** The state as it stands. */
  deployment(): Deployment {
    const resources = [
      ...this.news.filter((resource) => !this.done.has(resource)),
      ...(this.base?.resources ?? []).filter((resource) => !this.done.has(resource)),
    ];
    const pending = [
      ...this.operations,
      ...(this.base?.pending_operations ?? []).filter(({ type }) => type === 'creating'),
    ];
    return {
      manifest: manifest(this.clock.now()),
      ...(this.secretsProvider && { secrets_providers: this.secretsProvider }),
      ...(resources.length > 0 && { resources: resources.map((resource) => this.sealed(resource)) }),
      ...(pending.length > 0 && {
        pending_operations: pending.map(({ resource, type }) => ({ resource: this.sealed(resource), type })),
      }),
      metadata: this.base?.metadata ?? {},
    };
  }

  /** Writes the state; calls that come while one is written share the next write. */
  save(): Promise<void> {
    if (this.frozen) return Promise.resolve();
    this.wanted ??= (this.writing ?? Promise.resolve()).then(() => {
      this.wanted = undefined;
      if (this.frozen) return;
      this.writing = this.write(this.deployment()).finally(() => (this.writing = undefined));
      return this.writing;
    });
    return this.wanted;
  }

  private async end(step: Step, done: boolean, operation?: Operation): Promise<void> {
    this.operations = this.operations.filter((other) => other !== operation);
    if (done) this.settle(step);
    if (this.changes(step, done)) await this.save();
  }

  private settle(step: Step): void {
    switch (step.op) {
      case 'create':
      case 'create-replacement':
      case 'import':
        this.news.push(step.new!);
        if (step.old?.pendingReplacement) this.done.add(step.old);
        break;
      case 'delete':
      case 'delete-replaced':
      case 'discard':
      case 'discard-replaced':
        if (!step.old!.pendingReplacement) this.done.add(step.old!);
        break;
      case 'remove-pending-replace':
        this.done.add(step.old!);
        break;
      case 'replace':
      // A refresh rewrites the base as a whole when it is done.
      case 'refresh':
        break;
      default:
        if (step.old) this.done.add(step.old);
        if (step.new) this.news.push(step.new);
    }
  }

  private changes(step: Step, done: boolean): boolean {
    if (step.op === 'replace' || step.op === 'refresh') return false;
    return step.op !== 'same' || !done || differs(step.old!, step.new!);
  }

  private sealed(resource: Resource): Resource {
    const seal = (properties: Properties | undefined) =>
      properties ? (sorted(this.sealer.seal(properties)) as Properties) : undefined;
    const { inputs, outputs } = { inputs: seal(resource.inputs), outputs: seal(resource.outputs) };
    return tidy({ ...resource, ...(inputs && { inputs }), ...(outputs && { outputs }) });
  }
}

const COMPARED: (keyof Resource)[] = [
  'urn', 'type', 'custom', 'customTimeouts', 'retainOnDelete', 'provider', 'parent', 'deletedWith', 'protect', 'inputs', 'outputs',
]; // prettier-ignore

function differs(old: Resource, now: Resource): boolean {
  const sortedList = (list: string[] | undefined) => [...(list ?? [])].sort().join('\n');
  return (
    COMPARED.some(
      (field) => !equal((old[field] ?? {}) as Value, (now[field] ?? {}) as Value) && Boolean(old[field] || now[field]),
    ) || sortedList(old.dependencies) !== sortedList(now.dependencies)
  );
}
