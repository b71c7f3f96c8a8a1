import {
  abandoned,
  beaten,
  billedFrom,
  claimFailed,
  claiming,
  cutOff,
  deleting,
  destroyFailed,
  ended,
  failedLaunch,
  givenUp,
  handedOver,
  instanceFound,
  instanceGone,
  interruptionNoticed,
  launched,
  launchForgotten,
  launching,
  lost,
  neverBegan,
  planned,
  poolFailed,
  reserved,
  ready,
  removed,
  scriptCutShort,
  spareReady,
  stageAtWork,
  stageEnded,
  type Destroying,
  type Preparing,
  type Running,
  type Spare,
} from '../../../src/jobs/transitions';
import { goneAt } from '../../../src/billing/record-cost';
import { spareIdentity } from '../../../src/jobs/identity';
import { parseRecord } from '../../../src/jobs/record-schema';
import { stageOf } from '../../../src/jobs/stage-of';
import type { JobRecord } from '../../../src/jobs/types';
import { instanceFacts } from '../../support/job-record';

const START = Date.parse('2026-11-24T12:00:00Z');
const MINUTE = 60_000;
const iso = (ms: number): string => new Date(ms).toISOString();

const plan = (change: object = {}): Preparing => ({
  ...planned(
    {
      identity: {
        stackName: 'job-gitlab.example.com-1001-1',
        serverHost: 'gitlab.example.com',
        jobId: 1001,
        attempt: 1,
      },
      executorId: 'host-1',
      project: 'team/app',
      timeoutMs: 60 * MINUTE,
      hookPid: 42,
    },
    START,
  ),
  ...change,
});
const begun = (change: object = {}): Preparing => launching(plan(change), iso(START + 120 * MINUTE));
const running = (change: object = {}): Running => ({ ...ready(begun(), instanceFacts), ...change });
const gone = lost(running(), { reason: 'interrupted', sentence: 'Taken.' }, START + MINUTE, START + 2 * MINUTE);
const cutShort = scriptCutShort(running(), true);
const over = (change: object = {}): Destroying => ({
  ...ended(running(), { status: 'success', noRetry: false }, START + 5 * MINUTE),
  ...change,
});

describe('a job that is planned', () => {
  test('has no stack yet, and is forgotten where prepare ends before its first up', () => {
    expect(plan()).toMatchObject({ phase: 'preparing', startedAt: iso(START), heartbeatAt: iso(START), tried: [] });
    expect(neverBegan(plan())).toBe(true);
    expect(neverBegan(begun())).toBe(false);
    expect(neverBegan(running())).toBe(false);
  });

  test('knows nothing that it was not told', () => {
    const { identity, executorId } = plan();
    expect(planned({ identity, executorId }, START)).toMatchObject({ project: '', timeoutMs: 0, profile: '' });
  });

  test('holds what the job may cost at most', () => {
    expect(reserved(plan(), 0.9)).toEqual({ ...plan(), reservedYuan: 0.9 });
  });

  test('keeps each pool that failed, in order', () => {
    const once = poolFailed(plan(), instanceFacts.pool, 'NoStock', START + 1);
    const twice = poolFailed(once, instanceFacts.pool, 'BootTimeout', START + 2);
    expect(twice.tried.map(({ code, at }) => [code, at])).toEqual([
      ['NoStock', iso(START + 1)],
      ['BootTimeout', iso(START + 2)],
    ]);
  });

  test('forgets an instance that never became ready, once it is in the ledger', () => {
    const told = deleting(launched(begun(), instanceFacts), START + MINUTE);
    expect(told).toMatchObject({ launched: instanceFacts, deletedAt: iso(START + MINUTE) });
    expect(launchForgotten(told)).toMatchObject({ launched: undefined, deletedAt: undefined });
  });

  test.each([
    ['given up by us', undefined, 'running', undefined],
    ['taken back by the cloud', new Date(START), 'lost', { reason: 'interrupted', at: iso(START) }],
  ])('tells the ledger of an instance that was %s', (_name, reclaimedAt, phase, loss) => {
    const record = failedLaunch(launched(begun(), instanceFacts), instanceFacts, reclaimedAt);
    expect(record).toMatchObject({ phase, instance: instanceFacts, ...(loss && { loss }) });
  });
});

