import { randomBytes, randomUUID } from 'node:crypto';
import { ResourceProviderService as Methods } from '@pulumi/pulumi/proto/provider_grpc_pb';
import * as proto from '@pulumi/pulumi/proto/provider_pb';
import { PluginAttach } from '@pulumi/pulumi/proto/plugin_pb';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Message } from 'google-protobuf';
import { Empty } from 'google-protobuf/google/protobuf/empty_pb';
import { type CallLog } from '../rpc/call-log';
import { fromStruct, toStruct } from '../rpc/struct';
import { RpcClient, RpcError } from '../rpc/transport';
import { isProperties, type Properties, type Value } from '../rpc/values';
import { keepSecrets, RESOURCE_REFERENCE, reveal, SIGNATURE } from '../secrets/envelope';
import { urnName, urnType } from '../deployment/urn';

/** Why a resource's inputs were refused; `property` is empty when it is about all of them. */
export interface Failure {
  property: string;
  reason: string;
}

export interface Checked {
  inputs: Properties;
  failures: Failure[];
}

/** What was, and what is wanted. */
interface Change {
  olds: Properties;
  oldInputs: Properties;
  news: Properties;
}

/** A resource was made or changed, but not as it should be; its state is known. */
export class PartialFailure extends Error {
  override readonly name = 'PartialFailure';
  readonly id: string;
  readonly outputs: Properties | undefined;
  readonly inputs: Properties;
  readonly reasons: string[];

  constructor(detail: proto.ErrorResourceInitFailed) {
    super(reasonsText(detail.getReasonsList()));
    this.id = detail.getId();
    this.outputs = detail.hasProperties() ? fromStruct(detail.getProperties()) : undefined;
    this.inputs = fromStruct(detail.getInputs());
    this.reasons = detail.getReasonsList();
  }
}

function reasonsText(reasons: readonly string[]): string {
  const list = reasons.map((reason) => `\t* ${reason}\n`).join('');
  return `${reasons.length} error${reasons.length === 1 ? '' : 's'} occurred:\n${list}\n`;
}

/** Where and how a provider runs. */
export interface ProviderProcess {
  address: string;
  /** The folder of the executable. */
  directory: string;
  /** Ends the process, if it is ours. */
  stop(): void;
}

/** A running provider, spoken to as the real engine does. */
export class Provider {
  private readonly client: RpcClient;
  private accepts = { secrets: false, resources: false };
  /** Whether Create and Update may be called in a preview. */
  supportsPreview = false;

  constructor(
    readonly process: ProviderProcess,
    name: string,
    calls: CallLog | undefined,
    private readonly status: { address: string },
  ) {
    this.client = new RpcClient(
      process.address,
      calls && { calls, metadata: { kind: 'resource', mode: 'client', name } },
    );
  }

  /** Tells the provider about the engine; older ones do not know the call. */
  async handshake(engineAddress: string): Promise<void> {
    const request = new proto.ProviderHandshakeRequest()
      .setEngineAddress(engineAddress)
      .setRootDirectory(this.process.directory)
      .setProgramDirectory(this.process.directory)
      .setConfigureWithUrn(true)
      .setSupportsViews(true)
      .setSupportsRefreshBeforeUpdate(true)
      .setInvokeWithPreview(true)
      .setAcceptsByteString(true);
    try {
      const answer = await this.client.call(Methods.handshake, request);
      this.accepts = { secrets: answer.getAcceptSecrets(), resources: answer.getAcceptResources() };
    } catch (error) {
      if (!(error instanceof RpcError && error.unimplemented)) throw error;
    }
    await this.client.call(Methods.getPluginInfo, new Empty());
  }

  /** Tells a provider that ran before the engine did where the engine is. */
  async attach(engineAddress: string): Promise<void> {
    await this.client.call(Methods.attach, new PluginAttach().setAddress(engineAddress));
  }

  async checkConfig(urn: string, olds: Properties, news: Properties): Promise<Checked> {
    const request = about(new proto.CheckRequest(), urn).setOlds(toStruct(olds)).setNews(toStruct(news));
    try {
      return checked(await this.client.call(Methods.checkConfig, request));
    } catch (error) {
      if (error instanceof RpcError && error.unimplemented) return { inputs: news, failures: [] };
      throw error;
    }
  }

  async diffConfig(urn: string, { olds, oldInputs, news }: Change): Promise<proto.DiffResponse> {
    const request = about(new proto.DiffRequest(), urn)
      .setOlds(toStruct(olds))
      .setOldInputs(toStruct(oldInputs))
      .setNews(toStruct(news));
    return this.client.call(Methods.diffConfig, request);
  }

  async configure(urn: string, id: string, args: Properties): Promise<void> {
    const request = about(new proto.ConfigureRequest(), urn)
      .setId(id)
      .setArgs(toStruct(reveal(args)))
      .setAcceptsecrets(true)
      .setAcceptresources(true)
      .setSendsOldInputs(true)
      .setSendsOldInputsToDelete(true);
    const answer = await this.client.call(Methods.configure, request);
    this.accepts = {
      secrets: answer.getAcceptsecrets() || this.accepts.secrets,
      resources: answer.getAcceptresources() || this.accepts.resources,
    };
    this.supportsPreview = answer.getSupportspreview();
  }

  async check(urn: string, olds: Properties, news: Properties): Promise<Checked> {
    const request = about(new proto.CheckRequest(), urn)
      .setOlds(this.outgoing(olds))
      .setNews(this.outgoing(news))
      .setRandomseed(randomBytes(32));
    const { inputs, failures } = checked(await this.client.call(Methods.check, request));
    return { inputs: this.withSecretsOf(news, inputs), failures };
  }

