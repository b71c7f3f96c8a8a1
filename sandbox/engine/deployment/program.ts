import { type ProviderRegistry } from '../plugins/registry';
import { type RegisterResourceRequest, type ReadResourceRequest } from '../rpc/schema/monitor';
import { type Properties } from '../rpc/values';
import { isSecret, UNKNOWN } from '../secrets/envelope';
import { type Resource } from '../state/checkpoint';
import { StepFailed, type Executor } from './executor';
import { GoalRefused, type Generator } from './generator';
import { goalOf, plainInputs, stateOf, type GoalScope } from './goal';
import { monitorGone, type MonitorHandler } from './monitor';
import { type Step } from './step';
import { defaultProviderName, isProviderType, makeUrn, providerReference, STACK_TYPE, tokenPackage } from './urn';

/** What the program's requests are answered with. */
export interface ProgramServices {
  scope: GoalScope;
  info: ReturnType<MonitorHandler['info']>;
  registry: ProviderRegistry;
  generator: Generator;
  executor: Executor;
  preview: boolean;
  /** The configuration of a default provider, by package. */
  providerConfig(pkg: string): Properties;
  /** Told once when a goal was refused or a step failed. */
  onFailure(error: Error): void;
}

/** Answers a program's requests by making goals of them and steps of those. */
export class ProgramHandler implements MonitorHandler {
  private planning: Promise<unknown> = Promise.resolve();
  private readonly registered = new Map<string, Step>();
  private readonly defaults = new Map<string, Promise<string>>();
  private stackOutputs: Properties | undefined;
  private finished!: () => void;
  private letGo!: () => void;
  /** Resolves when the program has registered everything. */
  readonly programFinished = new Promise<void>((resolve) => (this.finished = resolve));
  private readonly mayEnd = new Promise<void>((resolve) => (this.letGo = resolve));

  constructor(private readonly services: ProgramServices) {}

  info(): ReturnType<MonitorHandler['info']> {
    return this.services.info;
  }

  async finish(): Promise<void> {
    this.finished();
    await this.mayEnd;
  }

  /** The program has ended, whether it said so before or not. */
  ended(): void {
    this.finished();
  }

  /** Lets a program go that waits for the end of the deployment. */
  release(): void {
    this.letGo();
  }

  async register(request: RegisterResourceRequest): Promise<{ urn: string; id: string; object: Properties }> {
    const step = await this.guarded(async () => {
      if (request.remote)
        throw new GoalRefused(`remote components are not supported by the sandbox's engine: ${request.type}`);
      const provider = request.custom && !isProviderType(request.type) ? await this.providerOf(request) : undefined;
      const object = isProviderType(request.type) ? providerInputs(request) : request.object;
      return this.reach({ ...request, object }, provider);
    });
    const now = step.new!;
    return {
      urn: now.urn,
      id: answerId(now),
      object: answerProperties(now.outputs ?? (now.custom ? {} : (now.inputs ?? {})), request.acceptSecrets),
    };
  }

  async registerOutputs(urn: string, outputs: Properties): Promise<void> {
    await this.guarded(async () => {
      const values = plainInputs(outputs) as Properties;
      const step = this.registered.get(urn);
      if (!step) throw new GoalRefused(`cannot complete a resource '${urn}' whose registration isn't pending`);
      if (step.type === STACK_TYPE) {
        // Written when all is done, so that a failed update says what it can.
        this.stackOutputs = values;
        return;
      }
      step.new!.outputs = values;
      await this.services.executor.registerOutputs(step);
    });
  }

  /** Writes the stack's outputs; after a failure those it had before stay. */
  async writeStackOutputs(failed: boolean): Promise<void> {
    const step = [...this.registered.values()].find(({ type }) => type === STACK_TYPE);
    if (!step || !this.stackOutputs) return;
    step.new!.outputs = failed ? { ...step.old?.outputs, ...this.stackOutputs } : this.stackOutputs;
    await this.services.executor.registerOutputs(step);
  }

  async read(request: ReadResourceRequest): Promise<{ urn: string; properties: Properties }> {
    const now = await this.guarded(async () => {
      const { scope } = this.services;
      const provider = request.provider || (await this.defaultProvider(tokenPackage(request.type), request.version));
      const goal = goalOf({ ...blankRequest(), ...request, custom: true, object: request.properties }, scope, provider);
      const state: Resource = { ...stateOf(goal, goal.inputs), id: request.id || UNKNOWN, external: true };
      const step = this.services.generator.readStep(state);
      await this.services.executor.run(step);
      return state;
    });
    return { urn: now.urn, properties: answerProperties(now.outputs ?? {}, request.acceptSecrets) };
  }

