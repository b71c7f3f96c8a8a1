import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { entriesOf } from '../../../src/billing/cost';
import { CloudRefused } from '../../../src/cloud/errors';
import { SpotError } from '../../../src/errors';
import { RecordStore } from '../../../src/jobs/record-store';
import { ended, neverBegan, planned, type Preparing } from '../../../src/jobs/transitions';
import { jobIdentity } from '../../../src/jobs/identity';
import type { JobRecord } from '../../../src/jobs/types';
import { readSettings } from '../../../src/settings/settings';
import { claimSpare, type ClaimDependencies, type ClaimRequest } from '../../../src/spares/claim';
import { destroyPending } from '../../../src/teardown/destroyer';
import { cloudInstance, fakeClock, fakeConnection, keptLog, START } from '../../support/fakes';
import { instanceFacts } from '../../support/job-record';
import { HALF_HOUR, putSpare, shapeSettings, spareProfile, spareRecord } from '../../support/spare';

let stateDir: string;
let store: RecordStore;
beforeEach(() => {
  stateDir = mkdtempSync(path.join(os.tmpdir(), 'claim-'));
  store = new RecordStore(stateDir);
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

class Refused extends SpotError {
  readonly blame = 'cloud';
}

/**
 * A world in which everything answers; `steps` is told before each thing that it is asked to do.
 */
function world(change: Partial<ClaimDependencies> = {}, step: (what: string) => void = () => undefined) {
  const asked: string[] = [];
  const ask = (what: string): void => {
    step(what);
    asked.push(what);
  };
  const log = keptLog();
  const dependencies: ClaimDependencies = {
    settings: { ...shapeSettings, limits: { releaseMarginMs: HALF_HOUR } } as unknown as ClaimDependencies['settings'],
    store: stepping(store, step),
    cloud: {
      tagInstance: async (id, tags) => ask(`tag ${id} for ${tags.holder}`),
      setReleaseTime: async (id, at) => ask(`release ${id} at ${at}`),
      describeInstance: async (id) => (ask(`describe ${id}`), cloudInstance({ instanceId: id })),
    },
    imageId: () => Promise.resolve('m-1'),
    losses: () => Promise.resolve([]),
    waitForSsh: async () => (ask('login'), fakeConnection()),
    log,
    now: fakeClock().now,
    signal: new AbortController().signal,
    ...change,
  };
  return { asked, log: log.lines, dependencies };
}

/** Each write of records is a step too. */
function stepping(real: RecordStore, step: (what: string) => void): RecordStore {
  return new Proxy(real, {
    get: (target, key: keyof RecordStore) => {
      const value = target[key];
      if (typeof value !== 'function') return value;
      return (...args: never[]) => {
        if (['write', 'take', 'remove'].includes(key)) step(key);
        return (value as (...all: never[]) => unknown).apply(target, args);
      };
    },
  });
}

function job(jobId = 1001, change: Partial<Preparing> = {}): ClaimRequest {
  const identity = jobIdentity('https://gitlab.example.com', jobId, 1);
  const record = {
    ...planned({ identity, executorId: 'host-1', profile: 'standard', timeoutMs: 2 * HALF_HOUR }, START),
    ...change,
  };
  store.write(record);
  return {
    record,
    profile: spareProfile(),
    tags: () => ({ holder: identity.stackName }),
    lifeMs: 2 * HALF_HOUR,
    provision: () => Promise.resolve(),
  };
}

const recordOf = ({ record }: ClaimRequest): JobRecord | undefined => store.read(record.identity.stackName);

describe('a job that finds a spare machine', () => {
  test('has it after three calls and a login, with its key, its release time and its tags', async () => {
    const spare = putSpare(store);
    const { asked, dependencies } = world();
    const request = job();
    expect(await claimSpare(request, dependencies)).toMatchObject({ instanceId: 'i-1', readyAt: expect.any(String) });
    expect(asked.sort()).toEqual([
      'describe i-1',
      'login',
      'release i-1 at 2026-11-24T13:30:00Z',
      'tag i-1 for job-gitlab.example.com-1001-1',
    ]);
    expect(recordOf(request)).toMatchObject({
      phase: 'running',
      releaseAt: '2026-11-24T13:30:00Z',
      spare: { stackName: spare.identity.stackName, claimedAt: '2026-11-24T12:00:00.000Z' },
    });
    expect(readFileSync(store.files(request.record.identity.stackName).privateKey, 'utf8')).toBe('KEY');
    expect(store.spares()).toEqual([]);
    expect(existsSync(store.files(spare.identity.stackName).directory)).toBe(false);
  });

  test('of many jobs that ask at once each has one of its own, and the others none', async () => {
    for (const number of [1, 2, 3]) putSpare(store, spareRecord({ number }));
    const requests = Array.from({ length: 8 }, (_, index) => job(2000 + index));
    const had = await Promise.all(requests.map((request) => claimSpare(request, world().dependencies)));
    expect(had.flatMap((one) => one?.instanceId ?? []).sort()).toEqual(['i-1', 'i-2', 'i-3']);
    for (const [index, request] of requests.entries())
      expect(recordOf(request)?.phase).toBe(had[index] ? 'running' : 'preparing');
    expect(requests.filter((request) => neverBegan(recordOf(request)!))).toHaveLength(5);
  });

  test.each<[string, Partial<ClaimDependencies>, Partial<Preparing>]>([
    ['there is a newer image', { imageId: () => Promise.resolve('m-2') }, {}],
    ['nobody can say which image is the newest', { imageId: () => Promise.resolve(undefined) }, {}],
    ['its last try lost an instance', { losses: () => Promise.resolve([instanceFacts.pool]) }, {}],
  ])('leaves it where %s', async (_title, change, record) => {
    putSpare(store);
    const { dependencies, asked } = world(change);
    const request = job(1001, record);
    expect(await claimSpare(request, dependencies)).toBeUndefined();
    expect(asked).toEqual([]);
    expect(store.takerOf(spareRecord().identity.stackName)).toBeUndefined();
  });

  const fails = (error: Error) => () => Promise.reject(error);
  const forbidden = { action: 'TagResources', code: 'Forbidden.RAM', message: '', requestId: '' };
  test.each<[string, Partial<ClaimDependencies & ClaimDependencies['cloud']>]>([
    ['does not answer', { waitForSsh: fails(new Refused('no answer')) }],
    ['is being taken back', { describeInstance: () => Promise.resolve(cloudInstance({ recycling: true })) }],
    ['is gone', { describeInstance: () => Promise.resolve(undefined) }],
    ['may not be tagged', { tagInstance: fails(new CloudRefused(forbidden, false)) }],
  ])('lets it go where it %s, takes the next, and after two goes today’s way', async (_title, change) => {
    for (const number of [1, 2, 3]) putSpare(store, spareRecord({ number }));
    const request = job();
    const { dependencies, log } = world();
    const bad = { ...dependencies, ...change, cloud: { ...dependencies.cloud, ...change } };
    expect(await claimSpare(request, bad)).toBeUndefined();
    expect(log.filter((line) => line.startsWith('WARNING'))).toHaveLength(2);
    expect(
      store
        .spares()
        .map(({ phase }) => phase)
        .sort(),
    ).toEqual(['destroying', 'destroying', 'spare']);
    expect(recordOf(request)).toMatchObject({ phase: 'preparing' });
    expect(neverBegan(recordOf(request)!)).toBe(true);
  });

  test('whose image can’t be pulled fails, and takes the machine with it', async () => {
    const spare = putSpare(store);
    const request = { ...job(), provision: () => Promise.reject(new Refused('no such image')) };
    await expect(claimSpare(request, world().dependencies)).rejects.toThrow('no such image');
    expect(neverBegan(recordOf(request)!)).toBe(false);
    expect(await destroyedAfter(request)).toEqual({
      destroyed: [`${request.record.identity.stackName} made as ${spare.identity.stackName}`],
      billed: 2,
    });
  });
});

/** What the cleanup and the destroyer do after the job's end, on a disk as it is then. */
async function destroyedAfter(request: ClaimRequest): Promise<{ destroyed: string[]; billed: number }> {
  const { stackName } = request.record.identity;
  const left = store.readLenient(stackName);
  if (left && neverBegan(left)) store.remove(stackName);
  else if (left && left.phase !== 'destroying') store.write(ended(left, { status: 'failed', noRetry: false }, START));
  const destroyed: string[] = [];
  const ledger = new Set<string>();
  await destroyPending({
    settings: readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: stateDir }, { cloud: false }),
    store,
    engine: {
      destroy: (name, { madeAs = name }) => {
        destroyed.push(madeAs === name ? name : `${name} made as ${madeAs}`);
        return Promise.resolve({ instanceGoneAt: undefined });
      },
    },
    findInstance: () => Promise.resolve(undefined),
    log: () => undefined,
    now: () => START + HALF_HOUR,
    onGone: (record) =>
      Promise.resolve(
        entriesOf(record, new Date(START + HALF_HOUR)).forEach(({ stack, instanceId }) =>
          ledger.add(`${stack}@${instanceId}`),
        ),
      ),
  });
  return { destroyed, billed: ledger.size };
}

