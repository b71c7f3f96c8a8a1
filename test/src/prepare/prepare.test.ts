import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineFailed, PlacementRefused, UpCancelled } from '../../../src/engine';
import type { HookContext } from '../../../src/gitlab/contract';
import { queueLength } from '../../../src/host/queue';
import { engineQueue } from '../../../src/host/slots';
import { RecordStore } from '../../../src/jobs/record-store';
import { neverBegan, removed } from '../../../src/jobs/transitions';
import type { JobRecord } from '../../../src/jobs/types';
import type { Candidate } from '../../../src/placement';
import { prepare, type PrepareDependencies } from '../../../src/prepare/prepare';
import { SshWaitTimeout, type SshKeyPair } from '../../../src/ssh';
import { fillKeys } from '../../../src/ssh/key-reserve';
import {
  asksFirst,
  cloudInstance,
  endlessUp,
  fakeClock,
  fakeConnection,
  fakeEngine,
  instancesSeen,
  keptLog,
  START,
  upResult,
  type FakeEngine,
  type UpScript,
} from '../../support/fakes';
import { testProfile } from '../../support/profile';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(os.tmpdir(), 'prepare-'))));
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const candidate = (instanceType: string, change: Partial<Candidate> = {}): Candidate => ({
  zoneId: 'cn-x',
  vSwitchId: 'vsw-1',
  instanceType,
  market: 'spot',
  priceYuanPerHour: 0.155,
  onDemandYuanPerHour: 0.815,
  diskYuanPerHour: 0.042,
  currency: 'CNY',
  interruptionRate: undefined,
  stock: 'WithStock',
  durationHours: 0,
  reason: 'cheapest',
  ...change,
});
const FIRST = candidate('ecs.c7.xlarge');
const SECOND = candidate('ecs.c8a.xlarge');

const refusal = (code: string, action = 'RunInstances') => new PlacementRefused(code, action, '');
const succeeds: UpScript = asksFirst(() => Promise.resolve(upResult));
const fails = (error: Error): UpScript => asksFirst(() => Promise.reject(error));

interface World {
  readonly ups?: readonly UpScript[];
  readonly engine?: FakeEngine;
  readonly candidates?: readonly Candidate[];
  readonly change?: Partial<PrepareDependencies>;
}

/** A prepare in a world of fakes, to its end, and all that can be seen of it afterwards. */
async function prepared({
  ups = [succeeds],
  engine = fakeEngine(ups),
  candidates = [FIRST, SECOND],
  change,
}: World = {}) {
  const { now, pause } = fakeClock();
  const log = keptLog();
  const store = new RecordStore(stateDir);
  const reported: string[] = [];
  const ledger: { record: JobRecord; goneAt: Date }[] = [];
  const settings = {
    stateDir,
    executorId: 'host-1',
    cloud: { region: 'cn-x', vpcId: 'vpc-1', executorCidrs: ['10.0.0.5/32'], usePublicAddress: false },
    ssh: { port: 22, user: 'root' },
    limits: {
      bootMs: 300_000,
      placementMs: 600_000,
      maxCandidates: 8,
      concurrentUps: 1,
      acceptedUps: 1,
      releaseMarginMs: 1_800_000,
    },
  } as unknown as PrepareDependencies['settings'];
  const error: unknown = await prepare(context, {
    settings,
    profiles: { default: 'standard', profiles: { standard: testProfile() } },
    store,
    log,
    now,
    pause,
    signal: new AbortController().signal,
    checkBudget: ({ hold }) => Promise.resolve(hold()).then(() => []),
    cloud: {
      findInstances: instancesSeen([cloudInstance()]),
      madeAt: () => Promise.resolve(undefined),
      resolveImage: () => Promise.resolve({ imageId: 'm-1', imdsSupport: 'v2' }),
    } as unknown as PrepareDependencies['cloud'],
    engine,
    placement: {
      candidates: () => Promise.resolve({ candidates, rejected: [], warnings: [] }),
      reportFailure: (pool, code) => (reported.push(`${pool.instanceType} ${code}`), Promise.resolve()),
      reportLoss: () => Promise.resolve(),
    },
    waitForSsh: () => Promise.resolve(fakeConnection()),
    onGone: (record, goneAt) => (ledger.push({ record, goneAt }), Promise.resolve()),
    ...change,
  }).then(
    () => undefined,
    (one: unknown) => one,
  );
  const record = store.list()[0]?.record;
  return { error, record, engine, log: log.lines, reported, ledger, store, queue: queueLength(engineQueue(settings)) };
}