  async diff(urn: string, id: string, change: Change, ignoreChanges: string[]): Promise<proto.DiffResponse> {
    const request = about(new proto.DiffRequest(), urn)
      .setId(id)
      .setOlds(this.outgoing(change.olds))
      .setOldInputs(this.outgoing(change.oldInputs))
      .setNews(this.outgoing(change.news))
      .setIgnorechangesList(ignoreChanges);
    return this.client.call(Methods.diff, request);
  }

  /**
   * @param timeout seconds; 0 for the provider's own
   * @throws PartialFailure when the resource is there, but not ready
   */
  async create(
    urn: string,
    properties: Properties,
    timeout: number,
    preview: boolean,
  ): Promise<{ id: string; outputs: Properties }> {
    const request = this.reporting(about(new proto.CreateRequest(), urn))
      .setProperties(this.outgoing(properties))
      .setTimeout(timeout)
      .setPreview(preview);
    const answer = await this.change(Methods.create, request);
    return { id: answer.getId(), outputs: this.withSecretsOf(properties, fromStruct(answer.getProperties())) };
  }

  /** As {@link create}, for a resource that is there. */
  async update(
    urn: string,
    id: string,
    change: Change,
    options: { timeout: number; ignoreChanges: string[]; preview: boolean },
  ): Promise<Properties> {
    const request = this.reporting(about(new proto.UpdateRequest(), urn))
      .setId(id)
      .setOlds(this.outgoing(change.olds))
      .setOldInputs(this.outgoing(change.oldInputs))
      .setNews(this.outgoing(change.news))
      .setTimeout(options.timeout)
      .setIgnorechangesList(options.ignoreChanges)
      .setPreview(options.preview);
    const answer = await this.change(Methods.update, request);
    return this.withSecretsOf(change.news, fromStruct(answer.getProperties()));
  }

  /** What the cloud has; undefined when the resource is gone. */
  async read(
    urn: string,
    id: string,
    inputs: Properties | undefined,
    state: Properties,
  ): Promise<{ id: string; inputs?: Properties; outputs: Properties } | undefined> {
    const request = this.reporting(about(new proto.ReadRequest(), urn)).setId(id).setProperties(this.outgoing(state));
    if (inputs) request.setInputs(this.outgoing(inputs));
    const answer = await this.change(Methods.read, request);
    if (!answer.getId()) return undefined;
    return {
      id: answer.getId(),
      outputs: this.withSecretsOf(state, fromStruct(answer.getProperties())),
      ...(answer.hasInputs() && { inputs: this.withSecretsOf(inputs, fromStruct(answer.getInputs())) }),
    };
  }

  async delete(urn: string, id: string, inputs: Properties, outputs: Properties, timeout: number): Promise<void> {
    const request = this.reporting(about(new proto.DeleteRequest(), urn))
      .setId(id)
      .setProperties(this.outgoing(outputs))
      .setOldInputs(this.outgoing(inputs))
      .setTimeout(timeout);
    await this.change(Methods.delete, request);
  }

  async invoke(tok: string, args: Properties, preview: boolean): Promise<proto.InvokeResponse> {
    const request = new proto.InvokeRequest().setTok(tok).setArgs(this.outgoing(args)).setPreview(preview);
    return this.client.call(Methods.invoke, request);
  }

  /** Asks the provider to give up what it is doing. */
  async cancel(): Promise<void> {
    try {
      await this.client.call(Methods.cancel, new Empty());
    } catch {
      // A provider that cannot be told, or is gone, has nothing to give up.
    }
  }

  close(): void {
    this.client.close();
    this.process.stop();
  }

  /** A call whose error may say that it was done in part. */
  private async change<Req extends Message, Res extends Message>(
    method: MethodDefinition<Req, Res>,
    request: Req,
  ): Promise<Res> {
    try {
      return await this.client.call(method, request);
    } catch (error) {
      const detail = error instanceof RpcError && error.attachments.get('pulumirpc.ErrorResourceInitFailed');
      throw detail ? new PartialFailure(proto.ErrorResourceInitFailed.deserializeBinary(detail)) : error;
    }
  }

  /** A request that says where the provider may report what it does meanwhile. */
  private reporting<T extends ReportingRequest>(request: T): T {
    request.setResourceStatusAddress(this.status.address);
    request.setResourceStatusToken(randomUUID());
    return request;
  }

  /** Properties as this provider gave them, with the secrets of those that it was given. */
  private withSecretsOf(given: Properties | undefined, answer: Properties): Properties {
    return this.accepts.secrets ? answer : (keepSecrets(answer, given) as Properties);
  }

  /** Properties as this provider takes them. */
  private outgoing(properties: Properties): ReturnType<typeof toStruct> {
    const plain = this.accepts.secrets ? properties : reveal(properties);
    return toStruct(this.accepts.resources ? plain : (referencesAsIds(plain) as Properties));
  }
}

interface ReportingRequest {
  setResourceStatusAddress(address: string): unknown;
  setResourceStatusToken(token: string): unknown;
}

/** A request about one resource. */
function about<T extends { setUrn(urn: string): T; setName(name: string): T; setType(type: string): T }>(
  request: T,
  urn: string,
): T {
  return request.setUrn(urn).setName(urnName(urn)).setType(urnType(urn));
}

function checked(response: proto.CheckResponse): Checked {
  const failures = response.getFailuresList();
  return {
    inputs: fromStruct(response.getInputs()),
    failures: failures.map((one) => ({ property: one.getProperty(), reason: one.getReason() })),
  };
}

function referencesAsIds(value: Value): Value {
  if (Array.isArray(value)) return value.map(referencesAsIds);
  if (!isProperties(value)) return value;
  if (value[SIGNATURE] === RESOURCE_REFERENCE) return value['id'] ?? value['urn'] ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, referencesAsIds(item)]));
}