/** A machine that has waited since START. */
const spare = (change: object = {}): Spare => ({
  ...spareReady(
    launching(
      planned(
        { identity: spareIdentity('hot', START, '0001'), executorId: 'host-1', profile: 'hot', hookPid: 7 },
        START,
      ),
      iso(START + 60 * MINUTE),
    ),
    { ...instanceFacts, instanceId: 'i-spare', createdAt: iso(START), readyAt: iso(START + MINUTE) },
    { shape: 'shape', imageId: 'm-1', until: iso(START + 30 * MINUTE) },
  ),
  ...change,
});
const claims = (change: object = {}): Preparing => claiming(plan(change), spare().identity.stackName, START + MINUTE);

describe('a spare machine', () => {
  test('waits for a job, and belongs to no process', () => {
    expect(spare()).toMatchObject({
      phase: 'spare',
      project: '',
      hookPid: undefined,
      heartbeatAt: iso(START + MINUTE),
      until: iso(START + 30 * MINUTE),
    });
  });

  test('that a job is about to take stands in the job’s record, which then is not forgotten', () => {
    expect(claims()).toMatchObject({
      phase: 'preparing',
      spare: { stackName: spare().identity.stackName, claimedAt: iso(START + MINUTE) },
    });
    expect(neverBegan(claims())).toBe(false);
    expect(neverBegan(claimFailed(claims()))).toBe(true);
  });

  test('is handed over with all but its name: the job is ready now, pays from its claim, and ends at its own time', () => {
    const running = handedOver(claims(), spare(), iso(START + 90 * MINUTE), START + 2 * MINUTE);
    expect(running).toMatchObject({
      phase: 'running',
      identity: plan().identity,
      project: 'team/app',
      releaseAt: iso(START + 90 * MINUTE),
      instance: { ...spare().instance, readyAt: iso(START + 2 * MINUTE) },
    });
    expect(billedFrom(running)).toBe(iso(START + MINUTE));
  });

  test.each<[string, number | undefined, unknown]>([
    ['we end it', undefined, undefined],
    ['the cloud has taken it back', START + 9 * MINUTE, { reason: 'interrupted', at: iso(START + 9 * MINUTE) }],
  ])('goes without a job: %s', (_name, lostAtMs, loss) => {
    const going = givenUp(spare(), START + 10 * MINUTE, lostAtMs);
    expect(going).toMatchObject({ phase: 'destroying', result: 'canceled', instance: spare().instance, tries: 0 });
    expect(going.loss).toEqual(loss);
  });

  test.each<[string, JobRecord, string | undefined, boolean]>([
    ['before it was handed over', claims(), undefined, true],
    ['after it', handedOver(claims(), spare(), iso(START), START), 'i-spare', true],
    ['when somebody else had it', claimFailed(claims()), undefined, false],
  ])('goes with the job that took it, where that ends %s', (_name, record, instanceId, names) => {
    if (record.phase === 'destroying') throw new Error('is over already');
    const over = [
      ended(record, { status: 'failed', noRetry: false }, START),
      abandoned(record, undefined, START),
      removed(record, START),
    ];
    for (const next of over) {
      expect([next.instance?.instanceId, next.spare !== undefined]).toEqual([instanceId, names]);
    }
  });
});