const context = {
  job: {
    serverUrl: 'https://gitlab.example.com',
    jobId: 1001,
    jobName: 'build',
    pipelineId: 7,
    project: { id: 1, path: 'team/app' },
    ref: { name: 'main', protected: true },
    userLogin: 'root',
    runner: { id: '1', shortToken: 'abc', version: '19.3.0' },
    timeoutMs: 3_600_000,
    startedAt: new Date(START),
    attempt: 1,
    choice: { profile: undefined, debugKeepMs: undefined, noRetry: false },
    files: { tmpDir: undefined, jobResponse: undefined, buildExitCode: undefined },
    exitCodes: { buildFailure: 1, systemFailure: 2 },
  },
  response: undefined,
  variables: {},
} as unknown as HookContext;

describe('a job gets an instance', () => {
  test('once for each attempt: a second prepare of it leaves record and key of the first as they are', async () => {
    const { record, store } = await prepared();
    const { privateKey } = store.files(record!.identity.stackName);
    const key = readFileSync(privateKey, 'utf8');
    const second = await prepared();
    expect(second.error).toMatchObject({
      message: 'Attempt 1 of this job was prepared before: its record says running',
    });
    expect(second.record).toEqual(record);
    expect(readFileSync(privateKey, 'utf8')).toBe(key);
    expect(second.error).toMatchObject({ remedy: expect.stringContaining('config_exec') });
    store.write(removed(record!, Date.now()));
    expect((await prepared()).error).toMatchObject({ remedy: expect.stringContaining('jobs rm') });
  });

  test('and gives its slot to the next job once the cloud has accepted it, while the engine still waits', async () => {
    const [up, accepted] = ['up', 'accepted'].map((name) => path.join(stateDir, 'slots', name)) as [string, string];
    const seen: number[][] = [];
    const waits: UpScript = asksFirst(async (_args, { onAccepted }) => {
      const count = () => [up, accepted].map((directory) => queueLength({ directory, slots: 1 }));
      seen.push(count());
      onAccepted?.();
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      seen.push(count());
      return upResult;
    });
    const { error, queue } = await prepared({ ups: [waits] });
    expect(error).toBeUndefined();
    expect(seen).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect([queue, queueLength({ directory: accepted, slots: 1 })]).toEqual([0, 0]);
  });

  test('and needs a slot again for the next pool, where the cloud accepted an instance that then failed', async () => {
    const [up, accepted] = ['up', 'accepted'].map((name) => path.join(stateDir, 'slots', name)) as [string, string];
    const count = () => [up, accepted].map((directory) => queueLength({ directory, slots: 1 }));
    const seen: number[][] = [];
    const failsLate: UpScript = asksFirst(async (_args, { onAccepted }) => {
      onAccepted?.();
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      seen.push(count());
      throw refusal('OperationDenied.NoStock');
    });
    const second: UpScript = asksFirst(() => (seen.push(count()), Promise.resolve(upResult)));
    const { error } = await prepared({ ups: [failsLate, second] });
    expect(error).toBeUndefined();
    expect(seen).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  test('before its `up` has ended, where that goes on in a process of its own', async () => {
    const seen: string[] = [];
    const { error, record, queue } = await prepared({
      change: {
        upApart: () => ({
          begin: () => undefined,
          up: asksFirst((_args, { onPlaced, onMayLeave }) => {
            onPlaced?.();
            seen.push(`slots ${queueLength({ directory: path.join(stateDir, 'slots', 'up'), slots: 1 })}`);
            onMayLeave?.();
            return new Promise(() => undefined);
          }),
          accepted: () => void seen.push('accepted'),
          leave: () => Promise.resolve(void seen.push('leave')),
          end: () => Promise.resolve(void seen.push('end')),
        }),
      },
    });
    expect(error).toBeUndefined();
    expect(record).toMatchObject({ phase: 'running', instance: { instanceId: 'i-1', address: '10.0.0.9' } });
    expect(seen).toEqual(['slots 0', 'accepted', 'leave', 'end']);
    expect(queue).toBe(0);
  });

  test.each<[string, Partial<PrepareDependencies>, Error | undefined, string[]]>([
    [
      'its instance can not be made ready',
      { provision: () => Promise.reject(new EngineFailed('no helper')) },
      undefined,
      ['abandoned', 'at rest', 'end'],
    ],
    ['its `up` fails before it is left', {}, new EngineFailed('no helper'), ['leave', 'end']],
  ])('or fails, once the engine is at rest, where %s', async (_why, change, leaveFails, expected) => {
    const seen: string[] = [];
    const { error, record } = await prepared({
      change: {
        ...change,
        upApart: () => ({
          begin: () => undefined,
          up: asksFirst(
            (_args, { onMayLeave, abandon }) =>
              new Promise((_resolve, reject) => {
                onMayLeave?.();
                abandon!.addEventListener('abort', () => {
                  if (!leaveFails) seen.push('abandoned');
                  setImmediate(() => {
                    if (!leaveFails) seen.push('at rest');
                    reject(new UpCancelled('given up'));
                  });
                });
              }),
          ),
          accepted: () => undefined,
          leave: () => (seen.push('leave'), leaveFails ? Promise.reject(leaveFails) : Promise.resolve()),
          end: () => Promise.resolve(void seen.push('end')),
        }),
      },
    });
    expect(error).toMatchObject({ message: 'no helper' });
    expect(record).toMatchObject({ phase: 'preparing', launched: { instanceId: 'i-1' } });
    expect(seen).toEqual(expected);
  });

  test.each<[string, Partial<World>, string[], string | undefined]>([
    ['and waits for what is to be made', {}, ['begin', 'prices', 'up', 'leave', 'end'], undefined],
    ['and ends where no pool is left', { candidates: [] }, ['begin', 'prices', 'end'], 'No pool'],
  ])('whose engine starts before prices are asked %s', async (_why, world, expected, failure) => {
    const seen: string[] = [];
    let begun: JobRecord | undefined;
    const candidates = world.candidates ?? [FIRST];
    const { error, record } = await prepared({
      change: {
        placement: {
          candidates: () => (seen.push('prices'), Promise.resolve({ candidates, rejected: [], warnings: [] })),
        } as unknown as PrepareDependencies['placement'],
        upApart: (stackName) => ({
          begin: () => {
            begun = new RecordStore(stateDir).readLenient(stackName);
            seen.push('begin');
          },
          up: asksFirst((_args, { onMayLeave }) => {
            seen.push('up');
            onMayLeave?.();
            return new Promise(() => undefined);
          }),
          accepted: () => undefined,
          leave: () => Promise.resolve(void seen.push('leave')),
          end: () => Promise.resolve(void seen.push('end')),
        }),
      },
    });
    expect(seen).toEqual(expected);
    // Whoever dies from there on leaves word of the stack.
    expect([neverBegan(begun!), neverBegan(record!)]).toEqual([false, false]);
    expect((error as Error | undefined)?.message ?? '').toContain(failure ?? '');
    expect(error === undefined).toBe(failure === undefined);
  });

  test('whose engine does not start where the cloud does not answer: there is no stack to destroy', async () => {
    const seen: string[] = [];
    const { error, record } = await prepared({
      change: {
        cloud: {
          resolveImage: () => Promise.reject(new Error('ENOTFOUND')),
        } as unknown as PrepareDependencies['cloud'],
        upApart: () => ({
          begin: () => void seen.push('begin'),
          up: () => Promise.reject(new Error('asked')),
          accepted: () => undefined,
          leave: () => Promise.resolve(),
          end: () => Promise.resolve(void seen.push('end')),
        }),
      },
    });
    expect(error).toMatchObject({ message: 'ENOTFOUND' });
    expect(neverBegan(record!)).toBe(true);
    expect(seen).toEqual(['end']);
  });

  test('of the best pool, and its record says that it runs', async () => {
    const { error, record, engine, queue } = await prepared();
    expect(error).toBeUndefined();
    expect(record).toMatchObject({
      phase: 'running',
      instance: { instanceId: 'i-1', address: '10.0.0.9', pool: { instanceType: 'ecs.c7.xlarge' } },
    });
    expect(engine.ups).toHaveLength(1);
    expect(queue).toBe(0);
  });

  test('with a key that was made ahead, where there is one', async () => {
    expect(await fillKeys(stateDir, { most: 1, isQuiet: () => true, signal: new AbortController().signal })).toBe(1);
    const [name] = readdirSync(path.join(stateDir, 'keys'));
    const kept = JSON.parse(readFileSync(path.join(stateDir, 'keys', name!), 'utf8')) as SshKeyPair;
    const { engine, store, record } = await prepared();
    const { stackName } = record!.identity;
    expect(readFileSync(store.files(stackName).privateKey, 'utf8')).toBe(kept.privateKey);
    expect(engine.ups[0]!.publicKey).toBe(`${kept.publicKey} ${stackName}`);
    expect(readdirSync(path.join(stateDir, 'keys'))).toEqual([]);
  });

  test('with a key that only its owner can read, and only its public half in the stack', async () => {
    const { engine, store, record } = await prepared();
    const { privateKey } = store.files(record!.identity.stackName);
    expect(statSync(privateKey).mode & 0o777).toBe(0o600);
    // The host's own key is in the user data, which the stack keeps as a secret.
    expect(JSON.stringify({ ...engine.ups[0], userData: '' })).not.toContain('PRIVATE KEY');
    expect(engine.ups[0]!.publicKey).toMatch(/^(ssh-|ecdsa-)/);
  });

  test('that releases itself after the timeout and the margin, which is on disk before the stack is', async () => {
    let before: JobRecord | undefined;
    const store = new RecordStore(stateDir);
    const up: UpScript = (args, options) => {
      before = store.list()[0]?.record;
      return succeeds(args, options);
    };
    const { engine } = await prepared({ ups: [up] });
    expect(engine.ups[0]!.autoReleaseTime).toBe('2026-11-24T13:30:00Z');
    expect(before).toMatchObject({ phase: 'preparing', releaseAt: '2026-11-24T13:30:00Z' });
  });
});

describe('a pool that fails', () => {
  const goneAt = new Date(START + 60_000);
  test.each<[string, UpScript, Partial<PrepareDependencies>, { reported: string; destroyed: number; ledger: number }]>([
    [
      'is out of stock: the next one, on the same stack',
      fails(refusal('OperationDenied.NoStock')),
      {},
      { reported: 'ecs.c7.xlarge OperationDenied.NoStock', destroyed: 0, ledger: 0 },
    ],
    [
      'has become too expensive: the next one',
      fails(refusal('InvalidSpotPriceLimit.LowerThanPublicPrice')),
      {},
      { reported: 'ecs.c7.xlarge InvalidSpotPriceLimit.LowerThanPublicPrice', destroyed: 0, ledger: 0 },
    ],
    [
      'accepted an instance that then disappeared: a new stack',
      endlessUp(new UpCancelled('abandoned')),
      {
        cloud: {
          findInstances: instancesSeen(
            [cloudInstance({ status: 'Pending', privateAddress: undefined })],
            [],
            [],
            [cloudInstance()],
          ),
          madeAt: () => Promise.resolve(undefined),
          resolveImage: () => Promise.resolve({ imageId: 'm-1', imdsSupport: 'v2' }),
        } as unknown as PrepareDependencies['cloud'],
      },
      { reported: 'ecs.c7.xlarge VanishedWhilePending', destroyed: 1, ledger: 1 },
    ],
  ])('since it %s', async (_name, first, change, { reported, destroyed, ledger }) => {
    const world = await prepared({ engine: fakeEngine([first, succeeds], destroyed > 0 ? goneAt : undefined), change });
    expect(world.error).toBeUndefined();
    expect(world.reported).toEqual([reported]);
    expect(world.engine.ups.map(({ instanceType }) => instanceType)).toEqual(['ecs.c7.xlarge', 'ecs.c8a.xlarge']);
    expect(world.engine.destroyed).toHaveLength(destroyed);
    expect(world.ledger).toHaveLength(ledger);
    expect(world.record).toMatchObject({ phase: 'running', tried: [{ pool: { instanceType: 'ecs.c7.xlarge' } }] });
  });

  test('since its instance never answers is billed, and another pool serves the job', async () => {
    let tries = 0;
    const world = await prepared({
      engine: fakeEngine([succeeds], goneAt),
      change: {
        waitForSsh: () =>
          tries++ === 0 ? Promise.reject(new SshWaitTimeout('no answer')) : Promise.resolve(fakeConnection()),
      },
    });
    expect(world.reported).toEqual(['ecs.c7.xlarge BootTimeout']);
    expect(world.ledger).toMatchObject([{ goneAt, record: { phase: 'running', instance: { instanceId: 'i-1' } } }]);
    expect(world.record).toMatchObject({ phase: 'running', instance: { pool: { instanceType: 'ecs.c8a.xlarge' } } });
  });
});

describe('a job gets none', () => {
  test('where no instance answers, and is told what that may come from', async () => {
    const remedy = 'Check that the security group lets the executor in.';
    const { error } = await prepared({
      change: { waitForSsh: () => Promise.reject(new SshWaitTimeout('no answer', { remedy })) },
    });
    expect(error).toMatchObject({ remedy: expect.stringMatching(/lets the executor in\. .*Run the job again later/) });
  });

  test.each([
    ['InvalidTimeStamp.Expired', 'clock'],
    ['InvalidSecurityToken.Expired', 'RAM role'],
  ])('where the cloud refuses for a reason of this host (%s), and is told what to do there', async (code, remedy) => {
    const { error } = await prepared({ ups: [fails(refusal(code))] });
    expect(error).toMatchObject({ remedy: expect.stringContaining(remedy) });
  });

  test('where no pool takes what the profile asks for, and is told what to change there', async () => {
    const { error } = await prepared({ ups: [fails(refusal('InvalidPerformanceLevel.ValueNotSupported'))] });
    expect(error).toMatchObject({ remedy: expect.stringMatching(/profile's disk .*Run the job again later/) });
  });

  test.each<[string, World, RegExp]>([
    ['where no pool is left', { candidates: [] }, /No pool/],
    [
      'where every pool refuses',
      { ups: [fails(refusal('OperationDenied.NoStock'))] },
      /No pool that was tried .* \(tried: 2; .* Alibaba Cloud refused RunInstances: OperationDenied.NoStock/,
    ],
    [
      'where the account has no money left, and no other pool is asked',
      { ups: [fails(refusal('InvalidAccountStatus.NotEnoughBalance'))] },
      /not enough balance/,
    ],
    [
      'where something else of the stack is refused, and no other pool is asked',
      { ups: [fails(refusal('QuotaExceed.SecurityGroup', 'CreateSecurityGroup'))] },
      /refused CreateSecurityGroup/,
    ],
    ['where the engine fails', { ups: [fails(new EngineFailed('pulumi broke'))] }, /pulumi broke/],
    [
      'where the budget is spent',
      { change: { checkBudget: () => Promise.reject(new Error('the budget of this month is spent')) } },
      /budget/,
    ],
    [
      'where the image is not there',
      {
        change: {
          cloud: { resolveImage: () => Promise.resolve(undefined) } as unknown as PrepareDependencies['cloud'],
        },
      },
      /There is no image base/,
    ],
    [
      'where the instance can not be provisioned',
      { change: { provision: () => Promise.reject(new Error('no space on the instance')) } },
      /no space on the instance/,
    ],
  ])('%s', async (_name, world, message) => {
    const { error, record, queue } = await prepared(world);
    expect(String((error as Error | undefined)?.message)).toMatch(message);
    expect(record?.phase ?? 'preparing').toBe('preparing');
    expect(queue).toBe(0);
  });

  test('and tries no pool twice, and none after one that speaks for all', async () => {
    const none = await prepared({ ups: [fails(refusal('InvalidAccountStatus.NotEnoughBalance'))] });
    expect(none.engine.ups).toHaveLength(1);
  });

  test('and asks no more pools than the host allows', async () => {
    const many = Array.from({ length: 20 }, (_, index) => candidate(`ecs.c${index}.xlarge`));
    const world = await prepared({ candidates: many, ups: [fails(refusal('OperationDenied.NoStock'))] });
    expect(world.engine.ups).toHaveLength(8);
  });
});

test('a job that is cancelled while it prepares says so in its record, for the cleanup that follows', async () => {
  const controller = new AbortController();
  const up: UpScript = (_args, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new UpCancelled('ended on request')));
      controller.abort(new Error('cancelled by the runner'));
    });
  const { error, record } = await prepared({ ups: [up], change: { signal: controller.signal } });
  expect(error).toBeInstanceOf(UpCancelled);
  expect(record).toMatchObject({ phase: 'preparing', cutOff: true });
});

test('a job that is cancelled while a pool’s instance is given up says that, and no defect', async () => {
  const controller = new AbortController();
  const reason = new UpCancelled('cancelled by the runner');
  const engine: FakeEngine = {
    ...fakeEngine([succeeds]),
    // As node's timers do.
    destroy: (_stackName, { signal }) => (
      controller.abort(reason),
      sleep(60_000, { instanceGoneAt: undefined }, { signal })
    ),
  };
  const waitForSsh = () => Promise.reject(new SshWaitTimeout('no answer'));
  const { error, record } = await prepared({ engine, change: { signal: controller.signal, waitForSsh } });
  expect(error).toBe(reason);
  expect(record).toMatchObject({ phase: 'preparing', cutOff: true });
});
