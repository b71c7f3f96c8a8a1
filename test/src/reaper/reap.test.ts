import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { RecordStore } from '../../../src/jobs/record-store';
import { beaten, ready } from '../../../src/jobs/transitions';
import type { JobRecord } from '../../../src/jobs/types';
import { machineId } from '../../../src/host/machine';
import { ownerOf } from '../../../src/host/process-owner';
import { trySlot } from '../../../src/host/queue';
import { engineQueue } from '../../../src/host/slots';
import { jobTags } from '../../../src/jobs/identity';
import { carryOut, noted, verdicts, type ReaperDependencies } from '../../../src/reaper/reap';
import { lastReap } from '../../../src/reaper/last-run';
import { cloudInstance } from '../../support/fakes';
import { destroyingRecord, instanceFacts, preparingRecord } from '../../support/job-record';

const NOW = Date.parse('2026-11-24T14:00:00Z');
const GRACE = { graceMs: 60_000, allHosts: false };

let stateDir: string;
let store: RecordStore;
beforeEach(() => {
  stateDir = mkdtempSync(path.join(os.tmpdir(), 'reap-'));
  store = new RecordStore(stateDir);
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const begun = { ...preparingRecord(), releaseAt: '2026-11-24T15:00:00Z' };
const running = ready(begun, instanceFacts);
const { stackName } = begun.identity;
const tagged = cloudInstance({
  instanceId: 'i-1',
  createdAt: '2026-11-24T12:00Z',
  autoReleaseTime: '2026-11-24T15:00:00Z',
  tags: jobTags({
    identity: begun.identity,
    projectPath: 'root/demo',
    runnerId: '7',
    executorId: 'host-1',
    stateDir: '/s',
  }),
});

interface Round {
  readonly dependencies: ReaperDependencies;
  readonly log: string[];
  readonly done: string[];
}

function round(change: Partial<ReaperDependencies> = {}): Round {
  const log: string[] = [];
  const done: string[] = [];
  const dependencies: ReaperDependencies = {
    cloud: {
      findInstances: () => Promise.resolve([]),
      findSecurityGroups: () => Promise.resolve([]),
      findKeyPairs: () => Promise.resolve([]),
      spotPrices: () => Promise.resolve([]),
      madeAt: () => Promise.resolve('2026-11-24T12:00:05Z'),
      systemDisk: () => Promise.resolve({ category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 40 }),
      diskPrice: () => Promise.resolve({ yuanPerHour: 0.042, currency: 'CNY' }),
    },
    engine: { list: () => Promise.resolve([]), destroy: () => Promise.resolve({ instanceGoneAt: undefined }) },
    store,
    executorId: 'host-1',
    stateDir,
    machine: machineId(stateDir),
    ownBackend: true,
    now: () => NOW,
    bootMs: Date.parse('2026-11-20T00:00:00Z'),
    hookAlive: () => false,
    destroyerAlive: () => false,
    folderChangedMs: () => undefined,
    askGitLab: undefined,
    ledger: { fold: () => (done.push('folded'), Promise.resolve()) },
    destroyPending: () => (done.push('destroyed'), Promise.resolve()),
    endOrphanedPlugins: () => Promise.resolve(0),
    sweepFolders: () => Promise.resolve(),
    log: (line) => void log.push(line),
    ...change,
  };
  return { dependencies, log, done };
}

describe('a round of the reaper', () => {
  test.each<[string, () => JobRecord | undefined, Partial<ReaperDependencies>, object]>([
    [
      'marks a job that nobody works on any more',
      () => running,
      {},
      { phase: 'destroying', result: 'system-failure', instance: { instanceId: 'i-1' } },
    ],
    ['leaves a job alone whose hook is at work', () => running, { hookAlive: () => true }, { phase: 'running' }],
    [
      'leaves a stack alone whose destroyer will come',
      () => destroyingRecord(),
      { destroyerAlive: () => true },
      { phase: 'destroying', tries: 0 },
    ],
    [
      'begins anew with a stack that could not be destroyed',
      () => ({ ...destroyingRecord(), tries: 6 }),
      {},
      { phase: 'destroying', tries: 0, endedAt: destroyingRecord().endedAt },
    ],
    [
      'leaves an instance that is kept for a look',
      () => ({ ...destroyingRecord(), notBefore: '2026-11-24T14:30:00Z' }),
      {},
      { phase: 'destroying', notBefore: '2026-11-24T14:30:00Z' },
    ],
  ])('%s', async (_name, record, change, expected) => {
    store.write(record()!);
    const { dependencies } = round(change);
    await carryOut(await verdicts(dependencies, GRACE), dependencies, GRACE);
    expect(store.read(stackName)).toMatchObject(expected);
  });

  test('sweeps what has not changed for the grace, once what is to go has gone', async () => {
    store.write(running);
    const { dependencies, done } = round({
      sweepFolders: (beforeMs) => Promise.resolve(void done.push(`swept ${NOW - beforeMs}`)),
    });
    await carryOut(await verdicts(dependencies, GRACE), dependencies, GRACE);
    expect(done).toEqual(['destroyed', `swept ${GRACE.graceMs}`, 'folded']);
  });

  test('finds the instance of a job whose creator died before it wrote it down', async () => {
    store.write(begun);
    const cloud = { ...round().dependencies.cloud, findInstances: () => Promise.resolve([tagged]) };
    const acts: unknown[] = [];
    const { dependencies, done } = round({ cloud, audit: (act) => acts.push(act) });
    await carryOut(await verdicts(dependencies, GRACE), dependencies, GRACE);
    expect(acts).toEqual([{ action: 'reap', target: stackName, detail: expect.stringContaining('no hook') as string }]);
    expect(store.read(stackName)).toMatchObject({
      phase: 'destroying',
      instance: { instanceId: 'i-1', createdAt: '2026-11-24T12:00:05.000Z' },
    });
    expect(done).toEqual(['destroyed', 'folded']);
  });

  test('adopts what this host made and no record speaks of: its disk was lost', async () => {
    const instance = { ...tagged, tags: { ...tagged.tags, 'gitlab-spot/state-folder': stateDir } };
    const cloud = { ...round().dependencies.cloud, findInstances: () => Promise.resolve([instance]) };
    const { dependencies } = round({ cloud });
    const decided = await verdicts(dependencies, GRACE);
    expect(decided.map(({ decision }) => decision.action)).toEqual(['adopt']);
    await carryOut(decided, dependencies, GRACE);
    expect(store.read(stackName)).toMatchObject({
      phase: 'destroying',
      project: 'root/demo',
      releaseAt: '2026-11-24T15:00:00Z',
      instance: { instanceId: 'i-1' },
    });
  });

  test('leaves alone what another machine of this name made, also in a copy of its state folder, and says so', async () => {
    store.write(running);
    const instance = { ...tagged, tags: { ...tagged.tags, 'gitlab-spot/machine': 'another' } };
    const cloud = { ...round().dependencies.cloud, findInstances: () => Promise.resolve([instance]) };
    const { dependencies, log, done } = round({ cloud, machine: 'this' });
    const decided = await verdicts(dependencies, GRACE);
    expect(decided.map(({ decision }) => decision)).toEqual([
      { action: 'report', reason: 'it belongs to host-1 on machine another; --all-hosts reaps it too' },
    ]);
    expect(log).toEqual([expect.stringContaining('another machine has this host’s name')]);
    await carryOut(decided, dependencies, GRACE);
    expect(store.read(stackName)?.phase).toBe('running');
    expect(done).toEqual(['folded']);
  });

  test('touches nothing of a job whose hook began after the decision', async () => {
    store.write(running);
    const { dependencies, done } = round();
    const decided = await verdicts(dependencies, GRACE);
    store.write(beaten(running, NOW));
    expect(await carryOut(decided, dependencies, GRACE)).toEqual([]);
    expect(store.read(stackName)?.phase).toBe('running');
    expect(done).toEqual(['folded']);
  });

  test('names what is left, and ends the providers of killed CLIs', async () => {
    store.write(running);
    const { dependencies, log } = round({ endOrphanedPlugins: () => Promise.resolve(2) });
    expect(await carryOut(await verdicts(dependencies, GRACE), dependencies, GRACE)).toEqual([stackName]);
    expect(log).toContain('Ended 2 provider processes of killed pulumi CLIs');
  });

  test('forgets the tickets of killed hooks, and not those of the living', async () => {
    const queue = engineQueue({ stateDir, limits: { concurrentUps: 4 } as never });
    const mine = trySlot(queue)!;
    const child = spawn('sleep', ['60']);
    const owner = ownerOf(child.pid!)!;
    writeFileSync(path.join(queue.directory, '9'.repeat(20)), JSON.stringify({ owner }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { dependencies } = round();
    await carryOut(await verdicts(dependencies, GRACE), dependencies, GRACE);
    expect(readdirSync(queue.directory).filter((name) => /^\d+$/.test(name))).toHaveLength(1);
    mine.release();
  });

  test('decides nothing where the cloud can not be asked', async () => {
    store.write(running);
    const cloud = { ...round().dependencies.cloud, findInstances: () => Promise.reject(new Error('Throttling')) };
    await expect(verdicts(round({ cloud }).dependencies, GRACE)).rejects.toThrow('Throttling');
    expect(store.read(stackName)?.phase).toBe('running');
  });

  test('is written down, also one that failed', async () => {
    await noted({ stateDir }, () => Promise.resolve({ decided: [], left: [] }));
    const well = lastReap(stateDir);
    await expect(noted({ stateDir }, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(lastReap(stateDir)).not.toEqual(well);
  });
});