describe('a job that runs', () => {
  test('belongs to no hook until its first stage', () => {
    expect(running()).toMatchObject({ hookPid: undefined, heartbeatAt: instanceFacts.readyAt });
  });

  test('is told apart from a dead one by its hook and the last sign of it', () => {
    expect(beaten(running(), START + 7, 99)).toMatchObject({ hookPid: 99, heartbeatAt: iso(START + 7) });
    expect(beaten(plan(), START + 7)).toMatchObject({ hookPid: 42, heartbeatAt: iso(START + 7) });
  });

  test('has its stages in order, and no hook between them', () => {
    const result = { stage: 'build_script', startedAt: iso(START), durationMs: 1_500, exitCode: 3 };
    const after = stageEnded(beaten(running(), START, 99), result);
    expect(after).toMatchObject({ stages: [result], hookPid: undefined, heartbeatAt: iso(START + 1_500) });
  });

  test('says which stage runs now, from a heartbeat of it until its end', () => {
    const stageNow = { stage: 'build_script', startedAt: iso(START) };
    const working = stageAtWork(running(), stageNow, START + 1_000, 99);
    expect(working).toMatchObject({ stageNow, hookPid: 99, heartbeatAt: iso(START + 1_000) });
    expect(parseRecord(JSON.stringify(working))).toEqual(JSON.parse(JSON.stringify(working)));
    const after = stageEnded(working, { ...stageNow, durationMs: 1_500, exitCode: 0 });
    expect([stageOf(working), stageOf(after)]).toEqual(['build_script', '']);
  });

  test('may be lost, with the time to which it is billed', () => {
    expect(gone).toMatchObject({
      phase: 'lost',
      loss: { reason: 'interrupted', at: iso(START + MINUTE) },
      heartbeatAt: iso(START + 2 * MINUTE),
    });
  });
});

describe('a job that is over', () => {
  const stage = (exitCode: number | undefined) => ({
    stage: 'build_script',
    startedAt: iso(START),
    durationMs: 1,
    exitCode,
  });
  const late = START + 60 * MINUTE;
  test.each<[string, JobRecord, string | undefined, number, Destroying['result']]>([
    ['succeeded', running(), 'success', START + MINUTE, 'success'],
    ['was cancelled by a person', running(), 'canceled', START + MINUTE, 'canceled'],
    ['failed by its script', running({ stages: [stage(1)] }), 'failed', START + MINUTE, 'failed'],
    [
      'failed, by a runner that still says running',
      running({ stages: [stage(1)] }),
      'running',
      START + MINUTE,
      'failed',
    ],
    ['was cut off between its stages', running({ stages: [stage(0)] }), 'running', START + MINUTE, 'canceled'],
    ['ran into its timeout', running({ stages: [stage(undefined)] }), 'running', late, 'failed'],
    ['was cancelled while it prepared', cutOff(begun()), 'running', START + MINUTE, 'canceled'],
    ['ran into its timeout while it prepared', cutOff(begun()), 'running', late, 'system-failure'],
    ['got no instance', begun(), 'failed', START + MINUTE, 'system-failure'],
    ['lost its instance', gone, 'failed', START + MINUTE, 'system-failure'],
    ['has a runner that says nothing', running(), undefined, START + MINUTE, 'failed'],
  ])('as one that %s', (_name, record, status, nowMs, result) => {
    if (record.phase === 'destroying') throw new Error('is over already');
    const destroying = ended(record, { status, noRetry: false }, nowMs);
    expect(destroying).toMatchObject({
      phase: 'destroying',
      result,
      tries: 0,
      endedAt: iso(nowMs),
      hookPid: undefined,
    });
  });

  test.each([
    ['failed', { stages: [stage(1)] }, iso(START + 31 * MINUTE)],
    ['success', {}, undefined],
  ])('keeps its instance for a look only where it failed (%s)', (status, change, notBefore) => {
    const kept = running({ keepMs: 30 * MINUTE, ...change });
    expect(ended(kept, { status, noRetry: false }, START + MINUTE).notBefore).toBe(notBefore);
  });

  test.each([
    ['interrupted', gone, false, true],
    ['interrupted, but its author forbids another run', gone, true, false],
    ['lost otherwise', { ...gone, loss: { ...gone.loss, reason: 'deleted' as const } }, false, false],
    ['cut short by an interruption, its instance still there', cutShort, false, true],
    ['cut short, but its author forbids another run', cutShort, true, false],
    ['not lost', running(), false, false],
  ])('may be run again: %s', (_name, record, noRetry, askRetry) => {
    expect(ended(record, { status: 'failed', noRetry }, START).askRetry ?? false).toBe(askRetry);
  });

  test('of a script that was cut short is the cloud’s doing', () => {
    const { result, loss } = ended(cutShort, { status: 'failed', noRetry: false }, START + MINUTE);
    expect({ result, loss }).toEqual({
      result: 'system-failure',
      loss: { reason: 'interrupted', at: iso(START + MINUTE), confirmed: true },
    });
    expect(parseRecord(JSON.stringify(cutShort))).toMatchObject({ cutShort: { confirmed: true } });
  });

  test('keeps how its instance was lost', () => {
    expect(ended(gone, { status: 'failed', noRetry: false }, START).loss).toEqual({
      reason: 'interrupted',
      at: iso(START + MINUTE),
    });
  });
});

