/**
 * The stand-in engine held to what the real one was seen to do: one up and one destroy, looked at
 * from all sides.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { EngineEvent } from '@pulumi/pulumi/automation';
import { openCrypter } from '../../../sandbox/engine/secrets/passphrase';
import { RpcError } from '../../../sandbox/engine/rpc/transport';
import { facts, refusalMessage } from '../../support/facts';
import { machine, type Machine } from './support/engine';
import { fakeProvider, type FakeProvider } from './support/fake-provider';
import { jobProgram, SMALL } from './support/job-program';
import { parseCalls, type RecordedCall } from './support/recording';

const STACK = 'job-1001';

interface State {
  latest: string[];
  manifest: string[];
  stack: string[];
  resources: Record<string, string[]>;
  history: string[];
  lock: string[];
  'files after up': string[];
  secret: { passphrase: string; salt: string; ciphertext: string; plaintext: string };
}
const state = facts<State>('pulumi/state');
const expectedCalls = facts<Record<'up' | 'destroy', Record<string, string[]>> & { fields: Record<string, string[]> }>(
  'pulumi/calls',
);
const expectedEvents = facts<Record<string, string[]> & { fields: Record<string, string[]> }>('pulumi/events');

let host: Machine;
let provider: FakeProvider;
let refusal: string | undefined;
const seen: Record<'up' | 'destroy', { calls: RecordedCall[]; events: EngineEvent[] }> = {
  up: { calls: [], events: [] },
  destroy: { calls: [], events: [] },
};
let checkpoint: { version: number; checkpoint: Record<string, unknown> };
let historyKeys: string[];
let files: string[];

const backend = (name: string) => path.join(host.state, '.pulumi', name);

beforeAll(async () => {
  host = machine('p');
  provider = await fakeProvider({
    create: (asked) => {
      if (refusal && asked.type.endsWith(':Instance')) throw new RpcError(2, refusal);
      return { id: asked.name, outputs: { ...asked.inputs, privateIp: '', publicIp: '', password: '' } };
    },
  });
  provider.putOnPath(host.bin, 'alicloud');
  const log = path.join(host.directory, 'calls.jsonl');
  const stack = await host.quickStack(STACK, jobProgram(SMALL));
  const calls = () => {
    const all = parseCalls(readFileSync(log, 'utf8'));
    writeFileSync(log, '');
    return all;
  };
  host.env['PULUMI_DEBUG_GRPC'] = log;
  await stack.up({ onEvent: (event) => seen.up.events.push(event) });
  seen.up.calls = calls();
  checkpoint = JSON.parse(readFileSync(backend(`stacks/gitlab-spot/${STACK}.json`), 'utf8')) as typeof checkpoint;
  files = (readdirSync(host.state, { recursive: true }) as string[])
    .filter((file) => statSync(path.join(host.state, file)).isFile())
    .sort();
  const history = files.find((file) => file.endsWith('.history.json'))!;
  historyKeys = Object.keys(JSON.parse(readFileSync(path.join(host.state, history), 'utf8')) as object);
});
afterAll(() => {
  provider.close();
  host.remove();
});

test('what is left in the backend after an up has the real names in the real order', () => {
  const { latest, ...stack } = checkpoint.checkpoint as { latest: Record<string, unknown> };
  expect(Object.keys(checkpoint)).toEqual(['version', 'checkpoint']);
  expect([...Object.keys(stack), 'latest']).toEqual(state.stack);
  expect(Object.keys(latest)).toEqual(state.latest);
  expect(Object.keys(latest['manifest'] as object)).toEqual(state.manifest);
  const resources = latest['resources'] as { type: string }[];
  expect(Object.fromEntries(resources.map((resource) => [resource.type, Object.keys(resource)]))).toEqual(
    state.resources,
  );
  expect(historyKeys).toEqual(state.history);
  expect(files.map((file) => file.replace(/\d{19}/, 'TIME'))).toEqual(state['files after up']);
});

test('the events of an up are the real ones', () => {
  expect(inAnyOrder(told(seen.up.events))).toEqual(inAnyOrder(expectedEvents['up']!));
  expect(fieldsOf(seen.up.events)).toEqual(expectedEvents.fields);
});

test('the calls of an up come in the real order, resource by resource, with the real fields', () => {
  expect(sequences(seen.up.calls)).toEqual(expectedCalls.up);
});

describe('a command answers and exits as the real one:', () => {
  interface Command {
    args: string;
    exit: number;
    stdout?: string;
    stderr?: string;
    /** The first line, with one space between columns. */
    header?: string;
    /** Names in the JSON that it prints, of the first entry where it is a list. */
    fields?: string[];
  }
  const commands = facts<Record<'after up' | 'locked', Command[]>>('pulumi/commands');
  const named = (text: string) => text.replace(/\bSTACK\b/g, STACK);

  async function check({ args, exit, stdout, stderr, header, fields }: Command): Promise<void> {
    const ran = await host.quickRun(...named(args).split(' '));
    expect({ exit: ran.code, stderr: plain(ran.stderr) }).toEqual({ exit, stderr: named(stderr ?? '') });
    if (stdout !== undefined) expect(ran.stdout).toBe(named(stdout));
    if (header !== undefined) expect(ran.stdout.split('\n')[0]!.replace(/ +/g, ' ')).toBe(header);
    if (fields === undefined) return;
    const answer = JSON.parse(ran.stdout) as object | object[];
    expect(Object.keys(Array.isArray(answer) ? (answer[0] as object) : answer)).toEqual(fields);
  }

  test.each(commands['after up'])('$args', check);

  test('a locked stack, and how the lock is taken off', async () => {
    const lock = `locks/organization/gitlab-spot/${STACK}/64f4aafa-5a0d-456d-a3a4-b9b2921a1a54.json`;
    const content = { pid: 13228, username: 'root', hostname: 'vm', timestamp: '2026-11-24T13:14:21Z' };
    expect(Object.keys(content)).toEqual(state.lock);
    mkdirSync(path.dirname(backend(lock)), { recursive: true });
    writeFileSync(backend(lock), JSON.stringify(content));
    for (const command of commands.locked) await check(command);
  });

  const plain = (text: string) => text.replace(/file:\/\/\S*\.json\S*(?=:)/, 'LOCK');
});

