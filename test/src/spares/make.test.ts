import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { queueLength, trySlot } from '../../../src/host/queue';
import { engineQueue } from '../../../src/host/slots';
import { RecordStore } from '../../../src/jobs/record-store';
import { makeSpare, NoSlotNow, type MakeDependencies } from '../../../src/spares/make';
import { fillKeys } from '../../../src/ssh/key-reserve';
import { fakeClock, keptLog } from '../../support/fakes';
import { shapeSettings, spareProfile } from '../../support/spare';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(os.tmpdir(), 'make-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

/** On a host with one slot, which may be taken. */
function make(change: Partial<MakeDependencies> = {}) {
  const settings = {
    ...shapeSettings,
    stateDir,
    executorId: 'host-1',
    limits: { concurrentUps: 1, acceptedUps: 1 },
  } as unknown as MakeDependencies['settings'];
  const queue = engineQueue(settings);
  const store = new RecordStore(stateDir);
  const done = (): Promise<unknown> =>
    makeSpare(spareProfile(), {
      settings,
      store,
      log: keptLog(),
      now: fakeClock().now,
      signal: new AbortController().signal,
      checkBudget: ({ hold }) => Promise.resolve(hold()).then(() => []),
      trySlot: () => trySlot(queue),
      ...change,
    } as MakeDependencies);
  return { done, queue, store };
}

describe('a spare machine', () => {
  test('that has no slot now takes no login key, which a job may want, and leaves nothing', async () => {
    await fillKeys(stateDir, { most: 1, isQuiet: () => true, signal: new AbortController().signal });
    const { done, queue, store } = make();
    trySlot(queue);
    await expect(done()).rejects.toThrow(NoSlotNow);
    expect(readdirSync(path.join(stateDir, 'keys'))).toHaveLength(1);
    expect(store.names()).toEqual([]);
  });

  test('that the budget does not allow gives its slot back', async () => {
    const { done, queue } = make({ checkBudget: () => Promise.reject(new Error('the budget is spent')) });
    await expect(done()).rejects.toThrow('the budget is spent');
    expect(queueLength(queue)).toBe(0);
  });
});
