import { boardSnapshot, MOST_ENDED, type BoardFacts } from '../../../src/board/snapshot';
import { claiming, ready } from '../../../src/jobs/transitions';
import { heldBack } from '../../../src/placement/held-back';
import type { JobRecord } from '../../../src/jobs/types';
import { destroyingRecord, instanceFacts, preparingRecord } from '../../support/job-record';
import { ledgerEntry } from '../../support/ledger-entry';

/** Half an hour after the records' own time. */
const NOW = Date.parse('2026-11-24T12:30:00Z');
const instance = { ...instanceFacts, diskYuanPerHour: 0.045 };
const running = (jobId: number, change: object = {}): JobRecord => ({
  ...ready(preparingRecord(jobId), instance),
  ...change,
});

const facts = (change: Partial<BoardFacts> = {}): BoardFacts => ({
  host: 'host-1',
  records: [],
  taken: new Set(),
  maxTries: 5,
  heldBack: [],
  reaper: undefined,
  budget: { currency: 'CNY', monthlyYuan: 100, perProjectYuan: {}, action: 'refuse' },
  reservedYuan: 0,
  gitlabUrl: undefined,
  unreadable: [],
  drainedSince: undefined,
  refusedEdits: [],
  ledger: undefined,
  ...change,
});
const ledger = (change: Partial<NonNullable<BoardFacts['ledger']>> = {}) => ({
  since: '2026-11-24T00:00:00.000Z',
  ended: [],
  spent: [],
  month: '2026-11',
  failures: [],
  ...change,
});

describe('a job on the board', () => {
  const stageNow = { stage: 'step_script', startedAt: '2026-11-24T12:01:00.000Z' };
  const waits = preparingRecord(1);
  test.each<[string, JobRecord, string]>([
    ['waits for a slot', waits, 'queued'],
    ['is being created', { ...waits, releaseAt: '2026-11-24T14:00:00Z' }, 'creating'],
    ['boots', { ...waits, releaseAt: '2026-11-24T14:00:00Z', launched: instance }, 'booting'],
    ['runs', running(1), 'running'],
    ['is being taken back', running(1, { interruptedAt: '2026-11-24T12:31:00Z' }), 'interrupted'],
    ['is over', destroyingRecord(1), 'ending'],
    ['is kept for a look', { ...destroyingRecord(1), notBefore: '2026-11-24T13:00:00Z' }, 'kept'],
  ])('%s', (_what, record, state) => {
    expect(boardSnapshot(facts({ records: [record] }), NOW).jobs[0]?.state).toBe(state);
  });

  test('has its page in GitLab, stage, machine and what it cost so far with its disk', () => {
    const { jobs, yuanPerHour } = boardSnapshot(facts({ records: [running(1001, { stageNow })] }), NOW);
    expect(jobs).toEqual([
      {
        stack: 'job-gitlab.example.com-1001-1',
        jobId: 1001,
        name: 'build',
        project: 'root/demo',
        ref: 'main',
        user: 'root',
        url: 'https://gitlab.example.com/root/demo/-/jobs/1001',
        state: 'running',
        stage: 'step_script',
        profile: 'standard',
        instanceType: 'ecs.c7.xlarge',
        zoneId: 'z',
        market: 'spot',
        since: '2026-11-24T12:00:00.000Z',
        yuan: 0.1,
        yuanPerHour: 0.2,
      },
    ]);
    expect(yuanPerHour).toBe(0.2);
  });

  test('pays for a spare machine from when it took it, and for none that is gone', () => {
    const claimed = claiming(preparingRecord(1), 'spare-standard-0123456789ab', Date.parse('2026-11-24T12:15:00Z'));
    const gone = { ...destroyingRecord(2), instance, goneAt: '2026-11-24T12:06:00.000Z' };
    const { jobs } = boardSnapshot(facts({ records: [ready(claimed, instance), gone] }), NOW);
    expect(jobs.map(({ yuan, yuanPerHour }) => [yuan, yuanPerHour])).toEqual([
      [0.05, 0.2],
      [0.02, 0],
    ]);
  });

  test('says nothing that opens a door: no key, no address of its machine', () => {
    const text = JSON.stringify(boardSnapshot(facts({ records: [running(1001)] }), NOW));
    for (const secret of [instance.address, instance.hostPublicKey]) expect(text).not.toContain(secret);
  });
});

test('a link leads only to a web page', () => {
  const { jobs } = boardSnapshot(facts({ records: [running(1, { serverUrl: 'javascript:alert(1)//' })] }), NOW);
  expect(jobs[0]?.url).toBeUndefined();
});

test('spare machines are no jobs', () => {
  const stackName = 'spare-standard-0123456789ab';
  const identity = { stackName, serverHost: '', jobId: 0, attempt: 0 };
  const kept = { instance, shape: '', imageId: '', until: '2026-11-24T13:00:00Z' };
  const spare = { ...preparingRecord(), ...kept, identity, phase: 'spare' } as unknown as JobRecord;
  const at = (taken: string[]) => boardSnapshot(facts({ records: [spare], taken: new Set(taken) }), NOW);
  expect(at([])).toMatchObject({ jobs: [], spares: [{ stack: stackName, state: 'waiting', yuan: 0.1 }] });
  expect(at([stackName]).spares[0]?.state).toBe('taken');
});