  async invoke(request: Parameters<MonitorHandler['invoke']>[0]): ReturnType<MonitorHandler['invoke']> {
    const reference = await this.guarded(
      async () => request.provider || this.defaultProvider(tokenPackage(request.tok), request.version),
    );
    const provider = await this.services.registry.get(reference);
    const answer = await provider.invoke(
      request.tok,
      plainInputs(request.args ?? {}) as Properties,
      this.services.preview,
    );
    return { ...(answer.return && { return: answer.return }), failures: answer.failures };
  }

  /** Runs a piece of a request; what goes wrong in the deployment ends it, and the program only learns that it is over. */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.services.executor.isStopped) throw monitorGone();
    try {
      return await work();
    } catch (error) {
      this.services.onFailure(error as Error);
      throw error instanceof StepFailed || error instanceof GoalRefused ? monitorGone() : error;
    }
  }

  private async reach(request: RegisterResourceRequest, provider: string | undefined): Promise<Step> {
    const goal = goalOf(request, this.services.scope, provider);
    const steps = await this.inTurn(() => this.services.generator.steps(goal));
    await this.services.executor.runAll(steps);
    const last = steps.findLast((step) => step.new)!;
    const shown = steps.find((step) => step.op !== 'replace' && step.new) ?? last;
    this.registered.set(goal.urn, shown);
    return shown;
  }

  /** One goal is planned at a time, in the order in which they come. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.planning.then(work, work);
    this.planning = result.catch(() => undefined);
    return result;
  }

  private providerOf(request: RegisterResourceRequest): Promise<string> {
    if (request.provider) return Promise.resolve(request.provider);
    return this.defaultProvider(tokenPackage(request.type), request.version);
  }

  private defaultProvider(pkg: string, version: string): Promise<string> {
    const name = defaultProviderName(version || undefined);
    const key = `${pkg}/${name}`;
    let reference = this.defaults.get(key);
    if (!reference) {
      reference = this.makeDefaultProvider(pkg, name, version);
      this.defaults.set(key, reference);
    }
    return reference;
  }

  private async makeDefaultProvider(pkg: string, name: string, version: string): Promise<string> {
    const { scope, providerConfig } = this.services;
    const type = `pulumi:providers:${pkg}`;
    const object: Properties = { ...providerConfig(pkg), __internal: {}, ...(version && { version }) };
    const step = await this.reach({ ...blankRequest(), type, name, custom: true, object }, undefined);
    return providerReference(makeUrn(scope.stack, scope.project, undefined, type, name), step.new!.id!);
  }
}

/** The engine keeps a provider's version among its inputs. */
function providerInputs(request: RegisterResourceRequest): Properties {
  return { ...request.object, __internal: {}, ...(request.version && { version: request.version }) };
}

function answerId(resource: Resource): string {
  return resource.id && resource.id !== UNKNOWN ? resource.id : '';
}

function answerProperties(properties: Properties, acceptSecrets: boolean): Properties {
  if (acceptSecrets) return properties;
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [key, isSecret(value) ? value['value']! : value]),
  );
}

function blankRequest(): RegisterResourceRequest {
  return BLANK;
}

const BLANK: RegisterResourceRequest = {
  type: '', name: '', parent: '', custom: false, object: {}, protect: undefined, dependencies: [], provider: '',
  propertyDependencies: {}, deleteBeforeReplace: false, version: '', ignoreChanges: [], acceptSecrets: true,
  additionalSecretOutputs: [], aliasURNs: [], importId: '', customTimeouts: undefined, deleteBeforeReplaceDefined: false,
  supportsPartialValues: true, remote: false, acceptResources: true, providers: {}, replaceOnChanges: [], pluginDownloadURL: '',
  retainOnDelete: undefined, aliases: [], deletedWith: '', aliasSpecs: true, sourcePosition: undefined, transforms: [],
  supportsResultReporting: true, packageRef: '', stackTrace: undefined, hideDiffs: [], replaceWith: [],
  replacementTrigger: undefined, acceptsByteString: false,
}; // prettier-ignore
