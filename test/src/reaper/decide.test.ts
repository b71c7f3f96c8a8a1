import fc from '../../support/property';
import { decide, type Observation, type ReapPolicy } from '../../../src/reaper/decide';
import type { JobRecord } from '../../../src/jobs/types';

const now = Date.parse('2026-11-24T12:00:00Z');
const policy: ReapPolicy = { graceMs: 300_000, allHosts: false, nowMs: now };
const running = { phase: 'running' } as JobRecord;
const ended = { phase: 'destroying', result: 'success', notBefore: undefined } as JobRecord;
const kept = { phase: 'destroying', result: 'failed', notBefore: '2026-11-24T12:30:00.000Z' } as JobRecord;

const seen = (change: Partial<Observation> = {}): Observation => ({
  stackName: 'job-gitlab.example.com-1001-1',
  owner: { kind: 'this-host' },
  inBackend: true,
  inCloud: 3,
  instances: [],
  tags: undefined,
  ageMs: 3_600_000,
  overdue: false,
  record: running,
  worker: undefined,
  idle: { ms: 10_000 },
  gitlab: { state: 'unknown' },
  ...change,
});

describe('a spare machine', () => {
  const spare = { phase: 'spare', until: '2026-11-24T12:10:00.000Z' } as JobRecord;
  const stackName = 'spare-standard-0123456789ab';
  const late = { ...policy, nowMs: now + 60 * 60_000 };
  test.each<[string, Partial<Observation>, ReapPolicy, string]>([
    ['that waits stays', {}, policy, 'keep'],
    ['stays over a restart of the host', { idle: 'before-boot' }, policy, 'keep'],
    ['that no keeper ended goes', {}, late, 'destroy'],
    ['that a job takes is the job’s', { holder: 'job-gitlab.example.com-1-1' }, late, 'keep'],
    ['whose taker is gone goes', { holder: 'nobody' }, policy, 'destroy'],
    ['that was to go goes', { holder: stackName }, policy, 'destroy'],
    [
      'that a keeper makes stays',
      { record: { ...spare, phase: 'preparing' } as JobRecord, worker: 'hook' },
      late,
      'keep',
    ],
    [
      'whose maker is dead goes',
      { record: { ...spare, phase: 'preparing' } as JobRecord, idle: { ms: 400_000 } },
      late,
      'destroy',
    ],
  ])('%s', (_title, change, when, action) => {
    expect(decide(seen({ stackName, record: spare, ...change }), when).action).toBe(action);
  });
});

describe('the reaper’s reason', () => {
  test.each<[Partial<Observation>, string]>([
    [
      { idle: { ms: 400_000 }, gitlab: { state: 'over', sinceMs: 90_000 } },
      'GitLab says that the job is over, for 90 s now',
    ],
    [{ idle: { ms: 400_000 }, gitlab: { state: 'over', sinceMs: Infinity } }, 'GitLab says that the job is over'],
    [{ idle: { ms: 400_000 } }, 'no hook has worked on it for 7 min'],
    [{ idle: undefined }, 'no hook is known to have worked on it'],
    [{ idle: 'before-boot' }, 'the host or its container was restarted, so nothing works on the job any more'],
  ])('%j: %s', (change, reason) => {
    expect(decide(seen(change), policy).reason).toBe(reason);
  });
});

