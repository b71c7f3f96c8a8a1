import { randomBytes, randomUUID } from 'node:crypto';
import { type CallLog } from '../rpc/call-log';
import * as schema from '../rpc/schema/provider';
import { Empty, PluginInfo, type CheckFailure } from '../rpc/schema/common';
import { RpcClient, RpcError, type Method } from '../rpc/transport';
import { isProperties, type Properties, type Value } from '../rpc/values';
import { keepSecrets, RESOURCE_REFERENCE, reveal, SIGNATURE } from '../secrets/envelope';
import { type Infer } from '../rpc/message';
import { urnName, urnType } from '../deployment/urn';

export type Failure = CheckFailure;

/** A resource was made or changed, but not as it should be; its state is known. */
export class PartialFailure extends Error {
  override readonly name = 'PartialFailure';
  constructor(readonly detail: schema.ErrorResourceInitFailed) {
    super(reasonsText(detail.reasons));
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

const METHODS = {
  Handshake: { request: schema.ProviderHandshakeRequest, response: schema.ProviderHandshakeResponse },
  Attach: { request: schema.PluginAttach, response: Empty },
  GetPluginInfo: { request: Empty, response: PluginInfo },
  CheckConfig: { request: schema.CheckRequest, response: schema.CheckResponse },
  DiffConfig: { request: schema.DiffRequest, response: schema.DiffResponse },
  Configure: { request: schema.ConfigureRequest, response: schema.ConfigureResponse },
  Check: { request: schema.CheckRequest, response: schema.CheckResponse },
  Diff: { request: schema.DiffRequest, response: schema.DiffResponse },
  Create: { request: schema.CreateRequest, response: schema.CreateResponse },
  Read: { request: schema.ReadRequest, response: schema.ReadResponse },
  Update: { request: schema.UpdateRequest, response: schema.UpdateResponse },
  Delete: { request: schema.DeleteRequest, response: Empty },
  Invoke: { request: schema.InvokeRequest, response: schema.InvokeResponse },
  Cancel: { request: Empty, response: Empty },
};

type Calls = typeof METHODS;
type RequestOf<K extends keyof Calls> = Infer<Calls[K]['request']>;
type ResponseOf<K extends keyof Calls> = Infer<Calls[K]['response']>;

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
      'pulumirpc.ResourceProvider',
      calls && { calls, metadata: { kind: 'resource', mode: 'client', name } },
    );
  }

  /** Tells the provider about the engine; older ones do not know the call. */
  async handshake(engineAddress: string): Promise<void> {
    try {
      const answer = await this.call('Handshake', {
        engineAddress,
        rootDirectory: this.process.directory,
        programDirectory: this.process.directory,
        configureWithUrn: true,
        supportsViews: true,
        supportsRefreshBeforeUpdate: true,
        invokeWithPreview: true,
        acceptsByteString: true,
      });
      this.accepts = { secrets: answer.acceptSecrets, resources: answer.acceptResources };
    } catch (error) {
      if (!(error instanceof RpcError && error.unimplemented)) throw error;
    }
    await this.call('GetPluginInfo', {});
  }

  /** Tells a provider that ran before the engine did where the engine is. */
  async attach(engineAddress: string): Promise<void> {
    await this.call('Attach', { address: engineAddress });
  }

  async checkConfig(
    urn: string,
    olds: Properties,
    news: Properties,
  ): Promise<{ inputs: Properties; failures: Failure[] }> {
    try {
      const { inputs, failures } = await this.call('CheckConfig', { urn, olds, news, ...identity(urn) });
      return { inputs: inputs ?? {}, failures: failures as Failure[] };
    } catch (error) {
      if (error instanceof RpcError && error.unimplemented) return { inputs: news, failures: [] };
      throw error;
    }
  }

  async diffConfig(
    urn: string,
    request: { olds: Properties; news: Properties; oldInputs: Properties },
  ): Promise<schema.DiffResponse> {
    return this.call('DiffConfig', { urn, ...request, ...identity(urn) });
  }

  async configure(urn: string, id: string, args: Properties): Promise<void> {
    const config = {
      args: reveal(args),
      acceptSecrets: true,
      acceptResources: true,
      sendsOldInputs: true,
      sendsOldInputsToDelete: true,
      id,
      urn,
      ...identity(urn),
    };
    const answer = await this.call('Configure', config);
    this.accepts = {
      secrets: answer.acceptSecrets || this.accepts.secrets,
      resources: answer.acceptResources || this.accepts.resources,
    };
    this.supportsPreview = answer.supportsPreview;
  }

  async check(urn: string, olds: Properties, news: Properties): Promise<{ inputs: Properties; failures: Failure[] }> {
    const request = {
      urn,
      olds: this.outgoing(olds),
      news: this.outgoing(news),
      randomSeed: randomBytes(32),
      ...identity(urn),
    };
    const { inputs, failures } = await this.call('Check', request);
    return { inputs: this.incoming(inputs, news), failures: failures as Failure[] };
  }

  async diff(
    urn: string,
    id: string,
    state: { olds: Properties; news: Properties; oldInputs: Properties },
    ignoreChanges: string[],
  ): Promise<schema.DiffResponse> {
    return this.call('Diff', {
      id,
      urn,
      olds: this.outgoing(state.olds),
      news: this.outgoing(state.news),
      ignoreChanges,
      oldInputs: this.outgoing(state.oldInputs),
      ...identity(urn),
    });
  }

  /** Throws {@link PartialFailure} when the resource is there, but not ready. */
  async create(
    urn: string,
    properties: Properties,
    timeout: number,
    preview: boolean,
  ): Promise<{ id: string; outputs: Properties }> {
    const request = {
      urn,
      properties: this.outgoing(properties),
      timeout,
      preview,
      ...identity(urn),
      ...this.statusToken(),
    };
    const { id, properties: outputs } = await this.mutate('Create', request);
    return { id, outputs: this.incoming(outputs, properties) };
  }

  async update(
    urn: string,
    id: string,
    state: { olds: Properties; news: Properties; oldInputs: Properties },
    options: { timeout: number; ignoreChanges: string[]; preview: boolean },
  ): Promise<Properties> {
    const { properties } = await this.mutate('Update', {
      id,
      urn,
      olds: this.outgoing(state.olds),
      news: this.outgoing(state.news),
      oldInputs: this.outgoing(state.oldInputs),
      ...options,
      ...identity(urn),
      ...this.statusToken(),
    });
    return this.incoming(properties, state.news);
  }

  /** What the cloud has; undefined when the resource is gone. */
  async read(
    urn: string,
    id: string,
    inputs: Properties | undefined,
    state: Properties,
  ): Promise<{ id: string; inputs?: Properties; outputs: Properties } | undefined> {
    const request = {
      id,
      urn,
      properties: this.outgoing(state),
      ...(inputs && { inputs: this.outgoing(inputs) }),
      ...identity(urn),
      ...this.statusToken(),
    };
    const answer = await this.mutate('Read', request);
    if (!answer.id) return undefined;
    return {
      id: answer.id,
      outputs: this.incoming(answer.properties, state),
      ...(answer.inputs && { inputs: this.incoming(answer.inputs, inputs) }),
    };
  }

  async delete(urn: string, id: string, inputs: Properties, outputs: Properties, timeout: number): Promise<void> {
    const request = {
      id,
      urn,
      properties: this.outgoing(outputs),
      oldInputs: this.outgoing(inputs),
      timeout,
      ...identity(urn),
      ...this.statusToken(),
    };
    await this.mutate('Delete', request);
  }

  async invoke(tok: string, args: Properties, preview: boolean): Promise<ResponseOf<'Invoke'>> {
    return this.call('Invoke', { tok, args: this.outgoing(args), preview });
  }

  /** Asks the provider to give up what it is doing. */
  async cancel(): Promise<void> {
    try {
      await this.call('Cancel', {});
    } catch {
      // A provider that cannot be told, or is gone, has nothing to give up.
    }
  }

  close(): void {
    this.client.close();
    this.process.stop();
  }

  private async mutate<K extends 'Create' | 'Update' | 'Delete' | 'Read'>(
    name: K,
    request: Partial<RequestOf<K>>,
  ): Promise<ResponseOf<K>> {
    try {
      return await this.call(name, request);
    } catch (error) {
      const detail = error instanceof RpcError ? error.attachments.get('pulumirpc.ErrorResourceInitFailed') : undefined;
      if (detail) throw new PartialFailure(schema.ErrorResourceInitFailed.decode(detail));
      throw error;
    }
  }

  private call<K extends keyof Calls>(name: K, request: Partial<RequestOf<K>>): Promise<ResponseOf<K>> {
    const method = METHODS[name] as unknown as Method<RequestOf<K>, ResponseOf<K>>;
    return this.client.call(name, method, request);
  }

  private statusToken(): { resourceStatusAddress: string; resourceStatusToken: string } {
    return { resourceStatusAddress: this.status.address, resourceStatusToken: randomUUID() };
  }

  /** Properties as this provider gave them, with the secrets of those that it was given. */
  private incoming(answer: Properties | undefined, given: Properties | undefined): Properties {
    return this.accepts.secrets ? (answer ?? {}) : (keepSecrets(answer ?? {}, given) as Properties);
  }

  /** Properties as this provider takes them. */
  private outgoing(properties: Properties): Properties {
    const plain = this.accepts.secrets ? properties : reveal(properties);
    return this.accepts.resources ? plain : (referencesAsIds(plain) as Properties);
  }
}

function identity(urn: string): { name: string; type: string } {
  return { name: urnName(urn), type: urnType(urn) };
}

function referencesAsIds(value: Value): Value {
  if (Array.isArray(value)) return value.map(referencesAsIds);
  if (!isProperties(value)) return value;
  if (value[SIGNATURE] === RESOURCE_REFERENCE) return value['id'] ?? value['urn'] ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, referencesAsIds(item)]));
}
