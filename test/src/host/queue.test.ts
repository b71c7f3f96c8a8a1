import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { livenessOf, ownerOf, thisProcess } from '../../../src/host/process-owner';
import { queueLength, acquireSlot, trySlot, type Queue } from '../../../src/host/queue';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'queue-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const queue = (slots: number): Queue => ({ directory, slots });

async function deadOwner() {
  const child = spawn('sleep', ['60']);
  const owner = ownerOf(child.pid!)!;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return owner;
}

describe('slots of a host', () => {
  test('are given to so many and no more', () => {
    const [one, two, three] = [trySlot(queue(2)), trySlot(queue(2)), trySlot(queue(2))];
    expect([one, two, three].map((place) => place !== undefined)).toEqual([true, true, false]);
    one!.release();
    expect(trySlot(queue(2))).toBeDefined();
    two!.release();
  });

  test('go to those who wait, first come, first served', async () => {
    const held = trySlot(queue(1))!;
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (number) => {
      const place = await acquireSlot(queue(1));
      order.push(number);
      place.release();
    });
    held.release();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('tell who waits how many are ahead', async () => {
    const held = trySlot(queue(1))!;
    const ahead: number[] = [];
    const waiting = acquireSlot(queue(1), { onWait: (count) => ahead.push(count) });
    held.release();
    (await waiting).release();
    expect(ahead).toEqual([1]);
  });

  test('are not waited for after an abort, which leaves no ticket', async () => {
    const held = trySlot(queue(1))!;
    const controller = new AbortController();
    const waiting = acquireSlot(queue(1), { signal: controller.signal });
    controller.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    held.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('of a process that was killed are free', async () => {
    writeFileSync(path.join(directory, '1'.padStart(20, '0')), JSON.stringify({ owner: await deadOwner() }));
    expect(queueLength(queue(1))).toBe(0);
    expect(trySlot(queue(1))).toBeDefined();
  });

  test('of a process that was killed while it drew its ticket are free', () => {
    jest.spyOn(fs, 'writeSync').mockImplementationOnce(() => {
      throw new Error('killed');
    });
    expect(() => trySlot(queue(1))).toThrow('killed');
    expect(trySlot(queue(1))).toBeDefined();
  });

  test('the draft of a ticket whose owner was killed goes after a while', () => {
    const draft = path.join(directory, `${'1'.padStart(20, '0')}.4242`);
    writeFileSync(draft, '');
    trySlot(queue(1))!.release();
    expect(readdirSync(directory)).toEqual([path.basename(draft)]);
    const longAgo = new Date(Date.now() - 120_000);
    utimesSync(draft, longAgo, longAgo);
    trySlot(queue(1))!.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('of a process in another container are kept as long as its heart beats', () => {
    const file = path.join(directory, '1'.padStart(20, '0'));
    writeFileSync(file, JSON.stringify({ owner: { ...thisProcess(), pidNamespace: 'pid:[1]' } }));
    expect(trySlot(queue(1))).toBeUndefined();
    const longAgo = new Date(Date.now() - 120_000);
    utimesSync(file, longAgo, longAgo);
    expect(trySlot(queue(1))).toBeDefined();
  });

  test('of a process in another container are kept when the clock goes forward', () => {
    const file = path.join(directory, '1'.padStart(20, '0'));
    const slot = trySlot(queue(1))!;
    const [own] = readdirSync(directory);
    const ticket = JSON.parse(readFileSync(path.join(directory, own!), 'utf8')) as { owner: object; beatMs: number };
    slot.release();
    const elsewhere = { owner: { ...ticket.owner, pidNamespace: 'pid:[1]' } };
    const beforeTheStep = new Date(Date.now() - 3_600_000);
    const leave = (beatMs: number): void => {
      writeFileSync(file, JSON.stringify({ ...elsewhere, beatMs }));
      utimesSync(file, beforeTheStep, beforeTheStep);
    };
    leave(ticket.beatMs);
    expect(trySlot(queue(1))).toBeUndefined();
    leave(ticket.beatMs - 120_000);
    expect(trySlot(queue(1))).toBeDefined();
  });

  test('hold a heart that beats while their process lives', () => {
    jest.useFakeTimers();
    const slot = trySlot(queue(1))!;
    const file = path.join(directory, readdirSync(directory)[0]!);
    const beat = () => (JSON.parse(readFileSync(file, 'utf8')) as { beatMs: number }).beatMs;
    const first = beat();
    jest.advanceTimersByTime(25_000);
    expect(beat()).toBeGreaterThan(first);
    slot.release();
    jest.useRealTimers();
  });
});

describe('the owner of a lock', () => {
  test('is alive while its process is', async () => {
    expect(livenessOf(thisProcess())).toBe('alive');
    expect(livenessOf(await deadOwner())).toBe('dead');
  });

  test('is dead when its pid belongs to a younger process', () => {
    expect(livenessOf({ ...thisProcess(), startTicks: '1' })).toBe('dead');
  });

  test('is unknown when it lives in another container or boot', () => {
    expect(livenessOf({ ...thisProcess(), bootId: 'x' })).toBe('unknown');
  });
});
