/** Pulumi's ResourceProvider protocol in front of the provider. */
import * as grpc from '@grpc/grpc-js';
import { Empty } from 'google-protobuf/google/protobuf/empty_pb';
import * as pluginMessages from '@pulumi/pulumi/proto/plugin_pb';
import * as services from '@pulumi/pulumi/proto/provider_grpc_pb';
import * as messages from '@pulumi/pulumi/proto/provider_pb';
import { toServiceError, unimplemented } from './grpc-errors';
import type { PropertyDifference } from './diff';
import { InitFailedError, Provider, PROVIDER_VERSION, type ProviderOptions } from './provider';
import { fromStruct, toStruct } from './values';

/** Serves on a free port of 127.0.0.1; resolves with the port. */
export async function serve(options: ProviderOptions): Promise<{ port: number; stop: () => void }> {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 400 << 20 });
  server.addService(services.ResourceProviderService, handlers(new Provider(options)));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return { port, stop: () => server.forceShutdown() };
}

type Handler<Request, Response> = (request: Request) => Response | Promise<Response>;

/** The type of a resource stands in its URN, in front of the last `::`. */
function token(urn: string): string {
  return urn.split('::')[2]?.split('$').at(-1) ?? '';
}

function handlers(provider: Provider): grpc.UntypedServiceImplementation {
  return {
    // The real provider has none either: the engine then asks for what it needs in the older way.
    handshake: unary(() => {
      throw unimplemented('Handshake');
    }),
    attach: unary(() => new Empty()),
    cancel: unary(() => new Empty()),
    getPluginInfo: unary(() => new pluginMessages.PluginInfo().setVersion(PROVIDER_VERSION)),
    checkConfig: unary((request: messages.CheckRequest) => {
      return new messages.CheckResponse().setInputs(request.getNews());
    }),
    diffConfig: unary(() => new messages.DiffResponse().setChanges(messages.DiffResponse.DiffChanges.DIFF_NONE)),
    configure: unary((request: messages.ConfigureRequest) => {
      provider.configure(fromStruct(request.getArgs()));
      return new messages.ConfigureResponse().setSupportspreview(true).setSupportsAutonamingConfiguration(true);
    }),
    check: unary((request: messages.CheckRequest) => check(provider, request)),
    diff: unary((request: messages.DiffRequest) => diff(provider, request)),
    create: unary((request: messages.CreateRequest) => create(provider, request)),
    read: unary((request: messages.ReadRequest) => read(provider, request)),
    update: unary((request: messages.UpdateRequest) => update(provider, request)),
    delete: unary((request: messages.DeleteRequest) => remove(provider, request)),
    invoke: unary((request: messages.InvokeRequest) => invoke(provider, request)),
  };
}

function unary<Request, Response>(handler: Handler<Request, Response>): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    void (async () => handler(call.request))().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(error)),
    );
  };
}

function check(provider: Provider, request: messages.CheckRequest): messages.CheckResponse {
  const { inputs, failures } = provider.check(token(request.getUrn()), fromStruct(request.getNews()));
  return new messages.CheckResponse()
    .setInputs(toStruct(inputs))
    .setFailuresList(
      failures.map(({ property, reason }) => new messages.CheckFailure().setProperty(property).setReason(reason)),
    );
}

function diff(provider: Provider, request: messages.DiffRequest): messages.DiffResponse {
  const differences = provider.diff(
    token(request.getUrn()),
    fromStruct(request.getOlds()),
    fromStruct(request.getOldInputs()),
    fromStruct(request.getNews()),
    request.getIgnorechangesList(),
  );
  const { DIFF_NONE, DIFF_SOME } = messages.DiffResponse.DiffChanges;
  const response = new messages.DiffResponse()
    .setChanges(differences.length === 0 ? DIFF_NONE : DIFF_SOME)
    .setDiffsList(differences.map(({ name }) => name))
    .setReplacesList(differences.filter(({ replace }) => replace).map(({ name }) => name))
    .setHasdetaileddiff(true);
  for (const one of differences) {
    response.getDetaileddiffMap().set(one.name, new messages.PropertyDiff().setKind(kind(one)));
  }
  return response;
}

function kind({ kind: change, replace }: PropertyDifference): messages.PropertyDiff.Kind {
  const { ADD, ADD_REPLACE, DELETE, DELETE_REPLACE, UPDATE, UPDATE_REPLACE } = messages.PropertyDiff.Kind;
  if (change === 'add') return replace ? ADD_REPLACE : ADD;
  if (change === 'delete') return replace ? DELETE_REPLACE : DELETE;
  return replace ? UPDATE_REPLACE : UPDATE;
}

async function create(provider: Provider, request: messages.CreateRequest): Promise<messages.CreateResponse> {
  const urn = request.getUrn();
  const { id, properties } = await provider
    .create(token(urn), fromStruct(request.getProperties()), {
      preview: request.getPreview(),
      timeoutSeconds: request.getTimeout(),
    })
    .catch((error: unknown) => {
      throw error instanceof InitFailedError ? error.about(`creating ${urn}`) : error;
    });
  return new messages.CreateResponse().setId(id).setProperties(toStruct(properties));
}

async function read(provider: Provider, request: messages.ReadRequest): Promise<messages.ReadResponse> {
  const found = await within('reading', request.getUrn(), () =>
    provider.read(
      token(request.getUrn()),
      request.getId(),
      fromStruct(request.getProperties()),
      fromStruct(request.getInputs()),
    ),
  );
  if (found === undefined) return new messages.ReadResponse();
  return new messages.ReadResponse()
    .setId(request.getId())
    .setProperties(toStruct(found.properties))
    .setInputs(toStruct(found.inputs));
}

async function update(provider: Provider, request: messages.UpdateRequest): Promise<messages.UpdateResponse> {
  const properties = await within('updating', request.getUrn(), () =>
    provider.update(
      token(request.getUrn()),
      request.getId(),
      fromStruct(request.getOlds()),
      fromStruct(request.getNews()),
      { preview: request.getPreview(), timeoutSeconds: request.getTimeout() },
    ),
  );
  return new messages.UpdateResponse().setProperties(toStruct(properties));
}

async function remove(provider: Provider, request: messages.DeleteRequest): Promise<Empty> {
  const urn = request.getUrn();
  await within('deleting', urn, () =>
    provider.delete(token(urn), request.getId(), fromStruct(request.getProperties()), request.getTimeout()),
  );
  return new Empty();
}

async function invoke(provider: Provider, request: messages.InvokeRequest): Promise<messages.InvokeResponse> {
  const result = await provider.invoke(request.getTok(), fromStruct(request.getArgs()));
  return new messages.InvokeResponse().setReturn(toStruct(result));
}

/** The real provider says in front of these errors what it was about. */
async function within<T>(doing: string, urn: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Error(`${doing} ${urn}: ${error.message}`, { cause: error });
  }
}