class Death extends Error {}

describe('whoever dies while it claims', () => {
  // intent, taking, three calls and a login, running, the spare's folder
  const STEPS = 8;
  test.each(Array.from({ length: STEPS }, (_, index) => index + 1))(
    'at its step %i: the machine is another job’s, or goes once and is paid for once',
    async (fatal) => {
      const spare = putSpare(store);
      const name = spare.identity.stackName;
      let done = 0;
      const { dependencies } = world({}, () => {
        if (++done >= fatal) throw new Death();
      });
      const request = job();
      await expect(claimSpare(request, dependencies)).rejects.toThrow(Death);
      const { destroyed, billed } = await destroyedAfter(request);
      const next = await claimSpare(job(2000), world().dependencies);
      if (next) {
        expect({ destroyed: destroyed.filter((one) => one.includes(name)), billed }).toEqual({
          destroyed: [],
          billed: 0,
        });
      } else {
        expect({ destroyed: destroyed.filter((one) => one.includes(name)), billed }).toEqual({
          destroyed: [`${request.record.identity.stackName} made as ${name}`],
          billed: 2,
        });
        expect(store.spares()).toEqual([]);
      }
      expect(store.list().filter(({ stackName }) => stackName !== 'job-gitlab.example.com-2000-1')).toEqual([]);
    },
  );

  test('and comes back (a shell that waited) has what it had taken', async () => {
    putSpare(store);
    let done = 0;
    const request = job();
    const { dependencies } = world({}, () => {
      if (++done >= 3) throw new Death();
    });
    await expect(claimSpare(request, dependencies)).rejects.toThrow(Death);
    const again = { ...request, record: recordOf(request) as Preparing };
    expect(await claimSpare(again, world().dependencies)).toMatchObject({ instanceId: 'i-1' });
  });

  test('after another job had it takes nothing of that job’s along', async () => {
    const spare = putSpare(store);
    const slow = job(1001, {
      spare: { stackName: spare.identity.stackName, claimedAt: new Date(START).toISOString() },
    });
    await claimSpare(job(2000), world().dependencies);
    expect(await destroyedAfter(slow)).toEqual({ destroyed: [slow.record.identity.stackName], billed: 0 });
  });
});