describe('the reaper', () => {
  test.each<[string, Partial<Observation>, string, Partial<ReapPolicy>?]>([
    [
      'keeps a job that a hook works on',
      { worker: 'hook', idle: { ms: 1e9 }, gitlab: { state: 'over', sinceMs: 1e9 } },
      'keep',
    ],
    ['keeps what its destroyer is taking down', { worker: 'destroyer', record: ended }, 'keep'],
    ['keeps a job between two of its stages', {}, 'keep'],
    [
      'keeps a job that GitLab says is running, for longer than the grace',
      { idle: { ms: 29 * 60_000 }, gitlab: { state: 'running' } },
      'keep',
    ],
    [
      'destroys a job that no hook has worked on for half an hour: GitLab learns of a dead runner later than that',
      { idle: { ms: 31 * 60_000 }, gitlab: { state: 'running' } },
      'destroy',
    ],
    [
      'destroys a job whose host was restarted, although GitLab does not know yet',
      { idle: 'before-boot', gitlab: { state: 'running' } },
      'destroy',
    ],
    ['keeps a failed job that was kept for a look', { record: kept }, 'keep'],
    [
      'destroys it when that time is over',
      { record: { ...kept, notBefore: '2026-11-24T11:59:59.000Z' } as JobRecord },
      'destroy',
    ],
    ['destroys a job that ended and whose destroyer died', { record: ended }, 'destroy'],
    ['destroys a job that no hook has worked on for longer than the grace', { idle: { ms: 300_000 } }, 'destroy'],
    ['destroys a job whose host was restarted, without waiting', { idle: 'before-boot' }, 'destroy'],
    [
      'destroys a job that GitLab says is over, once its hooks are quiet',
      { idle: { ms: 400_000 }, gitlab: { state: 'over', sinceMs: 5000 } },
      'destroy',
    ],
    [
      'keeps it while its cleanup may be about to begin',
      { idle: { ms: 5000 }, gitlab: { state: 'over', sinceMs: 5000 } },
      'keep',
    ],
    ['adopts what no record speaks of: the disk was lost', { record: undefined, idle: undefined }, 'adopt'],
    ['keeps what is too young to have a record', { record: undefined, idle: undefined, ageMs: 1000 }, 'keep'],
    [
      'keeps what has no record while GitLab says that it runs',
      { record: undefined, gitlab: { state: 'running' } },
      'keep',
    ],
    ["reports another host's", { owner: { kind: 'other-host', executorId: 'b' }, record: undefined }, 'report'],
    [
      "reports another host's when asked for all, without GitLab's word",
      { owner: { kind: 'other-host', executorId: 'b' }, record: undefined },
      'report',
      { allHosts: true },
    ],
    [
      "adopts another host's when asked for all and GitLab says it is over",
      { owner: { kind: 'other-host', executorId: 'b' }, record: undefined, gitlab: { state: 'over', sinceMs: 1e6 } },
      'adopt',
      { allHosts: true },
    ],
    [
      "adopts another host's when asked for all and its release time has passed",
      { owner: { kind: 'other-host', executorId: 'b' }, record: undefined, overdue: true },
      'adopt',
      { allHosts: true },
    ],
    [
      'reports what has a damaged record: a hook may work on it',
      { record: undefined, unreadable: 'damaged' },
      'report',
    ],
    [
      'adopts it when GitLab says that the job is over for long enough',
      { record: undefined, unreadable: 'damaged', gitlab: { state: 'over', sinceMs: 1e6 } },
      'adopt',
    ],
    [
      'adopts it when its release time has passed',
      { record: undefined, unreadable: 'damaged', overdue: true },
      'adopt',
    ],
    [
      'leaves alone what a later version wrote, whatever is said of it',
      { record: undefined, unreadable: 'newer', overdue: true, gitlab: { state: 'over', sinceMs: 1e9 } },
      'report',
      { allHosts: true },
    ],
    ['reports an empty stack of nobody', { owner: { kind: 'unknown' }, record: undefined, inCloud: 0 }, 'report'],
  ])('%s', (_title, change, action, more = {}) => {
    expect(decide(seen(change), { ...policy, ...more }).action).toBe(action);
  });

  const observation: fc.Arbitrary<Observation> = fc.record({
    stackName: fc.constant('job-x-1-1'),
    owner: fc.constantFrom<Observation['owner']>(
      { kind: 'this-host' },
      { kind: 'other-host', executorId: 'b' },
      { kind: 'unknown' },
    ),
    inBackend: fc.boolean(),
    inCloud: fc.nat(3),
    instances: fc.constant([]),
    tags: fc.constant(undefined),
    ageMs: fc.option(fc.nat(1e7), { nil: undefined }),
    overdue: fc.boolean(),
    record: fc.constantFrom(undefined, running, ended, kept),
    worker: fc.constantFrom(undefined, 'hook' as const, 'destroyer' as const),
    idle: fc.oneof(fc.constantFrom(undefined, 'before-boot' as const), fc.record({ ms: fc.nat(1e7) })),
    gitlab: fc.oneof(
      fc.constantFrom<Observation['gitlab']>({ state: 'running' }, { state: 'unknown' }),
      fc.record({ state: fc.constant('over' as const), sinceMs: fc.nat(1e7) }),
    ),
  });

  test('never touches what a worker holds, what GitLab says is running before its cleanup, or what is young', () => {
    fc.assert(
      fc.property(observation, fc.boolean(), (given, allHosts) => {
        const { action } = decide(given, { ...policy, allHosts });
        const touches = action === 'destroy' || action === 'adopt';
        if (given.worker) expect(touches).toBe(false);
        const runnerDied =
          given.record === running &&
          (given.idle === 'before-boot' || (given.idle !== undefined && given.idle.ms >= 30 * 60_000));
        if (given.gitlab.state === 'running' && given.record?.phase !== 'destroying' && !runnerDied)
          expect(touches).toBe(false);
        if (given.owner.kind !== 'this-host' && !allHosts) expect(touches).toBe(false);
        if (given.record === kept && given.owner.kind === 'this-host') expect(touches).toBe(false);
        if (given.record === running && typeof given.idle === 'object' && given.idle.ms < policy.graceMs)
          expect(touches && given.owner.kind === 'this-host').toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
