import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HostError } from '../../../src/errors';
import { EngineFailed, PlacementRefused, UpCancelled, type JobStackArgs } from '../../../src/engine';
import { serveUps } from '../../../src/engine/serve-up';
import type { UpOptions, UpRequest, UpResult } from '../../../src/engine/types';
import { beginUp, runningUp, upProblem } from '../../../src/engine/up-marker';
import { errorOf, wordsOf, type FromUp, type ToUp } from '../../../src/engine/up-messages';
import type { Slot } from '../../../src/host/queue';
import { upResult } from '../../support/fakes';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'serve-up-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const args = { stackName: 'job-x-1-1' } as JobStackArgs;

/** A process that brings a stack up, with prepare, engine and place played by hand. */
function served() {
  const told: FromUp[] = [];
  let message: (message: ToUp) => void = () => undefined;
  let gone = (): void => undefined;
  const aborter = new AbortController();
  const seen = { accepted: 0, released: 0 };
  let creating: Slot | undefined;
  let under: (UpRequest & { options: UpOptions; done(result: UpResult): void; fail(error: Error): void }) | undefined;
  const ended = serveUps(
    {
      tell: (one) => void told.push(one),
      onMessage: (listener) => (message = listener),
      onGone: (listener) => (gone = listener),
    },
    {
      up: (request, options) => new Promise((done, fail) => (under = { ...request, options, done, fail })),
      expect: () => Promise.reject(new Error('no memory')),
      place: (slot) => {
        creating = slot;
        return { accepted: () => (seen.accepted += 1), release: () => ((seen.released += 1), slot.release()) };
      },
      directory,
      signal: aborter.signal,
    },
  );
  return {
    told: () => told.map(({ kind }) => kind),
    tell: (one: ToUp) => message(one),
    /** As prepare does: the marker first. */
    begin: () => {
      beginUp(directory, process.pid);
      message({ kind: 'up', args });
    },
    up: () => under!,
    getsPlace: () => creating!.release(),
    gone: () => gone(),
    toldToEnd: () => aborter.abort(),
    seen,
    ended,
  };
}

describe('prepare may leave', () => {
  test('once all beside the instance is made and the `up` has a place of its own, not before', () => {
    const one = served();
    one.begin();
    one.up().options.onOthersMade!();
    one.up().options.onAccepted!();
    expect(one.seen.accepted).toBe(1);
    expect(one.told()).toEqual(['accepted']);
    one.getsPlace();
    expect(one.told()).toEqual(['accepted', 'placed', 'mayLeave']);
  });

  test('once the rest is made, where the place came first', () => {
    const one = served();
    one.begin();
    one.tell({ kind: 'accepted' });
    one.getsPlace();
    expect(one.told()).toEqual(['placed']);
    one.up().options.onOthersMade!();
    expect(one.told()).toEqual(['placed', 'mayLeave']);
  });

  test('and the `up` goes on, and ends without a trace', async () => {
    const one = served();
    one.begin();
    one.tell({ kind: 'leave' });
    one.gone();
    expect(one.told()).toEqual(['left']);
    expect(one.up().options.signal.aborted).toBe(false);
    expect(runningUp(directory)).toMatchObject({ pid: process.pid });
    one.up().done(upResult);
    expect(await one.ended).toBe(true);
    expect(one.seen.released).toBe(1);
    expect([runningUp(directory), upProblem(directory)]).toEqual([undefined, undefined]);
  });

  test('and what the `up` fails with then is left for the job’s next stage', async () => {
    const one = served();
    one.begin();
    one.tell({ kind: 'leave' });
    one.gone();
    one.up().fail(new EngineFailed('`pulumi up` failed (exit 255)'));
    expect(await one.ended).toBe(false);
    expect(upProblem(directory)).toBe('`pulumi up` failed (exit 255)');
  });
});

