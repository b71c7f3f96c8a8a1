import { type Clock } from '../clock';
import { type Environment } from '../project/paths';
import { type Setting, settingText } from '../project/config';
import { type CallLog } from '../rpc/call-log';
import { RpcError } from '../rpc/transport';
import { type Properties } from '../rpc/values';
import { type Deployment } from '../state/checkpoint';
import { type Journal } from '../state/journal';
import { ProviderRegistry } from '../plugins/registry';
import { type ProgramHost, type ProgramSettings } from '../plugins/language';
import { parseProviderReference, providerPackage, isProviderType } from './urn';
import { StepExecutor } from './step-executor';
import { EngineService } from './engine-service';
import { diagnostic, type Emit, type SummaryEvent } from './events';
import { StepScheduler, Interrupted, StepFailed } from './step-scheduler';
import { StepGenerator, TargetRefused } from './step-generator';
import { deletionWaves } from './graph';
import { deploymentInfo, startMonitor } from './monitor';
import { ProgramHandler } from './program';
import { warnOfPending } from './pending';
import { refresh } from './refresh';
import { type Step } from './step';

export type Kind = 'update' | 'refresh' | 'destroy';

/** What is to be done with a stack. */
export interface DeploymentPlan {
  kind: Kind;
  preview: boolean;
  stack: string;
  project: string;
  /** The project's folder, and the program's. */
  root: string;
  programDirectory: string;
  /** The state as it stands, secrets in the clear. */
  base: Deployment | undefined;
  settings: Record<string, Setting>;
  parallel: number;
}

/** The world around a deployment. */
export interface DeploymentWorld {
  env: Environment;
  clock: Clock;
  emit: Emit;
  calls: CallLog | undefined;
  journal: Journal | undefined;
  program: ProgramHost;
  /** Never rejects; resolves when somebody asks to stop. */
  cancelled: Promise<void>;
  /** Never rejects; resolves when nothing may be waited for any more. */
  terminated: Promise<void>;
}

export interface DeploymentResult {
  changes: Record<string, number>;
  result: SummaryEvent['result'];
}

/**
 * Brings a stack to where the plan wants it. What goes wrong is told as events; the result says how
 * it ended.
 */
export async function deploy(plan: DeploymentPlan, world: DeploymentWorld): Promise<DeploymentResult> {
  const run = new DeploymentRun(plan, world);
  return run.execute();
}

class DeploymentRun {
  private readonly scheduler: StepScheduler;
  private failed = false;
  private cancelled = false;
  private terminated = false;
  private stopProgram!: () => void;
  private readonly stopped = new Promise<void>((resolve) => (this.stopProgram = resolve));

  constructor(
    private readonly plan: DeploymentPlan,
    private readonly world: DeploymentWorld,
  ) {
    this.scheduler = new StepScheduler(world.emit, world.journal, {
      preview: plan.preview,
      parallel: plan.parallel,
      refreshing: plan.kind === 'refresh',
    });
  }

  async execute(): Promise<DeploymentResult> {
    const { emit, clock } = this.world;
    const begun = clock.unixNanoseconds();
    const engine = await EngineService.start(emit);
    const registry = this.registry(engine.address);
    void this.world.cancelled.then(() => this.cancel(registry));
    try {
      await Promise.race([this.untilSettled(engine, registry), this.world.terminated.then(() => this.terminate())]);
    } finally {
      registry.close();
      engine.close();
    }
    return this.conclude(begun);
  }

  private async untilSettled(engine: EngineService, registry: ProviderRegistry): Promise<void> {
    try {
      await this.phases(engine, registry);
    } catch (error) {
      this.noteFailure(error as Error);
    }
    await this.scheduler.settled();
    if (!this.terminated) await registry.cancelAll();
  }

  /** Leaves everything as it is: what was under way stays pending in the state. */
  private terminate(): void {
    this.terminated = true;
    this.world.journal?.freeze();
    this.giveUp();
  }

  private async phases(engine: EngineService, registry: ProviderRegistry): Promise<void> {
    const { kind, base, preview } = this.plan;
    const { program } = this.world;
    const executor = new StepExecutor(registry, this.world.clock, preview);
    try {
      await this.locatePlugins(registry);
      this.world.emit({ preludeEvent: { config: this.shownConfig() } });
      if (kind !== 'refresh' && !preview) warnOfPending(base?.pending_operations ?? [], this.world.emit);
      if (kind === 'refresh' && base) {
        await this.ensureProviders(registry, base.resources?.map(({ provider }) => provider) ?? []);
        await refresh(base, this.scheduler, executor);
        await this.world.journal?.save();
      }
      if (kind === 'update') await this.update(engine, registry, executor);
      if (kind === 'destroy') await this.destroy(registry, executor);
    } finally {
      program.close();
    }
  }

  /** Says where the providers of the old state and of the program come from. */
  private async locatePlugins(registry: ProviderRegistry): Promise<void> {
    const { kind, base } = this.plan;
    const { program } = this.world;
    if (kind === 'update') await program.about();
    const wanted = new Set(await program.requiredPackages());
    for (const { type } of base?.resources ?? []) if (isProviderType(type)) wanted.add(providerPackage(type));
    for (const pkg of wanted) registry.locate(pkg);
  }

