import * as grpc from '@grpc/grpc-js';
import { type Message } from 'google-protobuf';
import { Status } from '@pulumi/pulumi/proto/status_pb';
import { type CallLog, type CallMetadata, type OpenCall } from './call-log';

const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;
const OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // All is on this host, for which Go's gRPC (the real engine's) never asks a proxy.
  'grpc.enable_http_proxy': 0,
};

/** One unary method, as the generated service definitions describe it. */
type Method<Req, Res> = grpc.MethodDefinition<Req, Res>;

/** Where calls are recorded, and as what. */
interface Recorder {
  calls: CallLog;
  metadata: CallMetadata;
}

/** Writes down how a call ends, where calls are recorded. */
async function recorded<Res extends Message>(
  call: OpenCall | undefined,
  answer: () => Promise<Res> | Res,
): Promise<Res> {
  try {
    const response = await answer();
    call?.completed(response);
    return response;
  } catch (error) {
    call?.failed((error as Error).message);
    throw error;
  }
}

/** A call that the other side answered with an error. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  constructor(
    readonly code: grpc.status,
    /** What the other side said, without gRPC's own prefix. */
    readonly details: string,
    /** Structured details: full name of the message's type to bytes. */
    readonly attachments: ReadonlyMap<string, Uint8Array> = new Map(),
  ) {
    super(`rpc error: code = ${goCodeName(code)} desc = ${details}`);
  }

  get unimplemented(): boolean {
    return this.code === grpc.status.UNIMPLEMENTED;
  }
}

/** A connection on which unary methods are called. */
export class RpcClient {
  private readonly client: grpc.Client;

  /** @param address host:port */
  constructor(
    address: string,
    private readonly recorder?: Recorder,
  ) {
    this.client = new grpc.Client(address, grpc.credentials.createInsecure(), { ...OPTIONS, 'grpc.enable_retries': 0 });
  }

  /** Calls a method; throws {@link RpcError}. */
  async call<Req extends Message, Res extends Message>(method: Method<Req, Res>, request: Req): Promise<Res> {
    const call = this.recorder?.calls.started(method.path, request, this.recorder.metadata);
    return recorded(call, () => this.send(method, request));
  }

  private send<Req, Res>(method: Method<Req, Res>, request: Req): Promise<Res> {
    const { path, requestSerialize, responseDeserialize } = method;
    return new Promise((resolve, reject) => {
      const done = (error: grpc.ServiceError | null, response?: Res) =>
        error ? reject(fromServiceError(error)) : resolve(response!);
      this.client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline: Infinity }, done);
    });
  }

  close(): void {
    this.client.close();
  }
}

/** A method and what answers it. */
export interface ServedMethod {
  definition: grpc.MethodDefinition<unknown, unknown>;
  handle: grpc.handleUnaryCall<unknown, unknown>;
}

/**
 * A method that a server of ours answers; what the handler throws becomes a gRPC status with its
 * message.
 */
export function serve<Req extends Message, Res extends Message>(
  method: Method<Req, Res>,
  handler: (request: Req) => Promise<Res> | Res,
  recorder?: Recorder,
): ServedMethod {
  const handle = async (request: Req): Promise<Res> => {
    const call = recorder?.calls.received(method.path, request, recorder.metadata);
    return recorded(call, () => handler(request));
  };
  return {
    definition: method as unknown as ServedMethod['definition'],
    handle: (call, callback) => {
      handle(call.request as Req).then(
        (response) => callback(null, response),
        (error: Error) => callback(toServiceError(error)),
      );
    },
  };
}

/** Serves methods on a free port of 127.0.0.1; all others are answered as unimplemented. */
export async function listen(methods: readonly ServedMethod[]): Promise<{ address: string; close(): void }> {
  const server = new grpc.Server(OPTIONS);
  const definition = Object.fromEntries(methods.map((method) => [method.definition.path, method.definition]));
  server.addService(definition, Object.fromEntries(methods.map((method) => [method.definition.path, method.handle])));
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
  const raw = (error.metadata?.get('grpc-status-details-bin') ?? []).filter((value) => typeof value !== 'string');
  const details = raw.flatMap((bytes) => Status.deserializeBinary(bytes).getDetailsList());
  const attachments = details.map((any) => [any.getTypeName(), any.getValue_asU8()] as const);
  return new RpcError(error.code, GO_WORDS[error.details] ?? error.details, new Map(attachments));
}

/** What gRPC for Go, which the CLI uses, says of the other side's death in the middle of a call. */
const GO_WORDS: Readonly<Record<string, string>> = { 'Connection dropped': 'error reading from server: EOF' };

/** The name of a gRPC status as Go writes it: NOT_FOUND is NotFound, CANCELLED is Canceled. */
function goCodeName(code: grpc.status): string {
  if (code === grpc.status.CANCELLED) return 'Canceled';
  return (grpc.status[code] ?? `Code(${code})`)
    .toLowerCase()
    .replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
}
