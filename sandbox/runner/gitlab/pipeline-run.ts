/** A pipeline under way: which jobs may start, which are skipped, which are tried again. */
import type { JobDefinition, Pipeline } from '../pipeline/job-definition';
import type { JobDependency } from '../payload';
import type { JobResult, JobState, PipelineResult } from '../types';
import type { Job, Jobs } from './jobs';

export interface PipelineRunOptions {
  readonly pipeline: Pipeline;
  readonly jobs: Jobs;
  /** Fills a definition in; each attempt of a job is a job of its own. */
  readonly submit: (
    definition: JobDefinition,
    dependencies: readonly JobDependency[],
    handedOn: Readonly<Record<string, string>>,
  ) => Promise<Job>;
  readonly onState: (node: JobNode) => void;
  /** Resolves when a delayed job's time has come; the seconds are those of its `start_in`. */
  readonly delay: (seconds: number) => Promise<void>;
}

/** A job of the pipeline over all its attempts. */
export interface JobNode {
  readonly definition: JobDefinition;
  state: JobState;
  attempts: Job[];
  /** Waits for a person, and no later stage starts before it ran. */
  blocks: boolean;
}

const RETRY_LIMITED_TO: Readonly<Record<string, readonly string[]>> = {
  job_execution_timeout: ['job_execution_timeout', 'stuck_or_timeout_failure'],
};

export class PipelineRun {
  readonly nodes: readonly JobNode[];
  private readonly byName: ReadonlyMap<string, JobNode>;
  private readonly claimed = new Map<string, JobNode>();
  private canceled = false;
  private settle: () => void = () => undefined;
  private fail: (error: unknown) => void = () => undefined;

  constructor(private readonly options: PipelineRunOptions) {
    this.nodes = options.pipeline.jobs.map((definition) => ({
      definition,
      state: 'created',
      attempts: [],
      blocks: false,
    }));
    this.byName = new Map(this.nodes.map((node) => [node.definition.name, node]));
  }

