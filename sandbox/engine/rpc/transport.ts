import * as grpc from '@grpc/grpc-js';
import { type CallLog, type CallMetadata } from './call-log';
import { type Message } from './message';
import { Status } from './schema/common';

const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;
const OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
};

/** One unary method: its request and response types. */
export interface Method<Req, Res> {
  request: Message<Req>;
  response: Message<Res>;
}

/** A call that the other side answered with an error. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  constructor(
    readonly code: grpc.status,
    /** What the other side said, without gRPC's own prefix. */
    readonly details: string,
    /** Structured details: type name (without the type.googleapis.com/ prefix) to bytes. */
    readonly attachments: ReadonlyMap<string, Buffer> = new Map(),
  ) {
    super(`rpc error: code = ${goCodeName(code)} desc = ${details}`);
  }

  get unimplemented(): boolean {
    return this.code === grpc.status.UNIMPLEMENTED;
  }

  get canceled(): boolean {
    return this.code === grpc.status.CANCELLED;
  }
}

/** A connection on which one service is called. */
export class RpcClient {
  private readonly client: grpc.Client;

  /**
   * @param address host:port
   * @param service full name, such as pulumirpc.ResourceProvider
   * @param log where calls are recorded, if anywhere
   */
  constructor(
    address: string,
    private readonly service: string,
    private readonly log?: { calls: CallLog; metadata: CallMetadata },
  ) {
    this.client = new grpc.Client(address, grpc.credentials.createInsecure(), { ...OPTIONS, 'grpc.enable_retries': 0 });
  }

  /** Calls a unary method; throws {@link RpcError}. */
  async call<Req, Res>(name: string, method: Method<Req, Res>, request: Partial<Req>): Promise<Res> {
    const path = `/${this.service}/${name}`;
    const logged = this.log?.calls.started(path, method.request.toJson(request), this.log.metadata);
    try {
      const response = await this.send(path, method, request);
      logged?.completed(method.response.toJson(response));
      return response;
    } catch (error) {
      logged?.failed((error as Error).message);
      throw error;
    }
  }

  private send<Req, Res>(path: string, { request, response }: Method<Req, Res>, argument: Partial<Req>): Promise<Res> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Infinity };
      const done = (error: grpc.ServiceError | null, result?: Res) =>
        error ? reject(fromServiceError(error)) : resolve(result!);
      this.client.makeUnaryRequest(
        path,
        (v: Partial<Req>) => request.encode(v),
        (b) => response.decode(b),
        argument,
        options,
        done,
      );
    });
  }

  /** Opens a stream of requests that is answered once; call `end` when the last one is written. */
  stream<Req, Res>(
    name: string,
    { request, response }: Method<Req, Res>,
  ): { write(value: Partial<Req>): void; end(): Promise<void> } {
    let finished!: (error?: Error) => void;
    const done = new Promise<void>((resolve) => (finished = () => resolve()));
    const call = this.client.makeClientStreamRequest(
      `/${this.service}/${name}`,
      (v: Partial<Req>) => request.encode(v),
      (b) => response.decode(b),
      () => finished(),
    );
    call.on('error', () => finished());
    return {
      write: (value) => void call.write(value),
      end: () => {
        call.end();
        return done;
      },
    };
  }

  /** Waits until the other side accepts connections; throws when that takes longer than `limitMs`. */
  ready(limitMs: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.client.waitForReady(Date.now() + limitMs, (error) => (error ? reject(error) : resolve())),
    );
  }

  close(): void {
    this.client.close();
  }
}

type Handler<Req, Res> = (request: Req) => Promise<Partial<Res>> | Partial<Res>;

/** A served unary method. */
export interface ServedMethod {
  path: string;
  definition: grpc.MethodDefinition<unknown, unknown>;
  handle: grpc.handleUnaryCall<unknown, unknown>;
}

/** Describes a method that a server of ours answers; an error becomes a gRPC status with its message. */
export function serve<Req, Res>(
  service: string,
  name: string,
  { request, response }: Method<Req, Res>,
  handler: Handler<Req, Res>,
  log?: { calls: CallLog; metadata: CallMetadata },
): ServedMethod {
  const path = `/${service}/${name}`;
  const handle = async (argument: Req): Promise<Partial<Res>> => {
    const logged = log?.calls.received(path, request.toJson(argument as Partial<Req>), log.metadata);
    try {
      const result = await handler(argument);
      logged?.completed(response.toJson(result));
      return result;
    } catch (error) {
      logged?.failed((error as Error).message);
      throw error;
    }
  };
  return {
    path,
    definition: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: (v) => request.encode(v as Partial<Req>),
      requestDeserialize: (b) => request.decode(b),
      responseSerialize: (v) => response.encode(v as Partial<Res>),
      responseDeserialize: (b) => response.decode(b),
    },
    handle: (call, callback) => {
      handle(call.request as Req).then(
        (result) => callback(null, result),
        (error: Error) => callback(toServiceError(error)),
      );
    },
  };
}

/** Serves methods on a free port of 127.0.0.1. */
export async function listen(methods: readonly ServedMethod[]): Promise<{ address: string; close(): void }> {
  const server = new grpc.Server(OPTIONS);
  const definition = Object.fromEntries(methods.map((method) => [method.path, method.definition]));
  server.addService(definition, Object.fromEntries(methods.map((method) => [method.path, method.handle])));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

function toServiceError(error: Error): Partial<grpc.StatusObject> {
  if (error instanceof RpcError) return { code: error.code, details: error.details };
  // An error that gRPC itself understands, with details of its own.
  if ('metadata' in error) return error as grpc.ServiceError;
  return { code: grpc.status.UNKNOWN, details: error.message };
}

function fromServiceError(error: grpc.ServiceError): RpcError {
  const attachments = new Map<string, Buffer>();
  for (const raw of error.metadata?.get('grpc-status-details-bin') ?? []) {
    if (typeof raw === 'string') continue;
    for (const { typeUrl, value } of Status.decode(raw).details) attachments.set(typeUrl!.replace(/^.*\//, ''), value!);
  }
  return new RpcError(error.code, error.details, attachments);
}

/** The name of a gRPC status as Go writes it: NOT_FOUND is NotFound, CANCELLED is Canceled. */
function goCodeName(code: grpc.status): string {
  if (code === grpc.status.CANCELLED) return 'Canceled';
  return (grpc.status[code] ?? `Code(${code})`)
    .toLowerCase()
    .replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
}
