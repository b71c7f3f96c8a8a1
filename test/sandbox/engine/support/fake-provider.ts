import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as schema from '../../../../sandbox/engine/rpc/schema/provider';
import { Empty, PluginInfo } from '../../../../sandbox/engine/rpc/schema/common';
import { listen, RpcError, serve, type Method } from '../../../../sandbox/engine/rpc/transport';
import { without, type Properties } from '../../../../sandbox/engine/rpc/values';
import { type Infer } from '../../../../sandbox/engine/rpc/message';

type Answer<M> = Promise<Partial<Infer<M>>> | Partial<Infer<M>>;

/** What a test says a provider does; what it does not say, the provider answers as if all was well. */
export interface Script {
  checkConfig?(request: Infer<typeof schema.CheckRequest>): Answer<typeof schema.CheckResponse>;
  configure?(request: Infer<typeof schema.ConfigureRequest>): Answer<typeof schema.ConfigureResponse>;
  check?(request: Infer<typeof schema.CheckRequest>): Answer<typeof schema.CheckResponse>;
  diff?(request: Infer<typeof schema.DiffRequest>): Answer<typeof schema.DiffResponse>;
  create?(request: Infer<typeof schema.CreateRequest>): Answer<typeof schema.CreateResponse>;
  read?(request: Infer<typeof schema.ReadRequest>): Answer<typeof schema.ReadResponse>;
  update?(request: Infer<typeof schema.UpdateRequest>): Answer<typeof schema.UpdateResponse>;
  delete?(request: Infer<typeof schema.DeleteRequest>): Answer<typeof Empty>;
  invoke?(request: Infer<typeof schema.InvokeRequest>): Answer<typeof schema.InvokeResponse>;
}

/** A provider that runs in the test itself and writes down what it is asked. */
export interface FakeProvider {
  address: string;
  /** Every call, in the order in which they came. */
  calls: { method: string; request: Record<string, unknown> }[];
  /** The names of the calls for a resource type's short name, such as "create Instance". */
  summary(): string[];
  /** Makes an executable pulumi-resource-NAME in a folder that answers with this provider's port. */
  putOnPath(folder: string, name: string): string;
  close(): void;
}

export async function fakeProvider(script: Script = {}): Promise<FakeProvider> {
  const calls: FakeProvider['calls'] = [];
  let created = 0;
  let started = '';
  const method = <Req, Res>(
    name: string,
    types: Method<Req, Res>,
    handle: (request: Req) => Promise<Partial<Res>> | Partial<Res>,
  ) =>
    serve('pulumirpc.ResourceProvider', name, types, (request) => {
      calls.push({ method: name, request: types.request.toJson(request as Partial<Req>) });
      return handle(request);
    });
  const outputs = (id: string, inputs: Properties | undefined): Properties => {
    return { ...without(inputs ?? {}, '__defaults'), id };
  };
  const server = await listen([
    method(
      'Handshake',
      { request: schema.ProviderHandshakeRequest, response: schema.ProviderHandshakeResponse },
      () => {
        throw new RpcError(12, 'method Handshake not implemented');
      },
    ),
    method('Attach', { request: schema.PluginAttach, response: Empty }, () => ({})),
    method('GetPluginInfo', { request: Empty, response: PluginInfo }, () => ({ version: '3.108.0' })),
    method(
      'CheckConfig',
      { request: schema.CheckRequest, response: schema.CheckResponse },
      (r) => script.checkConfig?.(r) ?? { inputs: r.news },
    ),
    method('DiffConfig', { request: schema.DiffRequest, response: schema.DiffResponse }, () => ({
      changes: 'DIFF_NONE' as const,
    })),
    method(
      'Configure',
      { request: schema.ConfigureRequest, response: schema.ConfigureResponse },
      (r) => script.configure?.(r) ?? { supportsPreview: true },
    ),
    method(
      'Check',
      { request: schema.CheckRequest, response: schema.CheckResponse },
      (r) => script.check?.(r) ?? { inputs: r.news },
    ),
    method(
      'Diff',
      { request: schema.DiffRequest, response: schema.DiffResponse },
      (r) => script.diff?.(r) ?? { changes: 'DIFF_NONE' as const },
    ),
    method('Create', { request: schema.CreateRequest, response: schema.CreateResponse }, (r) => {
      if (script.create) return script.create(r);
      const id = r.preview ? '' : `id-${++created}`;
      return { id, properties: outputs(id, r.properties) };
    }),
    method(
      'Read',
      { request: schema.ReadRequest, response: schema.ReadResponse },
      (r) => script.read?.(r) ?? { id: r.id, properties: r.properties, inputs: r.inputs },
    ),
    method(
      'Update',
      { request: schema.UpdateRequest, response: schema.UpdateResponse },
      (r) => script.update?.(r) ?? { properties: outputs(r.id, r.news) },
    ),
    method('Delete', { request: schema.DeleteRequest, response: Empty }, (r) => script.delete?.(r) ?? {}),
    method(
      'Invoke',
      { request: schema.InvokeRequest, response: schema.InvokeResponse },
      (r) => script.invoke?.(r) ?? { return: {} },
    ),
    method('Cancel', { request: Empty, response: Empty }, () => ({})),
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
