/**
 * A cloud that answers what the test says, a provider in front of it, and a client of the
 * provider's protocol.
 */
import * as grpc from '@grpc/grpc-js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as selfsigned from 'selfsigned';
import { ResourceProviderClient } from '@pulumi/pulumi/proto/provider_grpc_pb';
import * as messages from '@pulumi/pulumi/proto/provider_pb';
import { Empty } from 'google-protobuf/google/protobuf/empty_pb';
import { serve } from '../../../sandbox/provider/server';
import { fromStruct, toStruct, type Properties } from '../../../sandbox/provider/values';
import type { Clock } from '../../../sandbox/provider/waits';

/**
 * A request as the cloud got it; what differs from call to call (signature, nonce, time, key) is
 * left out.
 */
export interface SeenRequest {
  readonly action: string;
  readonly method: string;
  readonly query: readonly string[];
  readonly form: readonly string[];
  readonly params: Readonly<Record<string, string>>;
}

export type Reply = { readonly status?: number; readonly body: unknown } | 'hang up';

const VOLATILE = ['Signature', 'SignatureNonce', 'Timestamp', 'AccessKeyId'];

export class ScriptedCloud {
  readonly requests: SeenRequest[] = [];
  /** All parameters of the last request, with signature. */
  raw: Record<string, string> = {};
  reply: (request: SeenRequest) => Reply = () => ({ body: {} });
  endpoint = '';
  caFile = '';
  private server: Server | undefined;
  private directory = '';

  /** With TLS, as the real provider calls unless told otherwise. */
  async start(): Promise<void> {
    this.directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-cloud-'));
    const pair = await selfsigned.generate([{ name: 'commonName', value: '127.0.0.1' }], {
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
    });
    this.caFile = path.join(this.directory, 'ca.pem');
    writeFileSync(this.caFile, pair.cert);
    const server = https.createServer({ cert: pair.cert, key: pair.private }, (request, response) => {
      this.answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.server = server;
    this.endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    (this.server as https.Server | undefined)?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The environment in which a provider finds this cloud. */
  get env(): Record<string, string> {
    return {
      ALICLOUD_ACCESS_KEY: 'test-key',
      ALICLOUD_SECRET_KEY: 'test-secret',
      ALICLOUD_REGION: 'cn-hangzhou',
      ECS_ENDPOINT: this.endpoint,
      VPC_ENDPOINT: this.endpoint,
      SSL_CERT_FILE: this.caFile,
    };
  }

  private answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const query = new URL(request.url ?? '/', 'https://cloud').searchParams;
      const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
      this.raw = Object.fromEntries([...query, ...form]);
      const stable = (params: URLSearchParams) => [...params].filter(([name]) => !VOLATILE.includes(name));
      const seen: SeenRequest = {
        action: query.get('Action') ?? '',
        method: request.method ?? '',
        query: stable(query)
          .map(([name]) => name)
          .sort(),
        form: stable(form)
          .map(([name]) => name)
          .sort(),
        params: Object.fromEntries([...stable(query), ...stable(form)]),
      };
      this.requests.push(seen);
      const reply = this.reply(seen);
      if (reply === 'hang up') {
        request.socket.destroy();
        return;
      }
      response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(reply.body));
    });
  }
}

/** An error as the cloud answers it. */
export function refusal(code: string, message = 'injected', status = 400): Reply {
  return { status, body: { Code: code, Message: message, RequestId: 'REQ-1', HostId: 'ecs.cn-hangzhou.aliyuncs.com' } };
}

/** Time passes only where somebody sleeps. */
export class TestClock implements Clock {
  readonly slept: number[] = [];
  private time = 0;

  now(): number {
    return this.time;
  }

  sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.time += ms;
    return Promise.resolve();
  }
}

function urn(type: string, name = 'job'): string {
  return `urn:pulumi:job-1001::gitlab-spot::${type}::${name}`;
}

/** The provider behind its real protocol, in this process. */
export class ProviderUnderTest {
  private client!: ResourceProviderClient;
  private stopServer: () => void = () => undefined;

  async start(env: Readonly<Record<string, string>>, clock: Clock): Promise<void> {
    const { port, stop } = await serve({ env, clock });
    this.stopServer = stop;
    this.client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  }

