import * as proto from '@pulumi/pulumi/proto/resource_pb';
import { type ProviderRegistry } from '../plugins/registry';
import { fromStruct, toStruct } from '../rpc/struct';
import { type Properties } from '../rpc/values';
import { isSecret, UNKNOWN } from '../secrets/envelope';
import { type Resource } from '../state/checkpoint';
import { StepFailed, type StepScheduler } from './step-scheduler';
import { TargetRefused, type StepGenerator } from './step-generator';
import { targetStateOf, plainInputs, stateOf, type TargetScope } from './target-state';
import { monitorGone, type MonitorHandler } from './monitor';
import { type Step } from './step';
import { defaultProviderName, isProviderType, makeUrn, providerReference, STACK_TYPE, tokenPackage } from './urn';

/** What the program's requests are answered with. */
export interface ProgramServices {
  scope: TargetScope;
  info: proto.DeploymentInfo;
  registry: ProviderRegistry;
  generator: StepGenerator;
  scheduler: StepScheduler;
  preview: boolean;
  /** The configuration of a default provider, by package. */
  providerConfig(pkg: string): Properties;
  /** Told once when a target state was refused or a step failed. */
  onFailure(error: Error): void;
}

/** Answers a program's requests by making target states of them and steps of those. */
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

  info(): proto.DeploymentInfo {
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

  async register(request: proto.RegisterResourceRequest): Promise<proto.RegisterResourceResponse> {
    const step = await this.guarded(async () => {
      const type = request.getType();
      if (request.getRemote())
        throw new TargetRefused(`remote components are not supported by the sandbox's engine: ${type}`);
      if (isProviderType(type)) return this.reach(withEngineInputs(request), undefined);
      return this.reach(request, request.getCustom() ? await this.providerOf(request) : undefined);
    });
    const now = step.new!;
    const outputs = now.outputs ?? (now.custom ? {} : (now.inputs ?? {}));
    return new proto.RegisterResourceResponse()
      .setUrn(now.urn)
      .setId(now.id === UNKNOWN ? '' : (now.id ?? ''))
      .setObject(answerProperties(outputs, request.getAcceptsecrets()));
  }

  async registerOutputs(urn: string, outputs: Properties): Promise<void> {
    await this.guarded(async () => {
      const values = plainInputs(outputs) as Properties;
      const step = this.registered.get(urn);
      if (!step) throw new TargetRefused(`cannot complete a resource '${urn}' whose registration isn't pending`);
      if (step.type === STACK_TYPE) {
        // Written when all is done, so that a failed update says what it can.
        this.stackOutputs = values;
        return;
      }
      step.new!.outputs = values;
      await this.services.scheduler.registerOutputs(step);
    });
  }

  /** Writes the stack's outputs; after a failure those it had before stay. */
  async writeStackOutputs(failed: boolean): Promise<void> {
    const step = [...this.registered.values()].find(({ type }) => type === STACK_TYPE);
    if (!step || !this.stackOutputs) return;
    step.new!.outputs = failed ? { ...step.old?.outputs, ...this.stackOutputs } : this.stackOutputs;
    await this.services.scheduler.registerOutputs(step);
  }

  async read(request: proto.ReadResourceRequest): Promise<proto.ReadResourceResponse> {
    const now = await this.guarded(async () => {
      const { scope } = this.services;
      const target = targetStateOf(registrationOf(request), scope, await this.providerOf(request));
      const state: Resource = { ...stateOf(target, target.inputs), id: request.getId() || UNKNOWN, external: true };
      const step = this.services.generator.readStep(state);
      await this.services.scheduler.run(step);
      return state;
    });
    const properties = answerProperties(now.outputs ?? {}, request.getAcceptsecrets());
    return new proto.ReadResourceResponse().setUrn(now.urn).setProperties(properties);
  }

  async invoke(request: proto.ResourceInvokeRequest): Promise<proto.ResourceInvokeResponse> {
    const token = request.getTok();
    const reference = await this.guarded(
      async () => request.getProvider() || this.defaultProvider(tokenPackage(token), request.getVersion()),
    );
    const provider = await this.services.registry.get(reference);
    const args = plainInputs(fromStruct(request.getArgs())) as Properties;
    const answer = await provider.invoke(token, args, this.services.preview);
    return new proto.ResourceInvokeResponse().setReturn(answer.getReturn()).setFailuresList(answer.getFailuresList());
  }

  /**
   * Runs a piece of a request; what goes wrong in the deployment ends it, and the program only
   * learns that it is over.
   */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.services.scheduler.isStopped) throw monitorGone();
    try {
      return await work();
    } catch (error) {
      this.services.onFailure(error as Error);
      throw error instanceof StepFailed || error instanceof TargetRefused ? monitorGone() : error;
    }
  }

  private async reach(request: proto.RegisterResourceRequest, provider: string | undefined): Promise<Step> {
    const target = targetStateOf(request, this.services.scope, provider);
    const steps = await this.inTurn(() => this.services.generator.steps(target));
    await this.services.scheduler.runAll(steps);
    const last = steps.findLast((step) => step.new)!;
    const shown = steps.find((step) => step.op !== 'replace' && step.new) ?? last;
    this.registered.set(target.urn, shown);
    return shown;
  }

  /** One target state is planned at a time, in the order in which they come. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.planning.then(work, work);
    this.planning = result.catch(() => undefined);
    return result;
  }

  private async providerOf(request: proto.RegisterResourceRequest | proto.ReadResourceRequest): Promise<string> {
    return request.getProvider() || this.defaultProvider(tokenPackage(request.getType()), request.getVersion());
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
    const request = new proto.RegisterResourceRequest().setType(type).setName(name).setCustom(true).setVersion(version);
    const step = await this.reach(withEngineInputs(request.setObject(toStruct(providerConfig(pkg)))), undefined);
    return providerReference(makeUrn(scope.stack, scope.project, undefined, type, name), step.new!.id!);
  }
}

/** The engine keeps a provider's version among its inputs. */
function withEngineInputs(request: proto.RegisterResourceRequest): proto.RegisterResourceRequest {
  const version = request.getVersion();
  const inputs = { ...fromStruct(request.getObject()), __internal: {}, ...(version && { version }) };
  return request.clone().setObject(toStruct(inputs));
}

/** A resource that is only read, as the registration of one. */
function registrationOf(request: proto.ReadResourceRequest): proto.RegisterResourceRequest {
  return new proto.RegisterResourceRequest()
    .setType(request.getType())
    .setName(request.getName())
    .setParent(request.getParent())
    .setCustom(true)
    .setObject(request.getProperties())
    .setDependenciesList(request.getDependenciesList())
    .setAdditionalsecretoutputsList(request.getAdditionalsecretoutputsList())
    .setSourceposition(request.getSourceposition())
    .setStacktrace(request.getStacktrace());
}

function answerProperties(properties: Properties, acceptSecrets: boolean): ReturnType<typeof toStruct> {
  if (acceptSecrets) return toStruct(properties);
  const entries = Object.entries(properties).map(([key, value]) => [key, isSecret(value) ? value['value']! : value]);
  return toStruct(Object.fromEntries(entries) as Properties);
}
