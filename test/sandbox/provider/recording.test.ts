import { describeWithFixtures, fixture } from '../../support/fixtures';
import { ProviderUnderTest, ScriptedCloud, TestClock, type SeenRequest } from './support';
import type { Properties } from '../../../sandbox/provider/values';

interface RecordedCall {
  readonly method: string;
  readonly request: { urn: string; type: string; id: string; news: Properties; properties: Properties };
  readonly response: { inputs: Properties; id: string; properties: Properties };
}

interface RecordedRequest extends SeenRequest {
  readonly response: unknown;
}

const TYPES = {
  keyPair: 'alicloud:ecs/keyPair:KeyPair',
  securityGroup: 'alicloud:ecs/securityGroup:SecurityGroup',
  rule: 'alicloud:ecs/securityGroupRule:SecurityGroupRule',
  instance: 'alicloud:ecs/instance:Instance',
} as const;

/**
 * Which of the recorded requests, by line, belong to which operation: the real provider made some
 * of them side by side.
 */
const LINES = {
  'create keyPair': [0, 2],
  'create securityGroup': [1, 3, 4, 5, 6],
  'create rule': [7, 8, 9],
  'create instance': range(10, 23),
  'read keyPair': [24],
  'read securityGroup': [25, 29],
  'read rule': [26],
  'read instance': [27, 28, ...range(30, 37)],
  'delete instance': [38, 39],
  'delete rule': [40, 41],
  'delete securityGroup': [42],
  'delete keyPair': [43],
} as const;

