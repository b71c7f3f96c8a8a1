import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { queueLength, trySlot, type Queue } from '../../../src/host/queue';
import { UpSlot } from '../../../src/host/up-slot';

let root: string;
beforeEach(() => (root = mkdtempSync(path.join(os.tmpdir(), 'up-slot-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const GIB = 1024 ** 3;
const queue = (name: string, slots: number): Queue => ({ directory: path.join(root, name), slots });
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** The only slot of this host to create an instance, and what may wait beyond it. */
function world(accepted: number, freeBytes = 4 * GIB) {
  const [up, waiting] = [queue('up', 1), queue('accepted', accepted)];
  const next = () => {
    const slot = trySlot(up);
    return slot && new UpSlot(slot, waiting, () => freeBytes);
  };
  return { next, counts: () => [queueLength(up), queueLength(waiting)] };
}

describe('what an `up` holds of the host', () => {
  test('is a slot to create until the cloud has accepted the instance, then one that only waits', async () => {
    const { next, counts } = world(2);
    const first = next()!;
    expect(next()).toBeUndefined();
    first.accepted();
    first.accepted();
    await turns();
    expect(counts()).toEqual([0, 1]);
    expect(next()).toBeDefined();
    first.release();
    expect(counts()).toEqual([1, 0]);
  });

  test('stays a slot to create while as many wait as may, and is exchanged when one of them ends', async () => {
    const { next, counts } = world(1);
    const first = next()!;
    first.accepted();
    await turns();
    const second = next()!;
    second.accepted();
    await turns();
    expect(next()).toBeUndefined();
    first.release();
    for (const deadline = Date.now() + 5_000; counts()[0] !== 0 && Date.now() < deadline;) await turns();
    expect(counts()).toEqual([0, 1]);
    second.release();
    expect(counts()).toEqual([0, 0]);
  });

  test.each([
    ['nothing may wait beyond it', 0, 4 * GIB],
    ['the host has no memory for another', 2, GIB / 4],
  ])('stays a slot to create where %s', async (_why, accepted, freeBytes) => {
    const { next, counts } = world(accepted, freeBytes);
    const first = next()!;
    first.accepted();
    await turns();
    expect(counts()).toEqual([1, 0]);
    first.release();
    expect(counts()).toEqual([0, 0]);
  });

  test('is all given back where the `up` ends while it waits to be exchanged', async () => {
    const { next, counts } = world(1);
    const first = next()!;
    first.accepted();
    await turns();
    const second = next()!;
    second.accepted();
    second.release();
    first.release();
    await turns();
    expect(counts()).toEqual([0, 0]);
  });
});