describe('an `up` that is begun before it is known what is to be made', () => {
  const begun = () => {
    const one = served();
    beginUp(directory, process.pid);
    one.tell({ kind: 'begin', stackName: args.stackName });
    return one;
  };

  test('learns it from the first `up`, and a further one is of the next pool', async () => {
    const one = begun();
    const first = one.up();
    expect(first.stackName).toBe('job-x-1-1');
    one.tell({ kind: 'up', args });
    expect(one.up()).toBe(first);
    expect(await first.args).toBe(args);
    first.fail(new PlacementRefused('OperationDenied.NoStock', 'RunInstances', ''));
    await new Promise((resolve) => setImmediate(resolve));
    const next = { ...args, zoneId: 'cn-y' };
    one.tell({ kind: 'up', args: next });
    expect(await one.up().args).toBe(next);
    one.up().done(upResult);
    one.gone();
    expect(await one.ended).toBe(true);
    expect(one.told()).toEqual(['failed', 'done']);
  });

  test.each<[string, (one: ReturnType<typeof served>) => void]>([
    ['prepare was refused, or died', (one) => one.gone()],
    ['somebody ends the process', (one) => one.toldToEnd()],
    ['prepare was cancelled', (one) => (one.tell({ kind: 'abort' }), one.gone())],
  ])('makes nothing and comes to rest when %s', async (_why, happens) => {
    const one = begun();
    happens(one);
    expect(one.up().options.signal.aborted).toBe(true);
    await expect(one.up().args).rejects.toBeInstanceOf(UpCancelled);
    one.up().fail(new UpCancelled('ended on request'));
    await one.ended;
    expect([runningUp(directory), upProblem(directory)]).toEqual([undefined, undefined]);
  });

  test('and fails before that: whoever asks later is told', async () => {
    const one = begun();
    one.up().fail(new EngineFailed('no CLI'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(one.told()).toEqual(['failed']);
    expect(runningUp(directory)).toBeUndefined();
    one.gone();
    expect(await one.ended).toBe(true);
  });
});

describe('an `up` that nobody left', () => {
  test.each<[string, (one: ReturnType<typeof served>) => void]>([
    ['prepare died', (one) => one.gone()],
    ['somebody ends the process', (one) => one.toldToEnd()],
    ['prepare was cancelled', (one) => (one.tell({ kind: 'abort' }), one.gone())],
  ])('comes to rest when %s', async (_why, happens) => {
    const one = served();
    one.begin();
    happens(one);
    expect(one.up().options.signal.aborted).toBe(true);
    one.up().fail(new UpCancelled('ended on request'));
    await one.ended;
    expect(upProblem(directory)).toBeUndefined();
  });

  test('is made to give up when its instance will not come', () => {
    const one = served();
    one.begin();
    one.tell({ kind: 'abandon' });
    expect(one.up().options.abandon!.aborted).toBe(true);
    expect(one.up().options.signal.aborted).toBe(false);
  });

  test('does not give the slot of a prepare away that wants the next pool', async () => {
    const one = served();
    one.begin();
    one.up().fail(new PlacementRefused('OperationDenied.NoStock', 'RunInstances', ''));
    await new Promise((resolve) => setImmediate(resolve));
    expect(one.told()).toEqual(['failed']);
    // Whoever destroys the stack for the next pool must not wait for this process.
    expect(runningUp(directory)).toBeUndefined();
    one.begin();
    one.up().done(upResult);
    one.gone();
    expect(await one.ended).toBe(true);
    expect(one.told()).toEqual(['failed', 'done']);
  });

  test('was never asked for: the process ends with prepare', async () => {
    const one = served();
    one.tell({ kind: 'expect' });
    one.gone();
    expect(await one.ended).toBe(true);
  });
});

test.each<[Error]>([
  [new PlacementRefused('QuotaExceed.ElasticQuota', 'RunInstances', 'too many')],
  [new EngineFailed('it failed', { remedy: 'Look at it.', retryable: true })],
  [new UpCancelled('ended on request')],
  [new HostError('The runner host’s disk is full', { remedy: 'Free space.' })],
  [Object.assign(new Error('no space left'), { code: 'ENOSPC', syscall: 'write', path: '/state' })],
])('an error is the same on the other side: %s', (error) => {
  const there = errorOf(JSON.parse(JSON.stringify(wordsOf(error))) as ReturnType<typeof wordsOf>);
  expect(there.constructor).toBe(error.constructor);
  expect({ ...there, cause: undefined, message: there.message }).toEqual({
    ...error,
    cause: undefined,
    message: error.message,
  });
});