describeWithFixtures('the provider beside recordings of the real one', 'pulumi', () => {
  const cloud = new ScriptedCloud();
  const provider = new ProviderUnderTest();
  let recorded: RecordedRequest[] = [];

  beforeAll(async () => {
    recorded = jsonLines(fixture('alicloud/requests-up-refresh-preview-destroy.jsonl')).map(parseRequest);
    await cloud.start();
    await provider.start(cloud.env, new TestClock());
  });

  afterAll(async () => {
    provider.stop();
    await cloud.stop();
  });

  beforeEach(() => provider.configure());

  /**
   * The cloud answers as recorded, in the recorded order; afterwards both lists of requests can be
   * compared.
   */
  function replay(operation: keyof typeof LINES): { expected: SeenRequest[]; made: () => SeenRequest[] } {
    const script = LINES[operation].map((line) => recorded[line]!);
    const answers = [...script];
    cloud.requests.length = 0;
    cloud.reply = ({ action }) => {
      const next = answers.shift();
      return next?.action === action
        ? { body: next.response }
        : { status: 404, body: { Code: `unexpected ${action}` } };
    };
    return { expected: script.map(comparable), made: () => cloud.requests.map(comparable) };
  }

  test('says no to Handshake, tells its version, and configures', async () => {
    await expect(provider.handshake()).rejects.toMatchObject({ code: 12, details: 'method Handshake not implemented' });
    await expect(provider.pluginVersion()).resolves.toBe('3.108.0');
    const configured = await provider.configure();
    expect(configured.toObject()).toMatchObject({ supportspreview: true, supportsAutonamingConfiguration: true });
  });

  test.each(Object.entries(TYPES))('checks a %s with the same defaults', async (_name, type) => {
    const call = recordedCall('grpc-up', 'Check', type);
    const { inputs, failures } = await provider.check(type, call.request.news);
    expect(failures).toEqual({});
    expect(inputs).toEqual(call.response.inputs);
  });

  test.each(Object.entries(TYPES))('creates a %s with the same requests, id and outputs', async (name, type) => {
    const call = recordedCall('grpc-up', 'Create', type);
    const { expected, made } = replay(`create ${name}` as keyof typeof LINES);
    const { id, properties } = await provider.create(type, call.request.properties);
    expect(made()).toEqual(expected);
    expect(id).toBe(call.response.id);
    expect(withoutTimes(properties)).toEqual(withoutTimes(call.response.properties));
  });

  test.each(Object.entries(TYPES))(
    'reads a %s with the same requests, as the real one refreshed it, and finds nothing changed',
    async (name, type) => {
      const call = recordedCall('grpc-up', 'Create', type);
      const { expected, made } = replay(`read ${name}` as keyof typeof LINES);
      const found = await provider.read(type, call.response.id, call.response.properties, call.request.properties);
      expect(made()).toEqual(expected);
      const refreshed = recordedRefresh(type);
      expect(withoutSecrets(found.properties)).toEqual(withoutSecrets(refreshed.outputs));
      expect(withoutSecrets(found.inputs)).toEqual(withoutSecrets(refreshed.inputs));
      await expect(provider.diff(type, found.properties, call.request.properties, found.inputs)).resolves.toEqual({
        changed: false,
        properties: [],
        replaces: [],
      });
      await expect(
        provider.diff(type, call.response.properties, call.request.properties, call.request.properties),
      ).resolves.toEqual({ changed: false, properties: [], replaces: [] });
    },
  );

  test.each(Object.entries(TYPES))('deletes a %s with the same requests', async (name, type) => {
    const call = recordedCall('grpc-destroy', 'Delete', type);
    const { expected, made } = replay(`delete ${name}` as keyof typeof LINES);
    await provider.delete(type, call.request.id, call.request.properties);
    expect(made()).toEqual(expected);
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function jsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

function parseRequest(line: unknown): RecordedRequest {
  const { params, ...rest } = line as Omit<RecordedRequest, 'action'>;
  return { ...rest, params, action: params['Action'] ?? '' };
}

function recordedCall(file: 'grpc-up' | 'grpc-destroy', method: string, type: string): RecordedCall {
  const calls = jsonLines(fixture(`pulumi/${file}.jsonl`)) as (RecordedCall & { progress: string })[];
  const found = calls.find(
    (call) =>
      call.method === `/pulumirpc.ResourceProvider/${method}` &&
      call.progress === 'response_completed' &&
      call.request.type === type,
  );
  if (found === undefined) throw new Error(`no ${method} of ${type} in ${file}.jsonl`);
  return found;
}

/**
 * Without what is another in each run: tokens, and the release time, which the two recordings don't
 * share; tags in any order.
 */
function comparable({ action, method, query, form, params }: SeenRequest): SeenRequest {
  const tags = Object.keys(params).filter((name) => /^Tag\.\d+\.Key$/.test(name));
  const pairs = tags.map((name) => `${params[name]}=${params[name.replace('Key', 'Value')]}`).sort();
  const kept = Object.entries(params).filter(
    ([name]) => !['ClientToken', 'AutoReleaseTime'].includes(name) && !name.startsWith('Tag.'),
  );
  return {
    action,
    method,
    query: [...query].sort(),
    form: [...form].sort(),
    params: { ...Object.fromEntries(kept), tags: pairs.join() },
  };
}

/** What the real provider read, as it stands in the events of the destroy that came after it. */
function recordedRefresh(type: string): { readonly inputs: Properties; readonly outputs: Properties } {
  const events = jsonLines(fixture('pulumi/events-destroy.jsonl')) as {
    readonly resourcePreEvent?: { metadata: { type: string; old: { inputs: Properties; outputs: Properties } } };
  }[];
  const found = events.find(({ resourcePreEvent }) => resourcePreEvent?.metadata.type === type);
  if (found?.resourcePreEvent === undefined) throw new Error(`no ${type} in events-destroy.jsonl`);
  return found.resourcePreEvent.metadata.old;
}

/** The engine hides these in events. */
function withoutSecrets(properties: Properties): Properties {
  return { ...withoutTimes(properties), password: 'any', userData: 'any' };
}

function withoutTimes(properties: Properties): Properties {
  return { ...properties, autoReleaseTime: 'any' };
}
