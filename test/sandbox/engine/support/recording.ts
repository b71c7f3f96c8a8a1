import { fixture } from '../../../support/fixtures';
import { type Properties } from '../../../../sandbox/engine/rpc/values';
import { type JobInputs } from './job-program';
import { type Script } from './fake-provider';

/**
 * A call of a recording made with PULUMI_DEBUG_GRPC. Ours has the names of a message's fields in
 * lower case.
 */
export interface RecordedCall {
  method: string;
  request: Record<string, unknown> & { urn?: string; type?: string; object?: Properties };
  response?: Record<string, unknown> & { inputs?: Properties; id?: string; properties?: Properties };
  errors?: string[];
  metadata: Record<string, unknown>;
  progress: 'request_started' | 'response_completed';
}

/**
 * Reads a log of calls; the duration of those without a beginning is no safe number, and dropped.
 */
export function parseCalls(text: string): RecordedCall[] {
  const lines = text.trim().split('\n');
  return lines.map((line) => JSON.parse(line.replace(/,"duration":\d+/, '')) as RecordedCall);
}

export const recordedUp = (): RecordedCall[] => parseCalls(fixture('pulumi/grpc-up.jsonl'));
export const recordedDestroy = (): RecordedCall[] => parseCalls(fixture('pulumi/grpc-destroy.jsonl'));

/** The inputs that the recording's program registered. */
export function recordedInputs(calls: RecordedCall[]): JobInputs {
  const inputs = (type: string) =>
    calls.find(({ method, request }) => method.endsWith('/RegisterResource') && request.type?.endsWith(`:${type}`))!
      .request.object!;
  return {
    securityGroup: inputs('SecurityGroup'),
    securityGroupRule: inputs('SecurityGroupRule'),
    keyPair: inputs('KeyPair'),
    instance: inputs('Instance'),
  };
}

/** A provider that answers as the recorded one did. */
export function playback(calls: RecordedCall[]): Script {
  const answer = (method: string, type: string) =>
    calls.find(
      (call) => call.response && call.method.endsWith(`ResourceProvider/${method}`) && call.request.type === type,
    )?.response ?? {};
  return {
    check: ({ type }) => answer('Check', type),
    create: ({ type }) => {
      const { id = '', properties = {} } = answer('Create', type);
      return { id, outputs: properties };
    },
  };
}

const VOLATILE: [RegExp, string][] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID'],
  [/127\.0\.0\.1:\d+/g, 'ADDRESS'],
  [/urn:pulumi:job-\d+::/g, 'urn:pulumi:STACK::'],
  [/gitlab-spot-job-\d+/g, 'gitlab-spot-STACK'],
];

/**
 * A value without what differs from run to run: identifiers, ports, times, the stack's name, source
 * positions.
 */
export function steady<T>(value: T, dropped: readonly string[] = []): T {
  const drop = new Set([
    'randomSeed',
    'randomseed',
    'sourcePosition',
    'sourceposition',
    'stackTrace',
    'stacktrace',
    'created',
    'modified',
    'timestamp',
    'time',
    'salt',
    'ciphertext',
    ...dropped,
  ]);
  const walk = (item: unknown): unknown => {
    if (typeof item === 'string') return VOLATILE.reduce((text, [pattern, word]) => text.replace(pattern, word), item);
    if (Array.isArray(item)) return item.map(walk);
    if (typeof item !== 'object' || item === null) return item;
    return Object.fromEntries(
      Object.entries(item).flatMap(([key, inner]) => (drop.has(key) ? [] : [[key, walk(inner)]])),
    );
  };
  return walk(value) as T;
}