test('the calls and events of a destroy are the real ones', async () => {
  const stack = await host.quickStack(STACK, jobProgram(SMALL));
  const log = host.env['PULUMI_DEBUG_GRPC']!;
  writeFileSync(log, '');
  await stack.destroy({ onEvent: (event) => seen.destroy.events.push(event) });
  seen.destroy.calls = parseCalls(readFileSync(log, 'utf8'));
  expect(sequences(seen.destroy.calls)).toEqual(expectedCalls.destroy);
  expect(inAnyOrder(told(seen.destroy.events))).toEqual(inAnyOrder(expectedEvents['destroy']!));
  const fields = fieldsOfCalls([...seen.up.calls, ...seen.destroy.calls]);
  expect(fields).toEqual(expectedCalls.fields);
});

test('an instance that the cloud refuses is told by the real events', async () => {
  refusal = refusalMessage('OperationDenied.NoStock');
  const events: EngineEvent[] = [];
  const stack = await host.quickStack('job-2001', jobProgram(SMALL));
  await expect(stack.up({ onEvent: (event) => events.push(event) })).rejects.toThrow('Code: OperationDenied.NoStock');
  expect(inAnyOrder(told(events))).toEqual(inAnyOrder(expectedEvents['up whose instance is refused']!));
});

test('a secret that the real engine encrypted can be read', async () => {
  const { passphrase, salt, ciphertext, plaintext } = state.secret;
  expect((await openCrypter(passphrase, salt)).decrypt(ciphertext)).toBe(plaintext);
});

/** Events as the table names them. */
function told(events: readonly EngineEvent[]): string[] {
  return events.flatMap((event) => {
    const [kind, content] = Object.entries(event).find(([name]) => name.endsWith('Event'))! as [
      string,
      { severity?: string; message?: string; metadata?: { op: string; type: string }; result?: string },
    ];
    if (content.severity === 'debug') return [];
    if (content.severity) return [`${kind} ${content.severity} ${shortMessage(content.severity, content.message!)}`];
    if (content.metadata) return [`${kind} ${content.metadata.op} ${content.metadata.type}`];
    if (kind !== 'summaryEvent') return [kind];
    return [`${kind} ${content.result} ${JSON.stringify(event.summaryEvent!.resourceChanges).replace(':', ': ')}`];
  });
}

function shortMessage(severity: string, message: string): string {
  if (severity === 'warning') return message.split(' from ')[0]!;
  return message === 'update failed\n' ? 'update failed' : 'the refusal';
}

/**
 * Resources that do not depend on each other come in any order: neighbours of that kind, sorted by
 * resource.
 */
function inAnyOrder(events: readonly string[]): string[] {
  const independent = /(keyPair:KeyPair|securityGroup:SecurityGroup|pulumi:providers:alicloud|pulumi:Stack)$/;
  const runs: string[][] = [];
  for (const event of events) {
    const last = runs.at(-1);
    if (last && independent.test(event) && independent.test(last[0]!)) last.push(event);
    else runs.push([event]);
  }
  const resource = (event: string) => event.split(' ')[2] ?? '';
  return runs.flatMap((run) =>
    run.sort((a, b) => (resource(a) < resource(b) ? -1 : resource(a) > resource(b) ? 1 : 0)),
  );
}

function fieldsOf(events: readonly EngineEvent[]): Record<string, string[]> {
  const fields: Record<string, Set<string>> = {};
  const add = (name: string, content: object) => {
    const names = (fields[name] ??= new Set());
    for (const key of Object.keys(content)) names.add(key);
  };
  for (const event of events) {
    const [kind, content] = Object.entries(event).find(([name]) => name.endsWith('Event'))! as [
      string,
      { metadata?: { new?: object } },
    ];
    add(kind, content);
    if (content.metadata) add('metadata', content.metadata);
    if (content.metadata?.new) add('metadata.new', content.metadata.new);
  }
  return Object.fromEntries(Object.entries(fields).map(([name, keys]) => [name, [...keys].sort()]));
}

/** What happens to each resource, in its order; and the calls that are about none, by service. */
function sequences(calls: readonly RecordedCall[]): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const { method, progress, request } of calls) {
    const [service, name] = method.replace('/pulumirpc.', '').split('/') as [string, string];
    const about = request.urn ? request.urn.split('::')[2]! : (request.type ?? service);
    (result[about] ??= []).push(`${progress === 'request_started' ? '->' : '<-'} ${name}`);
  }
  return result;
}

/** Of what the engine says: its requests, and its answers to the program. */
function fieldsOfCalls(calls: readonly RecordedCall[]): Record<string, string[]> {
  const fields: Record<string, Set<string>> = {};
  for (const { method, progress, request, response } of calls) {
    const [service, name] = method.replace('/pulumirpc.', '').split('/') as [string, string];
    const answers = service === 'ResourceMonitor';
    if (answers ? !response : progress !== 'request_started') continue;
    const names = (fields[answers ? `${name} response` : name] ??= new Set());
    for (const key of Object.keys(answers ? response! : request)) names.add(key);
  }
  return Object.fromEntries(
    Object.entries(fields)
      .map(([name, keys]) => [name, [...keys].sort()] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
