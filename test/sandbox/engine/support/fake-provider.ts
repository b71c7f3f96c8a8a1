import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { MethodDefinition } from '@grpc/grpc-js';
import { PluginInfo } from '@pulumi/pulumi/proto/plugin_pb';
import { ResourceProviderService as Methods } from '@pulumi/pulumi/proto/provider_grpc_pb';
import * as proto from '@pulumi/pulumi/proto/provider_pb';
import type { Message } from 'google-protobuf';
import { Empty } from 'google-protobuf/google/protobuf/empty_pb';
import { plain } from '../../../../sandbox/engine/rpc/plain';
import { fromStruct, toStruct } from '../../../../sandbox/engine/rpc/struct';
import { listen, RpcError, serve, type ServedMethod } from '../../../../sandbox/engine/rpc/transport';
import { without, type Properties } from '../../../../sandbox/engine/rpc/values';

/** A call about a resource, as far as tests look into it. */
export interface Asked {
  type: string;
  name: string;
  id: string;
  preview: boolean;
  /** Seconds; 0 where the call has no such limit. */
  timeout: number;
  /** What is wanted: the inputs of Check, Create and Update. */
  inputs: Properties;
  /** What there is: the outputs of Read and Delete. */
  outputs: Properties;
}

type Maybe<T> = Promise<T> | T;

/**
 * What a test says a provider does; what it does not say, the provider answers as if all was well.
 */
export interface Script {
  check?(asked: Asked): Maybe<{ inputs?: Properties; failures?: { property: string; reason: string }[] }>;
  diff?(asked: Asked): Maybe<{ changes: keyof typeof proto.DiffResponse.DiffChanges; replaces?: string[] }>;
  create?(asked: Asked): Maybe<{ id: string; outputs: Properties }>;
  read?(asked: Asked): Maybe<{ outputs: Properties } | undefined>;
  update?(asked: Asked): Maybe<Properties>;
  delete?(asked: Asked): Maybe<void>;
}

/** A provider that runs in the test itself and writes down what it is asked. */
export interface FakeProvider {
  address: string;
  /** Every call, in the order in which they came; names of properties are in lower case. */
  calls: { method: string; request: Record<string, unknown> }[];
  /** The names of the calls for a resource type's short name, such as "create Instance". */
  summary(): string[];
  /**
   * Makes an executable pulumi-resource-NAME in a folder that answers with this provider's port.
   */
  putOnPath(folder: string, name: string): string;
  close(): void;
}

export async function fakeProvider(script: Script = {}): Promise<FakeProvider> {
  const calls: FakeProvider['calls'] = [];
  let started = '';
  const method = <Req extends Message, Res extends Message>(
    definition: MethodDefinition<Req, Res>,
    handle: (request: Req) => Maybe<Res>,
  ): ServedMethod =>
    serve(definition, (request) => {
      calls.push({ method: definition.path.split('/').at(-1)!, request: plain(request) });
      return handle(request);
    });
  const server = await listen([
    method(Methods.handshake, () => {
      throw new RpcError(12, 'method Handshake not implemented');
    }),
    method(Methods.attach, () => new Empty()),
    method(Methods.getPluginInfo, () => new PluginInfo().setVersion('3.108.0')),
    method(Methods.checkConfig, (request) => new proto.CheckResponse().setInputs(request.getNews())),
    method(Methods.diffConfig, () => differences('DIFF_NONE')),
    method(Methods.configure, () =>
      new proto.ConfigureResponse().setSupportspreview(true).setSupportsAutonamingConfiguration(true),
    ),
    method(Methods.invoke, () => new proto.InvokeResponse().setReturn(toStruct({}))),
    method(Methods.cancel, () => new Empty()),
    ...resourceMethods(script, method),
  ]);
  return {
    address: server.address,
    calls,
    summary: () =>
      calls.flatMap(({ method: name, request }) => {
        const type = String(request['type'] ?? '')
          .split(':')
          .at(-1);
        return /^(Handshake|GetPluginInfo|Attach)$/.test(name)
          ? []
          : [type && !/Config|Cancel/.test(name) ? `${name} ${type}` : name];
      }),
    putOnPath(folder, name) {
      mkdirSync(folder, { recursive: true });
      const file = path.join(folder, `pulumi-resource-${name}`);
      started = `${file}.pids`;
      writeFileSync(file, `#!/bin/sh\necho $$ >> ${started}\necho ${server.address.split(':')[1]}\nexec sleep 600\n`);
      chmodSync(file, 0o755);
      return file;
    },
    close() {
      server.close();
      endOrphans(started);
    },
  };
}

