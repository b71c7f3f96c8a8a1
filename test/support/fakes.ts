import type { Cloud, CloudInstance } from '../../src/cloud/types';
import type { Engine, JobStackArgs, UpOptions, UpResult } from '../../src/engine/types';
import type { JobLog } from '../../src/gitlab/job-log';
import type { SshConnection } from '../../src/ssh';

/**
 * Hand-made parts of the outside world, for unit tests of the use cases. Nothing here sleeps: a
 * pause moves the clock.
 */

const INSTANCE = 'alicloud:ecs/instance:Instance';
export const START = Date.parse('2026-11-24T12:00:00Z');

export interface FakeClock {
  readonly now: () => number;
  /** Moves the clock, and lets whatever else is due have its turn. */
  readonly pause: (milliseconds: number) => Promise<void>;
}

export function fakeClock(startMs = START): FakeClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    pause: (milliseconds) => {
      nowMs += milliseconds;
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

export function cloudInstance(change: Partial<CloudInstance> = {}): CloudInstance {
  return {
    instanceId: 'i-1',
    status: 'Running',
    instanceType: 'ecs.c7.xlarge',
    zoneId: 'cn-x',
    privateAddress: '10.0.0.9',
    publicAddress: undefined,
    tags: {},
    createdAt: '2026-11-24T12:00Z',
    market: 'spot',
    durationHours: 0,
    autoReleaseTime: undefined,
    recycling: false,
    ...change,
  };
}

/**
 * What `findInstances` answers, look after look; the last answer holds from then on. An error is an
 * API that can't be asked.
 */
export function instancesSeen(...looks: (readonly CloudInstance[] | Error)[]): Cloud['findInstances'] {
  let look = 0;
  return () => {
    const seen = looks[Math.min(look++, looks.length - 1)] ?? [];
    return seen instanceof Error ? Promise.reject(seen) : Promise.resolve(seen);
  };
}

export const upResult: UpResult = { instanceId: 'i-1', privateIp: '10.0.0.9', publicIp: '' };

/** One `up` of a stack: asks for the instance, then does what it is told to. */
export type UpScript = (args: JobStackArgs, options: UpOptions) => Promise<UpResult>;

/** Asks for the instance as the engine does, then goes on with `then`. */
export function asksFirst(then: UpScript): UpScript {
  return (args, options) => {
    options.onResource?.({ type: INSTANCE, operation: 'create', done: false, failed: false });
    return then(args, options);
  };
}

/**
 * Never ends by itself: until it is abandoned or cancelled, as the real CLI, which then comes to
 * rest with `error`.
 */
export function endlessUp(error: Error): UpScript {
  return asksFirst(
    (_args, { signal, abandon }) =>
      new Promise((_resolve, reject) => {
        for (const one of [signal, abandon]) one?.addEventListener('abort', () => reject(error));
      }),
  );
}

export interface FakeEngine extends Engine {
  readonly ups: JobStackArgs[];
  readonly destroyed: string[];
}

/** Plays one script for each `up`; the last one again and again. */
export function fakeEngine(scripts: readonly UpScript[], goneAt?: Date): FakeEngine {
  const ups: JobStackArgs[] = [];
  const destroyed: string[] = [];
  return {
    ups,
    destroyed,
    up(args, options) {
      const script = scripts[Math.min(ups.length, scripts.length - 1)]!;
      ups.push(args);
      return script(args, options);
    },
    destroy(stackName, { onDeleting }) {
      destroyed.push(stackName);
      if (goneAt) onDeleting?.();
      return Promise.resolve({ instanceGoneAt: goneAt });
    },
    list: () => Promise.resolve([]),
  };
}

export interface FakeConnection extends SshConnection {
  readonly closed: () => boolean;
}

export function fakeConnection(): FakeConnection {
  let closed = false;
  return {
    exec: () => Promise.resolve({ stdout: '', stderr: '', exitCode: 0 }),
    upload: () => Promise.resolve(),
    close: () => void (closed = true),
    closed: () => closed,
  };
}

/** A log that keeps its lines. */
export function keptLog(): JobLog & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    line: (text) => void lines.push(text),
    warn: (text) => void lines.push(`WARNING: ${text}`),
    error: (text) => void lines.push(`ERROR: ${text}`),
    open: ({ title }) => void lines.push(`[${title}]`),
    resume: () => undefined,
    close: () => undefined,
  };
}