  stop(): void {
    this.client.close();
    this.stopServer();
  }

  handshake = () => this.call('handshake', new messages.ProviderHandshakeRequest());
  cancel = () => this.call('cancel', new Empty());

  async pluginVersion(): Promise<string> {
    const info = await this.call<Empty, { getVersion(): string }>('getPluginInfo', new Empty());
    return info.getVersion();
  }

  async configure(args: Properties = { version: '3.108.0' }): Promise<messages.ConfigureResponse> {
    return this.call('configure', new messages.ConfigureRequest().setArgs(toStruct(args)));
  }

  async check(type: string, news: Properties): Promise<{ inputs: Properties; failures: Record<string, string> }> {
    const request = new messages.CheckRequest().setUrn(urn(type)).setNews(toStruct(news));
    const response = await this.call<messages.CheckRequest, messages.CheckResponse>('check', request);
    return {
      inputs: fromStruct(response.getInputs()),
      failures: Object.fromEntries(response.getFailuresList().map((one) => [one.getProperty(), one.getReason()])),
    };
  }

  async create(
    type: string,
    properties: Properties,
    options: { preview?: boolean; timeoutSeconds?: number } = {},
  ): Promise<{ id: string; properties: Properties }> {
    const request = new messages.CreateRequest()
      .setUrn(urn(type))
      .setProperties(toStruct(properties))
      .setPreview(options.preview ?? false)
      .setTimeout(options.timeoutSeconds ?? 0);
    const response = await this.call<messages.CreateRequest, messages.CreateResponse>('create', request);
    return { id: response.getId(), properties: response.getProperties()?.toJavaScript() as Properties };
  }

  async diff(
    type: string,
    state: Properties,
    oldInputs: Properties,
    news: Properties,
  ): Promise<{ changed: boolean; properties: string[]; replaces: string[] }> {
    const request = new messages.DiffRequest()
      .setUrn(urn(type))
      .setOlds(toStruct(state))
      .setOldInputs(toStruct(oldInputs))
      .setNews(toStruct(news));
    const response = await this.call<messages.DiffRequest, messages.DiffResponse>('diff', request);
    return {
      changed: response.getChanges() === messages.DiffResponse.DiffChanges.DIFF_SOME,
      properties: response.getDiffsList(),
      replaces: response.getReplacesList(),
    };
  }

  async read(
    type: string,
    id: string,
    properties: Properties,
    inputs: Properties,
  ): Promise<{ id: string; properties: Properties; inputs: Properties }> {
    const request = new messages.ReadRequest()
      .setUrn(urn(type))
      .setId(id)
      .setProperties(toStruct(properties))
      .setInputs(toStruct(inputs));
    const response = await this.call<messages.ReadRequest, messages.ReadResponse>('read', request);
    return {
      id: response.getId(),
      properties: (response.getProperties()?.toJavaScript() ?? {}) as Properties,
      inputs: fromStruct(response.getInputs()),
    };
  }

  async update(type: string, id: string, olds: Properties, news: Properties): Promise<Properties> {
    const request = new messages.UpdateRequest()
      .setUrn(urn(type))
      .setId(id)
      .setOlds(toStruct(olds))
      .setNews(toStruct(news));
    const response = await this.call<messages.UpdateRequest, messages.UpdateResponse>('update', request);
    return fromStruct(response.getProperties());
  }

  delete(type: string, id: string, properties: Properties, timeoutSeconds = 0): Promise<Empty> {
    const request = new messages.DeleteRequest()
      .setUrn(urn(type))
      .setId(id)
      .setProperties(toStruct(properties))
      .setTimeout(timeoutSeconds);
    return this.call('delete', request);
  }

  async invoke(token: string, args: Properties): Promise<Properties> {
    const request = new messages.InvokeRequest().setTok(token).setArgs(toStruct(args));
    const response = await this.call<messages.InvokeRequest, messages.InvokeResponse>('invoke', request);
    return fromStruct(response.getReturn());
  }

  private call<Request, Response>(method: string, request: Request): Promise<Response> {
    const client = this.client as unknown as Record<
      string,
      (request: Request, callback: (error: grpc.ServiceError | null, response: Response) => void) => void
    >;
    return new Promise((resolve, reject) => {
      client[method]?.call(client, request, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }
}
