import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CloudInstance } from '../../../src/cloud/types';
import { RecordStore } from '../../../src/jobs/record-store';
import { planned, type Spare } from '../../../src/jobs/transitions';
import { spareIdentity } from '../../../src/jobs/identity';
import type { Arrival } from '../../../src/spares/forecast';
import { keepSpares, type KeepDependencies } from '../../../src/spares/keep';
import { NoSlotNow } from '../../../src/spares/make';
import { cloudInstance, START } from '../../support/fakes';
import { HALF_HOUR, putSpare, shapeSettings, spareProfile, spareRecord } from '../../support/spare';

let stateDir: string;
let store: RecordStore;
beforeEach(() => {
  stateDir = mkdtempSync(path.join(os.tmpdir(), 'keep-'));
  store = new RecordStore(stateDir);
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

interface World {
  readonly keep?: number;
  readonly max?: number;
  readonly nowMs?: number;
  readonly seen?: readonly CloudInstance[] | Error;
  /** What the cloud says of one by its id; left out: it is gone. */
  readonly byId?: CloudInstance | Error;
  readonly change?: Partial<KeepDependencies>;
}

/** One keeper to its end; what it makes waits at once. */
async function kept({ keep = 1, max, nowMs = START, seen, byId, change = {} }: World = {}) {
  const profile = spareProfile({ spares: { ...spareProfile().spares!, keep, max } });
  const events: string[] = [];
  let made = 100;
  const all = (): CloudInstance[] =>
    store
      .spares()
      .flatMap((record) => (record.phase === 'spare' ? cloudInstance({ instanceId: record.instance.instanceId }) : []));
  const result = await keepSpares({
    settings: { ...shapeSettings, executorId: 'host-1' } as unknown as KeepDependencies['settings'],
    profiles: () => ({ default: 'standard', profiles: keep + (max ?? 0) > 0 ? { standard: profile } : {} }),
    arrivals: () => [],
    store,
    cloud: {
      findInstances: () => (seen instanceof Error ? Promise.reject(seen) : Promise.resolve(seen ?? all())),
      describeInstance: () => (byId instanceof Error ? Promise.reject(byId) : Promise.resolve(byId)),
    },
    imageId: () => Promise.resolve('m-1'),
    isDrained: () => false,
    make: () => {
      const record = putSpare(store, spareRecord({ number: ++made, startMs: nowMs }));
      events.push(`make ${record.instance.instanceId}`);
      return Promise.resolve(record.instance);
    },
    tryAlone: () => ({ release: () => events.push('release') }),
    destroyPending: () => Promise.resolve(events.push('destroy')),
    log: (line) => {
      if (line.includes('goes')) events.push(line.replace(/^(\S+): goes \((.*)\).*/, 'end: $2'));
    },
    now: () => nowMs,
    signal: new AbortController().signal,
    ...change,
  });
  return { result, events };
}

const left = (): string[] =>
  store
    .spares()
    .map((record) => `${(record as Spare).instance.instanceId} ${record.phase}`)
    .sort();

describe('the keeper', () => {
  test('makes as many as the page wants, looks once more, and ends', async () => {
    const { events, result } = await kept({ keep: 3 });
    expect(events).toEqual(['make i-101', 'make i-102', 'make i-103', 'release']);
    expect(result).toMatchObject({ gone: [], failed: [] });
  });

  test('does nothing where enough wait, nor beside another keeper', async () => {
    putSpare(store);
    expect((await kept()).events).toEqual(['release']);
    expect(await kept({ change: { tryAlone: () => undefined } })).toEqual({ result: undefined, events: [] });
  });

  test('makes another before one goes whose time is over', async () => {
    putSpare(store);
    const { events } = await kept({ nowMs: START + HALF_HOUR });
    expect(events).toEqual(['make i-101', 'end: nobody came', 'release', 'destroy']);
    expect(left()).toEqual(['i-1 destroying', 'i-101 spare']);
  });

  test.each<[string, World, string]>([
    ['the page wants none any more', { keep: 0 }, 'the page wants no spares of its profile'],
    ['a person drains the host', { change: { isDrained: () => true } }, 'drained'],
  ])('ends those that wait when %s, and makes none', async (_title, world, reason) => {
    putSpare(store);
    const { events } = await kept(world);
    expect(events).toEqual([`end: ${reason}`, 'release', 'destroy']);
    expect(left()).toEqual(['i-1 destroying']);
  });

  test('ends the oldest where the page wants fewer', async () => {
    for (const number of [2, 1]) putSpare(store, spareRecord({ number, startMs: START + number * 1000 }));
    await kept({ nowMs: START + 5000 });
    expect(left()).toEqual(['i-1 destroying', 'i-2 spare']);
  });

  test('notes when the cloud has taken one back, and makes another', async () => {
    putSpare(store);
    const { events } = await kept({ seen: [], change: { isDrained: () => false } });
    expect(events.slice(0, 2)).toEqual(['end: the cloud takes it back', 'make i-101']);
    expect(store.spares().find(({ phase }) => phase === 'destroying')).toMatchObject({
      loss: { reason: 'interrupted', at: new Date(START).toISOString() },
    });
  });

  test('gives none up because the cloud can’t be asked', async () => {
    putSpare(store);
    expect((await kept({ seen: new Error('away') })).events).toEqual(['release']);
  });

  test('keeps one that its tags do not find yet, and asks the cloud for it by its id', async () => {
    putSpare(store);
    expect((await kept({ seen: [], byId: cloudInstance({ instanceId: 'i-1' }) })).events).toEqual(['release']);
    expect((await kept({ seen: [], byId: new Error('away') })).events).toEqual(['release']);
    expect(left()).toEqual(['i-1 spare']);
  });

  test('leaves to a job what that has taken, and counts it no more', async () => {
    const spare = putSpare(store);
    store.take(spare.identity.stackName, 'job-x-1-1');
    expect((await kept()).events).toEqual(['make i-101', 'release']);
    expect(left()).toEqual(['i-1 spare', 'i-101 spare']);
  });

  test('goes on with one that a killed keeper had begun to end, or to make', async () => {
    const spare = putSpare(store);
    store.take(spare.identity.stackName, spare.identity.stackName);
    const identity = spareIdentity('standard', START, 'dead');
    store.write(planned({ identity, executorId: 'host-1', profile: 'standard', hookPid: 1 }, START));
    const { events } = await kept();
    expect(events).toEqual(['end: it was already being given up', 'make i-101', 'release', 'destroy']);
    expect(store.read(identity.stackName)?.phase).toBe('destroying');
  });

  test('looks again where a job took one while the cloud was asked', async () => {
    const { stackName } = putSpare(store).identity;
    const imageId = () => (store.take(stackName, 'job-x-1-1'), store.remove(stackName), Promise.resolve('m-1'));
    expect((await kept({ change: { imageId } })).events).toEqual(['make i-101', 'release']);
  });

  test('ends of a failure only once what else it makes is made: another keeper would take that for a dead one’s', async () => {
    const events: string[] = [];
    const make = async () => {
      if (events.push('make') === 1) throw new Error('no space left');
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      events.push('made');
      return putSpare(store).instance;
    };
    const tryAlone = () => ({ release: () => events.push('release') });
    await expect(kept({ keep: 2, change: { make, tryAlone } })).rejects.toThrow('no space left');
    expect(events).toEqual(['make', 'make', 'made', 'release']);
  });

  test('asks no further for a profile that can’t be had now, and says why; a busy host is no failure', async () => {
    let tries = 0;
    const busy = new NoSlotNow('No slot');
    const make = (): Promise<never> => Promise.reject((tries++, busy));
    expect((await kept({ keep: 5, change: { make } })).result).toEqual({ made: [], gone: [], failed: [] });
    expect(tries).toBeLessThanOrEqual(2);
  });

  test('waits for the job that follows another, makes its machine in time, and ends it when nobody came', async () => {
    const MINUTE = 60_000;
    const job = (pipeline: number, name: string, atMs: number): Arrival => {
      return { atMs, project: 'gitlab.example.com#7', pipeline, job: name, profile: 'standard' };
    };
    const day = 24 * 60 * MINUTE;
    const past = [1, 2, 3].flatMap((n) => [
      job(n, 'build', START - n * day),
      job(n, 'test', START - n * day + 4 * MINUTE),
    ]);
    let nowMs = START;
    const looks: number[] = [];
    const { events, result } = await kept({
      keep: 0,
      max: 2,
      change: {
        now: () => nowMs,
        arrivals: () => [...past.reverse(), job(9, 'build', START)],
        make: (_profile, onCreated) => {
          looks.push(nowMs - START);
          onCreated();
          const record = putSpare(store, spareRecord({ number: 101, startMs: nowMs }));
          return Promise.resolve(record.instance);
        },
        pause: (ms) => Promise.resolve((nowMs += ms)),
        destroyPending: () =>
          Promise.resolve(
            left().length && store.remove(spareRecord({ number: 101, startMs: START + looks[0]! }).identity.stackName),
          ),
      },
    });
    // A boot of 40 s before the job is expected.
    expect(looks).toHaveLength(1);
    expect(looks[0]! / 1000).toBeGreaterThanOrEqual(4 * 60 - 40);
    expect(looks[0]! / 1000).toBeLessThanOrEqual(4 * 60 - 30);
    expect(events).toEqual(['end: no job is expected any more', 'release']);
    expect(left()).toEqual([]);
    expect(result?.gone).toHaveLength(1);
    expect((nowMs - START) / MINUTE).toBeLessThan(8);
  });
});