  /** Resolves when no job runs and none can start any more. */
  async run(): Promise<PipelineResult> {
    const done = new Promise<void>((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
    const stopListening = [
      this.options.jobs.on('finished', (job) => this.finished(job)),
      this.options.jobs.on('state', (job) => this.started(job)),
    ];
    this.advance();
    try {
      await done;
    } finally {
      for (const stop of stopListening) stop();
    }
    return this.result();
  }

  /**
   * As the pipeline's cancel button: running jobs are cancelled, the others never start. A second
   * time: at once.
   */
  cancel(): void {
    this.canceled = true;
    for (const node of this.nodes) {
      if (node.state === 'created' || node.state === 'scheduled') this.set(node, 'canceled');
      else node.attempts.at(-1)?.cancel();
    }
    this.advance();
  }

  private set(node: JobNode, state: JobState): void {
    if (node.state === state) return;
    node.state = state;
    this.options.onState(node);
  }

  private nodeOf(job: Job): JobNode | undefined {
    return this.nodes.find((node) => node.attempts.includes(job));
  }

  private started(job: Job): void {
    const node = this.nodeOf(job);
    if (node && job.state === 'running') this.set(node, 'running');
  }

  private finished(job: Job): void {
    const node = this.nodeOf(job);
    if (!node) return;
    if (node.definition.resourceGroup) this.claimed.delete(node.definition.resourceGroup);
    if (job.state === 'failed' && !this.canceled && mayRetry(node, job)) this.start(node);
    else this.set(node, job.state as JobState);
    this.advance();
  }

  /** Starts and skips whatever can be decided now, until nothing changes. */
  private advance(): void {
    for (let changed = true; changed;) {
      changed = false;
      for (const node of this.nodes.filter((one) => one.state === 'created')) {
        const decision = this.decide(node);
        if (decision === 'wait') continue;
        changed = true;
        if (decision === 'start') this.startInTime(node);
        else this.set(node, decision);
      }
    }
    const busy = this.nodes.some((node) => ['scheduled', 'waiting', 'running'].includes(node.state));
    if (!busy) {
      for (const node of this.nodes) if (node.state === 'created') this.set(node, 'skipped');
      this.settle();
    }
  }

  private decide(node: JobNode): 'wait' | 'start' | 'skipped' | 'manual' | 'canceled' {
    const { definition } = node;
    if (this.canceled) return 'canceled';
    const before = this.before(node);
    if (
      before.some(
        (one) =>
          ['created', 'scheduled', 'waiting', 'running'].includes(one.state) || (one.blocks && one.state === 'manual'),
      )
    )
      return 'wait';
    const failed = before.some((one) => failedForGood(one) || one.state === 'canceled');
    const skipped =
      definition.needs !== undefined && before.some((one) => one.state === 'skipped' || one.state === 'manual');
    if (definition.when === 'on_failure') return failed ? this.claim(node) : 'skipped';
    if (definition.when !== 'always' && (failed || skipped)) return 'skipped';
    if (definition.when === 'manual') {
      node.blocks = definition.allowFailure === false;
      return 'manual';
    }
    return this.claim(node);
  }

  /** One job of a resource group at a time. */
  private claim(node: JobNode): 'wait' | 'start' {
    const group = node.definition.resourceGroup;
    if (group === undefined) return 'start';
    if (this.claimed.has(group)) return 'wait';
    this.claimed.set(group, node);
    return 'start';
  }

  /** What must have ended before: its needs, or all earlier stages. */
  private before({ definition }: JobNode): JobNode[] {
    if (definition.needs)
      return definition.needs.flatMap((need) => need.jobs).flatMap((name) => this.byName.get(name) ?? []);
    const { stages } = this.options.pipeline;
    const at = stages.indexOf(definition.stage);
    return this.nodes.filter((node) => stages.indexOf(node.definition.stage) < at);
  }

  /**
   * A person runs an ended job again, as a new one; what was skipped for its sake gets its chance.
   */
  async retry(job: Job): Promise<Job | undefined> {
    const node = this.nodeOf(job);
    if (!node || node.attempts.at(-1) !== job || !job.ended || this.canceled) return undefined;
    for (const one of this.nodes) if (one.state === 'skipped') this.set(one, 'created');
    return this.launch(node);
  }

  private startInTime(node: JobNode): void {
    const { startInSeconds } = node.definition;
    if (startInSeconds === undefined) return this.start(node);
    this.set(node, 'scheduled');
    this.options.delay(startInSeconds).then(
      () => node.state === 'scheduled' && this.start(node),
      (error: unknown) => this.fail(error),
    );
  }

  private start(node: JobNode): void {
    this.launch(node).catch((error: unknown) => this.fail(error));
  }

  private async launch(node: JobNode): Promise<Job> {
    this.set(node, 'waiting');
    const givers = this.givers(node).flatMap((giver) => giver.attempts.at(-1) ?? []);
    const handedOn = Object.assign({}, ...givers.map((giver) => giver.dotenv)) as Record<string, string>;
    const job = await this.options.submit(node.definition, givers.map(dependency), handedOn);
    node.attempts.push(job);
    if (this.canceled) job.cancel();
    this.options.jobs.queue(job);
    return job;
  }

  /** The jobs whose artifacts this one gets. */
  private givers(node: JobNode): JobNode[] {
    const { needs, dependencies } = node.definition;
    const fromNeeds = needs?.filter((need) => need.artifacts).flatMap((need) => need.jobs);
    const candidates = fromNeeds ? fromNeeds.flatMap((name) => this.byName.get(name) ?? []) : this.before(node);
    return candidates
      .filter(
        (one) =>
          dependencies === undefined ||
          dependencies.includes(one.definition.name) ||
          dependencies.includes(one.definition.baseName),
      )
      .filter((one) => one.attempts.length > 0);
  }

  private result(): PipelineResult {
    const jobs = this.nodes.map(resultOf);
    return { jobs, succeeded: this.nodes.every((node) => !failedForGood(node) && node.state !== 'canceled') };
  }
}

function dependency(job: Job): JobDependency {
  const file = job.archive
    ? { artifacts_file: { filename: job.archive.filename, size: job.archive.content.length } }
    : {};
  return { id: job.id, name: job.payload.job_info.name, token: job.payload.token, ...file };
}

function failureIsAllowed({ definition: { allowFailure } }: JobNode, job: Job | undefined): boolean {
  if (typeof allowFailure === 'boolean') return allowFailure;
  return job?.exitCode !== undefined && allowFailure.exitCodes.includes(job.exitCode);
}

function failedForGood(node: JobNode): boolean {
  return node.state === 'failed' && !failureIsAllowed(node, node.attempts.at(-1));
}

function mayRetry(node: JobNode, job: Job): boolean {
  const { retry } = node.definition;
  if (node.attempts.length > retry.max) return false;
  if (!retry.when && !retry.exit_codes) return true;
  const reason = job.failureReason ?? 'unknown_failure';
  const names = RETRY_LIMITED_TO[reason] ?? [reason];
  const byReason = retry.when?.some((when) => when === 'always' || names.includes(when)) ?? false;
  const byExit = job.exitCode !== undefined && (retry.exit_codes?.includes(job.exitCode) ?? false);
  return byReason || byExit;
}

function resultOf(node: JobNode): JobResult {
  const job = node.attempts.at(-1);
  const { definition } = node;
  return {
    id: job?.id ?? 0,
    name: definition.name,
    stage: definition.stage,
    state: node.state,
    allowFailure: failureIsAllowed(node, job),
    attempts: node.attempts.length,
    attemptIds: node.attempts.map((one) => one.id),
    durationMs:
      job?.startedAtMs !== undefined && job.finishedAtMs !== undefined ? job.finishedAtMs - job.startedAtMs : 0,
    log: node.attempts.map((one) => one.trace).join(''),
    ...(job?.failureReason ? { failureReason: job.failureReason } : {}),
    ...(job?.exitCode === undefined ? {} : { exitCode: job.exitCode }),
  };
}
