import type { Cloud } from '../../../src/cloud/types';
import { EngineFailed, PlacementRefused, UpCancelled, type JobStackArgs } from '../../../src/engine';
import { BootTimeout, InstanceDisappeared, launch, type LaunchPoint, type Seen } from '../../../src/prepare/launch';
import { SshWaitTimeout, type WaitForSsh } from '../../../src/ssh';
import {
  asksFirst,
  cloudInstance,
  endlessUp,
  fakeClock,
  fakeConnection,
  fakeEngine,
  instancesSeen,
  upResult,
  type UpScript,
} from '../../support/fakes';

const args = { stackName: 'job-x-1-1', instanceType: 'ecs.c7.xlarge', zoneId: 'cn-x' } as unknown as JobStackArgs;
const key = { privateKey: '', hostPublicKey: '' };
const answers: WaitForSsh = () => Promise.resolve(fakeConnection());
const cancelled = new UpCancelled('ended on request');
const gaveUp = new EngineFailed('provider: instance not found');

interface World {
  readonly up: UpScript;
  readonly findInstances?: Cloud['findInstances'];
  readonly madeAt?: Cloud['madeAt'];
  readonly waitForSsh?: WaitForSsh;
  readonly usePublicAddress?: boolean;
  readonly signal?: AbortSignal;
  readonly args?: Partial<JobStackArgs>;
}

function start(world: World) {
  const { now, pause } = fakeClock();
  const points: LaunchPoint[] = [];
  const seen: Seen[] = [];
  const lines: string[] = [];
  const ups: string[] = [];
  const done = launch(
    { args: { ...args, ...world.args }, create: true, key },
    {
      engine: fakeEngine([world.up]),
      cloud: {
        findInstances: world.findInstances ?? instancesSeen([cloudInstance()]),
        madeAt: world.madeAt ?? (() => Promise.resolve('2026-11-24T12:00:03Z')),
      },
      settings: {
        cloud: { usePublicAddress: world.usePublicAddress ?? false },
        ssh: { port: 22, user: 'root' },
        limits: { bootMs: 300_000 },
      } as Parameters<typeof launch>[1]['settings'],
      waitForSsh: world.waitForSsh ?? answers,
      pause,
      log: (line) => void lines.push(line),
      signal: world.signal ?? new AbortController().signal,
      now,
      onSeen: (one) => void seen.push(one),
      onUp: () => void ups.push('up'),
      onPoint: (point) => void points.push(point),
    },
  );
  return { done, points, seen, lines, ups };
}