  private async update(engine: EngineService, registry: ProviderRegistry, executor: StepExecutor): Promise<void> {
    const { plan, world } = this;
    const generator = new StepGenerator(plan.base, registry, executor, world.emit);
    const { project, stack } = plan;
    const program = new ProgramHandler({
      scope: { stack, project, root: plan.root },
      info: deploymentInfo(this.programSettings()),
      registry,
      generator,
      scheduler: this.scheduler,
      preview: plan.preview,
      providerConfig: (pkg) => this.providerConfig(pkg),
      onFailure: (error) => this.noteFailure(error),
    });
    const monitor = await startMonitor(program, world.calls);
    try {
      const running = this.runProgram(program, engine.address, monitor.address);
      await Promise.race([program.programFinished, this.stopped]);
      await this.scheduler.settled();
      if (!this.failed && !this.cancelled) await this.deleteAll(generator.deletions(), registry);
      await program.writeStackOutputs(this.failed || this.cancelled);
      program.release();
      if (!this.failed && !this.cancelled) await Promise.race([running, this.stopped]);
    } finally {
      monitor.close();
    }
  }

  private async runProgram(handler: ProgramHandler, engineAddress: string, monitorAddress: string): Promise<void> {
    try {
      const run = { ...this.programSettings(), monitorAddress, engineAddress };
      const { error, bail } = await this.world.program.run(run);
      if (bail) this.programFailed();
      else if (error) this.noteFailure(new Error(`an unhandled error occurred: ${error}`));
    } catch (error) {
      // After the end was called a program only says that nobody answers it any more.
      if (!this.scheduler.isStopped)
        this.noteFailure(new Error(error instanceof RpcError ? error.details : (error as Error).message));
    }
    handler.ended();
  }

  private async destroy(registry: ProviderRegistry, executor: StepExecutor): Promise<void> {
    const { plan, world } = this;
    const generator = new StepGenerator(plan.base, registry, executor, world.emit);
    await this.deleteAll(generator.deletions(), registry);
  }

  /** Deletes wave by wave; a wave whose predecessor failed does not begin. */
  private async deleteAll(steps: Step[], registry: ProviderRegistry): Promise<void> {
    if (steps.length === 0) return;
    await this.ensureProviders(
      registry,
      steps.map(({ old }) => old!.provider),
    );
    const byResource = new Map(steps.map((step) => [step.old!, step]));
    for (const wave of deletionWaves(steps.map(({ old }) => old!))) {
      if (this.scheduler.isStopped) return;
      const results = await Promise.allSettled(wave.map((resource) => this.scheduler.run(byResource.get(resource)!)));
      results.forEach((result) => result.status === 'rejected' && this.noteFailure(result.reason as Error));
      if (this.failed) return;
    }
  }

  private async ensureProviders(registry: ProviderRegistry, references: (string | undefined)[]): Promise<void> {
    for (const reference of new Set(references)) {
      if (!reference) continue;
      const { urn, id } = parseProviderReference(reference);
      const resource = this.plan.base?.resources?.find((candidate) => candidate.urn === urn && candidate.id === id);
      if (resource) await registry.ensure(resource);
    }
  }

  private registry(engineAddress: string): ProviderRegistry {
    const { env, calls, emit } = this.world;
    return new ProviderRegistry({
      env,
      cwd: this.plan.programDirectory,
      engineAddress,
      statusAddress: engineAddress,
      calls,
      warn: (text) => emit(diagnostic('warning', text)),
      output: (stream, line) => emit(diagnostic(stream === 'stdout' ? 'info' : 'info#err', line)),
    });
  }

  private programSettings(): ProgramSettings {
    const { project, stack, preview, parallel, settings } = this.plan;
    const entries = Object.entries(settings);
    return {
      project,
      stack,
      organization: 'organization',
      dryRun: preview,
      parallel,
      config: Object.fromEntries(entries.map(([key, { value }]) => [key, settingText(value)])),
      configSecretKeys: entries.filter(([, { secret }]) => secret).map(([key]) => key),
    };
  }

  private providerConfig(pkg: string): Properties {
    const own = Object.entries(this.plan.settings).filter(([key]) => key.startsWith(`${pkg}:`));
    return Object.fromEntries(own.map(([key, { value }]) => [key.slice(pkg.length + 1), settingText(value)]));
  }

  private shownConfig(): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.plan.settings).map(([key, { value, secret }]) => [
        key,
        secret ? '[secret]' : settingText(value),
      ]),
    );
  }

  private noteFailure(error: Error): void {
    if (error instanceof Interrupted || this.terminated) return;
    const told = error instanceof StepFailed || error instanceof TargetRefused;
    if (!told && !this.cancelled) this.world.emit(diagnostic('error', error.message));
    this.giveUp();
  }

  /** The program said itself what went wrong. */
  private programFailed(): void {
    this.failed = true;
  }

  private giveUp(): void {
    this.failed = true;
    this.scheduler.stop();
    this.stopProgram();
  }

  private async cancel(registry: ProviderRegistry): Promise<void> {
    this.cancelled = true;
    this.scheduler.stop();
    await registry.cancelAll();
    await this.scheduler.settled();
    this.stopProgram();
  }

  private conclude(begun: string): DeploymentResult {
    const { emit, clock } = this.world;
    const { preview } = this.plan;
    const failed = this.failed || this.scheduler.failed;
    const result = failed ? 'failed' : this.cancelled ? 'canceled' : 'succeeded';
    // What was refused before any step failed has been told already.
    if (this.scheduler.failed || this.terminated || result === 'canceled')
      emit(diagnostic('error', `${preview ? 'preview' : 'update'} ${result}`));
    const nanoseconds = Number(BigInt(clock.unixNanoseconds()) - BigInt(begun));
    const counts = Object.entries(this.scheduler.changes) as [string, number][];
    const changes = Object.fromEntries(counts.sort(([a], [b]) => (a < b ? -1 : 1)));
    emit({
      summaryEvent: {
        maybeCorrupt: this.scheduler.maybeCorrupt,
        durationSeconds: Math.ceil(nanoseconds / 1e9),
        resourceChanges: changes,
        PolicyPacks: {},
        isPreview: preview,
        result,
      },
    });
    emit({ cancelEvent: {} });
    return { changes, result };
  }
}