describe('a stack that is to go', () => {
  test.each<[string, JobRecord, JobRecord['phase'], unknown]>([
    ['a planned job', plan(), 'destroying', undefined],
    ['a job with an instance that is not ready', launched(begun(), instanceFacts), 'destroying', instanceFacts],
    ['a running job', running(), 'destroying', instanceFacts],
    ['a lost job', gone, 'destroying', instanceFacts],
    ['a stack that is being destroyed', over(), 'destroying', instanceFacts],
  ])('by the reaper or a person: %s', (_name, record, phase, instance) => {
    for (const next of [abandoned(record, undefined, START), removed(record, START)])
      expect(next).toMatchObject({ phase, instance, tries: 0, notBefore: undefined, hookPid: undefined });
  });

  test('keeps how its instance was lost, and when, where no cleanup came', () => {
    const loss = { reason: 'interrupted', at: iso(START + MINUTE) };
    for (const next of [abandoned(gone, undefined, START + 90 * MINUTE), removed(gone, START + 90 * MINUTE)]) {
      expect(next.loss).toEqual(loss);
      expect(goneAt(next)).toEqual(new Date(loss.at));
    }
  });

  test('with the instance that the cloud knows, where the record knows of none', () => {
    expect(abandoned(begun(), instanceFacts, START).instance).toBe(instanceFacts);
    expect(
      abandoned(launched(begun(), instanceFacts), { ...instanceFacts, instanceId: 'i-other' }, START).instance,
    ).toBe(instanceFacts);
  });

  test('says whose word it was', () => {
    expect(abandoned(running(), undefined, START).result).toBe('system-failure');
    expect(removed(running(), START).result).toBe('canceled');
    expect(removed(over({ result: 'failed' }), START).result).toBe('failed');
  });

  test('is tried again at once when the reaper or a person comes, and keeps when its job ended', () => {
    const tired = over({ tries: 6, notBefore: iso(START + 90 * MINUTE) });
    for (const next of [abandoned(tired, undefined, START), removed(tired, START)])
      expect(next).toMatchObject({ tries: 0, notBefore: undefined, endedAt: tired.endedAt });
  });

  test('counts its tries, and what it learned of the instance', () => {
    expect(destroyFailed(over(), START)).toMatchObject({ tries: 1, heartbeatAt: iso(START) });
    expect(instanceFound(over({ instance: undefined }), instanceFacts).instance).toBe(instanceFacts);
    expect(instanceGone(over(), new Date(START)).goneAt).toBe(iso(START));
    expect(deleting(over(), START).deletedAt).toBe(iso(START));
  });
});

test('each record that a transition gives can be read back', () => {
  const all: JobRecord[] = [
    plan(),
    begun(),
    cutOff(begun()),
    launched(begun(), instanceFacts),
    poolFailed(begun(), instanceFacts.pool, 'NoStock', START),
    running(),
    interruptionNoticed(running(), iso(START)),
    gone,
    over(),
    abandoned(plan(), undefined, START),
    removed(gone, START),
    destroyFailed(over(), START),
    spare(),
    claims(),
    claimFailed(claims()),
    handedOver(claims(), spare(), iso(START + MINUTE), START),
    givenUp(spare(), START, START),
  ];
  for (const record of all) {
    const read = parseRecord(JSON.stringify(record)) as JobRecord | undefined;
    expect({ phase: record.phase, read: read?.phase }).toEqual({ phase: record.phase, read: record.phase });
  }
});