describe('today', () => {
  test('counts all that ended, names the newest, and knows their GitLab by the setting', () => {
    const ended = Array.from({ length: MOST_ENDED + 1 }, (_, index) =>
      ledgerEntry({ jobId: index, to: new Date(NOW + index).toISOString() }),
    );
    ended.push(ledgerEntry({ result: 'failed', failedStage: { stage: 'step_script', exitCode: 3 }, to: '2026-11-25' }));
    ended.push(ledgerEntry({ result: 'system-failure', interrupted: true, loss: 'interrupted' }));
    ended.push(ledgerEntry({ spare: true, yuan: 1 }));
    const failures = [{ cause: 'OperationDenied.NoStock' }, { cause: 'BootTimeout' }, { cause: 'BootTimeout' }];
    const { today } = boardSnapshot(
      facts({ ledger: ledger({ ended, failures }), gitlabUrl: 'https://gitlab.example.com/' }),
      NOW,
    );
    expect(today?.counts).toMatchObject({ success: MOST_ENDED + 1, failed: 1, interrupted: 1, unknown: 0 });
    expect(today?.ended).toHaveLength(MOST_ENDED);
    expect(today?.ended.slice(0, 2)).toMatchObject([
      { outcome: 'failed', cause: 'step_script: exit 3' },
      { jobId: MOST_ENDED, url: `https://gitlab.example.com/team/app/-/jobs/${MOST_ENDED}` },
    ]);
    expect(today?.yuan).toBeCloseTo(1 + 103 * 0.020667, 5);
    expect(today?.failures[0]).toEqual({ cause: 'BootTimeout', count: 2 });
  });

  test('tells what a job used of its machine', () => {
    const use = { memoryPeakMiB: 2150, memoryMiB: 8192 };
    const { today } = boardSnapshot(facts({ ledger: ledger({ ended: [ledgerEntry({ use })] }) }), NOW);
    expect(today?.ended[0]?.use).toBe('peak 2.1 of 8 GiB');
  });
});

test('the month stands against its budgets; a project with one is there before it has spent', () => {
  const spent = [
    { key: 'team/app', project: 'team/app', yuan: 3 },
    { key: 'gitlab.example.com#7', project: 'team/web', yuan: 5 },
  ];
  const budget = {
    currency: 'USD',
    monthlyYuan: 10,
    perProjectYuan: { 'team/new': 2, '*': 4 },
    action: 'warn',
  } as const;
  const { month, unit } = boardSnapshot(facts({ budget, reservedYuan: 1.5, ledger: ledger({ spent }) }), NOW);
  expect({ month, unit }).toEqual({
    unit: 'USD',
    month: {
      month: '2026-11',
      yuan: 8,
      reservedYuan: 1.5,
      limitYuan: 10,
      action: 'warn',
      projects: [
        { project: 'team/web', yuan: 5, limitYuan: 4 },
        { project: 'team/app', yuan: 3, limitYuan: 4 },
        { project: 'team/new', yuan: 0, limitYuan: 2 },
      ],
    },
  });
});

test('a budget may name a project by its id, and none that nears its limit is left out', () => {
  const spent = Array.from({ length: 10 }, (_, index) => ({
    key: `gitlab.example.com#${index}`,
    project: `team/app-${index}`,
    yuan: 40 - index,
  }));
  const budget = {
    currency: 'CNY',
    monthlyYuan: undefined,
    perProjectYuan: { '3': 38, '*': 39 },
    action: 'refuse',
  } as const;
  const { month } = boardSnapshot(facts({ budget, ledger: ledger({ spent }) }), NOW);
  expect(month?.projects.map(({ limitYuan }) => limitYuan)).toEqual([39, 39, 39, 38, 39, 39, 39, 39, 39]);
});

test('stacks that were given up are leftovers', () => {
  const records = [destroyingRecord(1), { ...destroyingRecord(2), tries: 5 }];
  expect(boardSnapshot(facts({ records }), NOW).leftovers).toEqual(['job-gitlab.example.com-2-1']);
});

describe('pools are held back', () => {
  const pool = { zoneId: 'cn-x-a', vSwitchId: 'v', instanceType: 'ecs.c7.large', market: 'spot' } as const;
  const MINUTE = 60_000;
  test.each([
    ['OperationDenied.NoStock', 9, [{ instanceType: 'ecs.c7.large', why: 'out of stock' }]],
    ['OperationDenied.NoStock', 10, []],
    ['Zone.NotOnSale', 10, [{ instanceType: '', market: '', why: 'the zone sells nothing now' }]],
    ['Forbidden.RAM', 0, []],
  ])('after %s %i minutes ago', (code, minutes, expected) => {
    const held = heldBack([{ pool, code, atMs: NOW - minutes * MINUTE }], NOW);
    expect(boardSnapshot(facts({ heldBack: held }), NOW).heldBack).toMatchObject(expected);
  });

  test('and a zone, once two of its instances were taken back', () => {
    const other = { ...pool, instanceType: 'ecs.g7.large' };
    const taken = [pool, other].map((one, index) => ({ pool: one, code: 'Interrupted', atMs: NOW - index * MINUTE }));
    const zone = heldBack(taken, NOW).filter(({ instanceType }) => instanceType === undefined);
    expect(zone).toMatchObject([{ zoneId: 'cn-x-a', market: 'spot', untilMs: NOW + 30 * MINUTE }]);
  });
});