/** Turns of the event loop until what was started has had its way. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('an instance that comes', () => {
  test('is told with its address, its price from the second that the cloud has, and an open connection', async () => {
    const world = start({ up: asksFirst(() => Promise.resolve(upResult)) });
    expect(await world.done).toMatchObject({
      instanceId: 'i-1',
      address: '10.0.0.9',
      since: new Date('2026-11-24T12:00:03Z'),
    });
    expect(world.points).toEqual(['asked', 'created', 'running', 'sshLogin']);
    expect(world.ups).toEqual(['up']);
  });

  test('is tried over SSH from the moment its address is known, while the engine still waits', async () => {
    let finish: (result: typeof upResult) => void = () => undefined;
    const tried: string[] = [];
    const world = start({
      up: asksFirst(() => new Promise((resolve) => (finish = resolve))),
      findInstances: instancesSeen([], [cloudInstance({ status: 'Pending' })], [cloudInstance()]),
      waitForSsh: ({ address }) => (tried.push(address), Promise.resolve(fakeConnection())),
    });
    await turns(10);
    expect(tried).toEqual(['10.0.0.9']);
    expect(world.ups).toEqual([]);
    finish(upResult);
    await world.done;
    expect(tried).toEqual(['10.0.0.9']);
  });

  test('is billed from when it was first seen, where the cloud does not tell the second', async () => {
    const world = start({
      up: asksFirst(() => Promise.resolve(upResult)),
      madeAt: () => Promise.reject(new Error('Throttling')),
    });
    expect((await world.done).since.toISOString()).toBe('2026-11-24T12:00:00.500Z');
  });

  test('is reached by its public address where the settings say so', async () => {
    const world = start({
      up: asksFirst(() => Promise.resolve({ ...upResult, publicIp: '47.0.0.1' })),
      findInstances: instancesSeen([]),
      usePublicAddress: true,
    });
    expect((await world.done).address).toBe('47.0.0.1');
  });

  test('is waited for although the API can not be asked meanwhile', async () => {
    const world = start({
      up: asksFirst(async () => (await turns(20), upResult)),
      findInstances: instancesSeen(new Error('Throttling')),
    });
    await expect(world.done).resolves.toMatchObject({ instanceId: 'i-1' });
  });
});

describe('an `up` that may be left', () => {
  const leavable = (up: UpScript): UpScript =>
    asksFirst((args, options) => {
      options.onMayLeave?.();
      return up(args, options);
    });

  test('is not waited for, once the instance answers', async () => {
    const world = start({ up: leavable(() => new Promise(() => undefined)) });
    expect(await world.done).toMatchObject({ instanceId: 'i-1', address: '10.0.0.9' });
    expect(world.seen.at(-1)).toMatchObject({ running: true, since: new Date('2026-11-24T12:00:03Z') });
    expect(world.points).toEqual(['asked', 'created', 'running', 'sshLogin']);
  });

  test('tells what it fails with before it was left', async () => {
    let fail: (error: Error) => void = () => undefined;
    const world = start({ up: leavable(() => new Promise((_resolve, reject) => (fail = reject))) });
    const { up } = await world.done;
    up.check();
    fail(gaveUp);
    await turns(5);
    expect(() => up.check()).toThrow(gaveUp);
  });

  test('is made to give up, and waited for, where the instance is not wanted after all', async () => {
    let rested = false;
    const world = start({
      up: leavable(
        (_args, { abandon }) =>
          new Promise((_resolve, reject) =>
            abandon!.addEventListener('abort', () => setImmediate(() => ((rested = true), reject(cancelled)))),
          ),
      ),
    });
    const { up } = await world.done;
    await up.giveUp();
    expect(rested).toBe(true);
  });

  test('is waited for while nothing answers', async () => {
    const world = start({
      up: leavable(async () => (await turns(20), upResult)),
      waitForSsh: () => Promise.reject(new SshWaitTimeout('no answer')),
    });
    await expect(world.done).rejects.toThrow(BootTimeout);
    expect(world.ups).toEqual(['up']);
  });
});

describe('an instance that does not come', () => {
  const pending = [cloudInstance({ status: 'Pending', privateAddress: undefined })];
  const running = [cloudInstance()];
  test.each<[string, World, { error: new (...args: never[]) => Error; code?: string; message?: RegExp }]>([
    [
      'since the cloud refuses it',
      { up: asksFirst(() => Promise.reject(new PlacementRefused('OperationDenied.NoStock', 'RunInstances', ''))) },
      { error: PlacementRefused, code: 'OperationDenied.NoStock' },
    ],
    [
      'since it disappears while Pending',
      { up: endlessUp(cancelled), findInstances: instancesSeen(pending, pending, []) },
      { error: InstanceDisappeared, code: 'VanishedWhilePending' },
    ],
    [
      'since it was accepted, and never seen',
      {
        up: (stack, options) => {
          const script = endlessUp(cancelled)(stack, options);
          options.onAccepted?.();
          return script;
        },
        findInstances: instancesSeen([]),
      },
      { error: InstanceDisappeared, code: 'VanishedWhilePending' },
    ],
    [
      'since the cloud reclaims it before it is ready',
      { up: endlessUp(cancelled), findInstances: instancesSeen(running, []), waitForSsh: () => new Promise(() => {}) },
      { error: InstanceDisappeared, code: 'Interrupted' },
    ],
    [
      'since the provider noticed first that it is gone',
      {
        up: asksFirst(async () => (await turns(3), Promise.reject(gaveUp))),
        findInstances: instancesSeen(pending, []),
      },
      { error: InstanceDisappeared, code: 'VanishedWhilePending' },
    ],
    [
      'though it is there, since the engine failed',
      { up: asksFirst(() => Promise.reject(gaveUp)), findInstances: instancesSeen(running) },
      { error: EngineFailed },
    ],
    [
      'since the engine failed before it asked for one',
      { up: () => Promise.reject(gaveUp), findInstances: instancesSeen([]) },
      { error: EngineFailed },
    ],
    [
      'since it never answers over SSH',
      {
        up: asksFirst(() => Promise.resolve(upResult)),
        waitForSsh: () => Promise.reject(new SshWaitTimeout('SSH did not answer', { remedy: 'Look at sshd.' })),
      },
      { error: BootTimeout, code: 'BootTimeout', message: /i-1 was not ready in time: SSH did not answer/ },
    ],
    [
      'since it has no address of the kind that the settings want',
      {
        up: asksFirst(() => Promise.resolve({ ...upResult, privateIp: '' })),
        findInstances: instancesSeen([cloudInstance({ privateAddress: undefined })]),
      },
      { error: Error, message: /no private address/ },
    ],
  ])('%s', async (_name, world, { error, code, message }) => {
    const caught: unknown = await start(world).done.catch((one: unknown) => one);
    expect(caught).toBeInstanceOf(error);
    if (code) expect(caught).toMatchObject({ code });
    if (message) expect((caught as Error).message).toMatch(message);
  });

  test.each([
    ['required', /cloud-init older than 23\.1 gets no user data from hardened metadata/],
    ['optional', /^Look at sshd\.$/],
  ] as const)(
    'without an answer over SSH names the metadata mode only where it may be the cause: %s',
    async (httpTokens, remedy) => {
      const waitForSsh = () => Promise.reject(new SshWaitTimeout('SSH did not answer', { remedy: 'Look at sshd.' }));
      const world = { up: asksFirst(() => Promise.resolve(upResult)), waitForSsh, args: { httpTokens } };
      await expect(start(world).done).rejects.toMatchObject({ remedy: expect.stringMatching(remedy) });
    },
  );

  test('is billed only where it ran: the time at which it was reclaimed is told', async () => {
    const world = { up: endlessUp(cancelled), waitForSsh: () => new Promise<never>(() => {}) };
    const ran = await start({ ...world, findInstances: instancesSeen(running, []) }).done.catch((one: unknown) => one);
    const never = await start({ ...world, findInstances: instancesSeen(pending, []) }).done.catch(
      (one: unknown) => one,
    );
    expect((ran as InstanceDisappeared).takenAt).toBeInstanceOf(Date);
    expect((never as InstanceDisappeared).takenAt).toBeUndefined();
  });

  test('is told of with the second that the cloud has before it is given up, never after that', async () => {
    let tell: (at: string) => void = () => undefined;
    const world = start({
      up: asksFirst(async () => (await turns(3), Promise.reject(gaveUp))),
      findInstances: instancesSeen(running),
      madeAt: () => new Promise((resolve) => (tell = resolve)),
      waitForSsh: () => new Promise(() => {}),
    });
    const seenByThen = world.done.catch(() => [...world.seen]);
    await turns(10);
    tell('2026-11-24T12:00:03Z');
    expect(await seenByThen).toEqual([{ instanceId: 'i-1', since: new Date('2026-11-24T12:00:03Z'), running: true }]);
  });

  test('within 12 s without an answer is told once as throttling', async () => {
    const controller = new AbortController();
    const world = start({ up: endlessUp(cancelled), findInstances: instancesSeen([]), signal: controller.signal });
    await turns(60);
    controller.abort(new Error('over'));
    await world.done.catch(() => undefined);
    expect(world.lines.filter((line) => line.includes('throttled'))).toHaveLength(1);
  });
});

describe('a job that is cancelled', () => {
  test('while the engine works leaves when the engine has come to rest', async () => {
    const controller = new AbortController();
    const world = start({ up: endlessUp(cancelled), signal: controller.signal });
    await turns(3);
    controller.abort(new Error('cancelled by the runner'));
    await expect(world.done).rejects.toBe(cancelled);
  });

  test('while SSH is waited for ends with the reason of its end', async () => {
    const controller = new AbortController();
    const world = start({
      up: asksFirst(() => Promise.resolve(upResult)),
      waitForSsh: (_target, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      signal: controller.signal,
    });
    await turns(3);
    controller.abort(new Error('cancelled by the runner'));
    await expect(world.done).rejects.toThrow('cancelled by the runner');
  });
});

test('a connection that opens after its instance was given up is closed', async () => {
  const connection = fakeConnection();
  const world = start({
    up: endlessUp(cancelled),
    findInstances: instancesSeen([cloudInstance()], []),
    waitForSsh: (_target, { signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(connection))),
  });
  await expect(world.done).rejects.toBeInstanceOf(InstanceDisappeared);
  await turns(1);
  expect(connection.closed()).toBe(true);
});