/** The calls about resources, answered as the script says. */
function resourceMethods(
  script: Script,
  method: <Req extends Message, Res extends Message>(
    definition: MethodDefinition<Req, Res>,
    handle: (request: Req) => Maybe<Res>,
  ) => ServedMethod,
): ServedMethod[] {
  let created = 0;
  const outputs = (id: string, inputs: Properties): Properties => ({ ...without(inputs, '__defaults'), id });
  return [
    method(Methods.check, async (request) => {
      const { inputs, failures = [] } = (await script.check?.(asked(request))) ?? {};
      const list = failures.map(({ property, reason }) =>
        new proto.CheckFailure().setProperty(property).setReason(reason),
      );
      return new proto.CheckResponse().setInputs(inputs ? toStruct(inputs) : request.getNews()).setFailuresList(list);
    }),
    method(Methods.diff, async (request) => {
      const { changes, replaces } = (await script.diff?.(asked(request))) ?? { changes: 'DIFF_NONE' as const };
      return differences(changes, replaces);
    }),
    method(Methods.create, async (request) => {
      const about = asked(request);
      const made = await script.create?.(about);
      const id = made?.id ?? (about.preview ? '' : `id-${++created}`);
      return new proto.CreateResponse().setId(id).setProperties(toStruct(made?.outputs ?? outputs(id, about.inputs)));
    }),
    method(Methods.read, async (request) => {
      const about = asked(request);
      const found = script.read ? await script.read(about) : { outputs: about.outputs };
      if (!found) return new proto.ReadResponse();
      return new proto.ReadResponse()
        .setId(about.id)
        .setProperties(toStruct(found.outputs))
        .setInputs(request.getInputs());
    }),
    method(Methods.update, async (request) => {
      const about = asked(request);
      const now = (await script.update?.(about)) ?? outputs(about.id, about.inputs);
      return new proto.UpdateResponse().setProperties(toStruct(now));
    }),
    method(Methods.delete, async (request) => {
      await script.delete?.(asked(request));
      return new Empty();
    }),
  ];
}

type ResourceRequest =
  | proto.CheckRequest
  | proto.DiffRequest
  | proto.CreateRequest
  | proto.ReadRequest
  | proto.UpdateRequest
  | proto.DeleteRequest;

function asked(request: ResourceRequest): Asked {
  const there = request instanceof proto.ReadRequest || request instanceof proto.DeleteRequest;
  const properties = 'getProperties' in request ? fromStruct(request.getProperties()) : {};
  return {
    type: request.getType(),
    name: request.getName(),
    id: 'getId' in request ? request.getId() : '',
    preview: 'getPreview' in request && request.getPreview(),
    timeout: 'getTimeout' in request ? request.getTimeout() : 0,
    inputs: 'getNews' in request ? fromStruct(request.getNews()) : there ? {} : properties,
    outputs: there ? properties : {},
  };
}

function differences(
  changes: keyof typeof proto.DiffResponse.DiffChanges,
  replaces: string[] = [],
): proto.DiffResponse {
  return new proto.DiffResponse()
    .setChanges(proto.DiffResponse.DiffChanges[changes])
    .setReplacesList(replaces)
    .setDiffsList(replaces);
}

/** Ends what a killed engine left running. */
function endOrphans(pids: string): void {
  if (!existsSync(pids)) return;
  for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // The engine ended it, as it should.
    }
  }
}
