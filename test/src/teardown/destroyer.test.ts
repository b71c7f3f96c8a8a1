import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { trySlot } from '../../../src/host/queue';
import { RecordStore } from '../../../src/jobs/record-store';
import type { JobRecord } from '../../../src/jobs/types';
import { destroyPending, MAX_TRIES, type DestroyerDependencies } from '../../../src/teardown/destroyer';
import { destroyerQueue } from '../../../src/host/slots';
import { readSettings } from '../../../src/settings/settings';
import { destroyingRecord, preparingRecord } from '../../support/job-record';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(os.tmpdir(), 'destroyer-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const doomed = (jobId: number, change: object = {}): JobRecord => ({
  ...destroyingRecord(jobId),
  endedAt: '2026-11-24T12:08:00.000Z',
  ...change,
});

/**
 * A destroyer whose engine fails the given number of times for each stack; its clock goes on only
 * while it pauses.
 */
function destroyer(failures = 0, change: Partial<DestroyerDependencies> = {}) {
  const settings = readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: stateDir }, { cloud: false });
  const store = new RecordStore(stateDir);
  const calls: string[] = [];
  const gone: JobRecord[] = [];
  let [running, most, nowMs] = [0, 0, Date.parse('2026-11-24T12:10:00Z')];
  const dependencies: DestroyerDependencies = {
    settings,
    store,
    engine: {
      async destroy(stackName, { onInstanceGone }) {
        calls.push(stackName);
        if (calls.length === 1) onInstanceGone?.(new Date(nowMs));
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        if (calls.filter((name) => name === stackName).length <= failures) throw new Error('the cloud is away');
        return { instanceGoneAt: undefined };
      },
    },
    log: () => undefined,
    now: () => nowMs,
    pause: (ms) => {
      nowMs += ms;
      return new Promise((resolve) => setImmediate(resolve));
    },
    onGone: (record) => Promise.resolve(void gone.push(record)),
    ...change,
  };
  return { store, calls, gone, dependencies, most: () => most, now: () => nowMs };
}

describe('the destroyer', () => {
  test('destroys every stack whose record says so, a few at a time, and nothing else', async () => {
    const { store, calls, gone, dependencies, most } = destroyer();
    for (const jobId of [1, 2, 3, 4, 5]) store.write(doomed(jobId));
    store.write(preparingRecord(6));
    expect(await destroyPending(dependencies)).toBe(true);
    expect(new Set(calls).size).toBe(5);
    expect(gone).toHaveLength(5);
    expect(most()).toBe(2);
    expect(store.list().map(({ record }) => record?.phase)).toEqual(['preparing']);
  });

  test('leaves the work to the one that is at it', async () => {
    const { store, calls, dependencies } = destroyer();
    store.write(doomed(1));
    const held = trySlot(destroyerQueue(dependencies.settings))!;
    expect(await destroyPending(dependencies)).toBe(false);
    expect(calls).toEqual([]);
    held.release();
  });

  test('tries again after a failure, later each time', async () => {
    const { store, calls, gone, dependencies } = destroyer(3);
    store.write(doomed(1));
    await destroyPending(dependencies);
    expect(calls).toHaveLength(4);
    expect(gone).toHaveLength(1);
    expect(store.list()).toEqual([]);
  });

  test('does not wait for a time that comes again because the clock was set back', async () => {
    const { store, gone, dependencies, now } = destroyer();
    const began = now();
    store.write(doomed(1, { tries: 1, heartbeatAt: new Date(began + 3 * 3_600_000).toISOString() }));
    await destroyPending(dependencies);
    expect(gone).toHaveLength(1);
    expect(now() - began).toBeLessThan(60_000);
  });

  test('knows after failures when the instance was gone: it is not paid for until the last try', async () => {
    const { store, gone, dependencies, now } = destroyer(3);
    const began = new Date(now()).toISOString();
    store.write(doomed(1));
    await destroyPending(dependencies);
    expect(now()).toBeGreaterThan(Date.parse(began) + 60_000);
    const { goneAt = '' } = gone[0] as { goneAt?: string };
    expect(Date.parse(goneAt) - Date.parse(began)).toBeLessThan(1_000);
  });

  test('hands over to the reaper in the end, with the record kept', async () => {
    const { store, calls, gone, dependencies } = destroyer(Infinity);
    store.write(doomed(1));
    await destroyPending(dependencies);
    expect(calls).toHaveLength(MAX_TRIES);
    expect(gone).toEqual([]);
    expect(store.list()[0]?.record).toMatchObject({ phase: 'destroying', tries: MAX_TRIES });
  });

  test('tries again with the settings as they are then', async () => {
    const mended: string[] = [];
    const { store, calls, gone, dependencies } = destroyer(Infinity);
    store.write(doomed(1));
    await destroyPending({
      ...dependencies,
      anew: () => ({
        ...dependencies,
        engine: {
          destroy: (name) => Promise.resolve(void mended.push(name)).then(() => ({ instanceGoneAt: undefined })),
        },
      }),
    });
    expect([calls.length, mended.length, gone.length]).toEqual([1, 1, 1]);
  });

  test('settings that can not be read at another try are one more failure', async () => {
    const { store, calls, dependencies } = destroyer(Infinity);
    store.write(doomed(1));
    await destroyPending({
      ...dependencies,
      anew: () => {
        throw new Error('the env file is half written');
      },
    });
    expect(calls).toHaveLength(1);
    expect(store.list()[0]?.record).toMatchObject({ tries: MAX_TRIES });
  });

  test('who is killed while the instance goes leaves word of when it was deleted', async () => {
    const { store, dependencies } = destroyer(0, {
      engine: {
        destroy: (_name, { onDeleting }) => {
          onDeleting?.();
          throw new Error('killed');
        },
      },
    });
    store.write(doomed(1, { tries: MAX_TRIES - 1 }));
    await destroyPending(dependencies);
    expect(store.list()[0]?.record).toMatchObject({
      deletedAt: expect.stringMatching(/^2026-11-24T12:10:/) as string,
      tries: MAX_TRIES,
    });
  });

  test('lets a kept instance live until its time', async () => {
    const { store, gone, dependencies, now } = destroyer();
    const notBefore = '2026-11-24T12:30:00.000Z';
    store.write(doomed(1, { notBefore }));
    await destroyPending(dependencies);
    expect(gone).toHaveLength(1);
    expect(now()).toBeGreaterThanOrEqual(Date.parse(notBefore));
  });
});
