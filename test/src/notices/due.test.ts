import type { DayRange } from '../../../src/billing/ledger';
import type { BoardSnapshot } from '../../../src/board/types';
import { dueNotices, followShortages } from '../../../src/notices/due';
import { lastPeriod, recordedIn, summaryNotice, untoldPeriod } from '../../../src/notices/summary';
import { tellDue } from '../../../src/notices/tell';
import type { Told } from '../../../src/notices/told';
import { boardSnapshot } from '../../../src/board/snapshot';
import { ledgerEntry } from '../../support/ledger-entry';

const AT = '2026-11-24T12:00:00.000Z';
const empty = boardSnapshot(
  {
    host: 'host-1',
    records: [],
    taken: new Set(),
    maxTries: 5,
    heldBack: [],
    reaper: undefined,
    budget: { currency: 'CNY', monthlyYuan: undefined, perProjectYuan: {}, action: 'refuse' },
    reservedYuan: 0,
    gitlabUrl: undefined,
    unreadable: [],
    refusedEdits: [],
    drainedSince: undefined,
    ledger: undefined,
  },
  Date.parse(AT),
);
const snapshot = (change: Partial<BoardSnapshot>): BoardSnapshot => ({ ...empty, ...change });
const spent = (yuan: number, limitYuan: number | undefined = 100, projects: object[] = []) =>
  snapshot({ month: { month: '2026-11', yuan, reservedYuan: 0, limitYuan, action: 'refuse', projects } as never });
const round = (at: string, lastSuccessAt?: string) =>
  snapshot({ reaper: { at, lastSuccessAt, destroyed: 0, left: 0, reported: 0 } });
const nothing: Told = { told: {}, shortages: {} };
const told = (...keys: string[]): Told => ({ told: Object.fromEntries(keys.map((key) => [key, AT])), shortages: {} });
const POOL = 'ecs.c7.xlarge in cn-hangzhou-h (spot)';
const shortage = (firstAt: string, refusals = 3): Told => ({
  told: {},
  shortages: { [POOL]: { firstAt, lastAt: AT, refusals } },
});

describe('what is due', () => {
  test.each<[string, BoardSnapshot, Told, string[]]>([
    ['nothing on a quiet host', empty, nothing, []],
    ['nothing below 80 %', spent(79.99), nothing, []],
    ['80 %', spent(80), nothing, ['budget/2026-11/100/80']],
    ['80 %, once', spent(95), told('budget/2026-11/100/80'), []],
    ['100 % alone, where nobody told of 80', spent(120), nothing, ['budget/2026-11/100/100']],
    ['100 % after 80', spent(100), told('budget/2026-11/100/80'), ['budget/2026-11/100/100']],
    ['80 % after a correction of 100: nothing', spent(99), told('budget/2026-11/100/100'), []],
    ['80 % of a raised budget', spent(120, 150), told('budget/2026-11/100/100'), ['budget/2026-11/150/80']],
    ['80 % in another month', spent(80), told('budget/2026-10/100/80'), ['budget/2026-11/100/80']],
    ['nothing of a budget of nothing', spent(0, 0), nothing, []],
    [
      'the budget of a project',
      spent(5, undefined, [{ project: 'team/app', yuan: 9, limitYuan: 10 }]),
      nothing,
      ['budget/2026-11/10/80/team/app'],
    ],
    ['each leftover, once', snapshot({ leftovers: ['a', 'b'] }), told('leftover/a'), ['leftover/b']],
    ['nothing of a good round', round(AT, AT), nothing, []],
    ['nothing of one round that failed', round(AT, '2026-11-24T11:55:00.000Z'), nothing, []],
    [
      'a reaper that fails for half an hour',
      round(AT, '2026-11-24T11:30:00.000Z'),
      nothing,
      ['reaper/2026-11-24T11:30:00.000Z'],
    ],
    ['a reaper that never succeeded', round(AT), nothing, ['reaper/never']],
    ['nothing of a pool that is out for hours', empty, shortage('2026-11-23T13:00:00.000Z'), []],
    ['nothing of two refusals', empty, shortage('2026-11-23T12:00:00.000Z', 2), []],
    [
      'a pool that is out for a day',
      empty,
      shortage('2026-11-23T12:00:00.000Z'),
      [`stock/${POOL}/2026-11-23T12:00:00.000Z`],
    ],
  ])('%s', (_what, now, before, keys) => {
    expect(dueNotices(now, before).map(({ key }) => key)).toEqual(keys);
  });

  test('a notice says how much, of what, and what comes of it', () => {
    expect(dueNotices(spent(80), nothing)[0]).toMatchObject({
      title: '80 % of the budget is used',
      lines: ['80.00 of 100 yuan in 2026-11.', 'At 100 % further jobs are refused.'],
    });
  });
});

describe('a shortage', () => {
  const held = { instanceType: 'ecs.c7.xlarge', zoneId: 'cn-hangzhou-h', market: 'spot' as const, until: AT };
  const out = (since: string, change: Partial<BoardSnapshot> = {}) =>
    snapshot({ at: since, heldBack: [{ ...held, why: 'out of stock', since }], ...change });
  const FIRST = '2026-11-24T08:00:00.000Z';
  const once = followShortages({}, out(FIRST));

  test('begins with the first refusal, and each counts once', () => {
    expect(once).toEqual({ [POOL]: { firstAt: FIRST, lastAt: FIRST, refusals: 1 } });
    expect(followShortages(once, out(FIRST))).toEqual(once);
    expect(followShortages(once, out(AT))).toEqual({ [POOL]: { firstAt: FIRST, lastAt: AT, refusals: 2 } });
  });
  test('is over once a job got the pool', () => {
    const job = { ...held, since: '2026-11-24T09:00:00.000Z' };
    expect(followShortages(once, snapshot({ jobs: [job] as never }))).toEqual({});
  });
  test('begins anew where nobody asked for longer than a night', () => {
    const late = '2026-11-25T08:00:00.000Z';
    expect(followShortages(once, out(late))[POOL]).toEqual({ firstAt: late, lastAt: late, refusals: 1 });
    expect(followShortages(once, snapshot({ at: late }))).toEqual({});
  });
  test('is not what another refusal means', () => {
    const dear = { ...held, why: 'the price rose above the limit', since: FIRST };
    expect(followShortages({}, snapshot({ heldBack: [dear] }))).toEqual({});
  });
});

describe('a summary', () => {
  test.each([
    ['daily', '2026-11-24T00:00:00Z', '2026-11-23', '2026-11-23'],
    ['daily', '2026-12-01T07:00:00Z', '2026-11-30', '2026-11-30'],
    ['weekly', '2026-11-23T00:00:00Z', '2026-11-16', '2026-11-22'],
    ['weekly', '2026-11-29T23:00:00Z', '2026-11-16', '2026-11-22'],
  ] as const)('%s at %s is of %s to %s', (summary, at, from, to) => {
    expect(lastPeriod(summary, Date.parse(at))).toMatchObject({ from, to });
  });

  test.each([
    ['the last day, where none was told', [], '2026-11-23'],
    ['each day since the one that was told last', ['summary/day/2026-11-20', 'leftover/a'], '2026-11-21'],
    ['what follows a week that was told', ['summary/week/2026-11-16'], '2026-11-23'],
    ['nothing twice', ['summary/day/2026-11-23'], undefined],
  ])('is of %s', (_what, keys, from) => {
    const period = untoldPeriod('daily', Date.parse(AT), told(...keys).told);
    expect(period).toEqual(from && { key: 'summary/day/2026-11-23', from, to: '2026-11-23' });
  });

  test('has each job once, on the day it was written down, however long before it began or ended', async () => {
    const lines = [
      ledgerEntry({ stack: 'old-line', from: '2026-11-23T23:50:00.000Z', to: '2026-11-24T00:10:00.000Z' }),
      ledgerEntry({
        ...{ stack: 'ended-before-midnight', from: '2026-11-23T23:50:00.000Z', to: '2026-11-23T23:59:00.000Z' },
        recordedAt: '2026-11-24T00:10:00.000Z',
      }),
      ledgerEntry({
        ...{ stack: 'host-was-down', from: '2026-11-20T10:00:00.000Z', to: '2026-11-20T11:00:00.000Z' },
        recordedAt: '2026-11-24T10:00:00.000Z',
      }),
    ];
    const began = ({ from, to }: DayRange) =>
      Promise.resolve(lines.filter((line) => line.from.slice(0, 10) >= from && line.from.slice(0, 10) <= to));
    const summaries = [20, 23, 24, 25].map(async (date) => {
      const period = lastPeriod('daily', Date.UTC(2026, 10, date + 1));
      return (await recordedIn(period, began)).map(({ stack }) => stack);
    });
    const third = ['host-was-down', 'old-line', 'ended-before-midnight'];
    expect(await Promise.all(summaries)).toEqual([[], [], third, []]);
  });

  test('says how jobs ended, and what they cost, the dearest project first', () => {
    const entries = [
      ledgerEntry({ yuan: 1 }),
      ledgerEntry({ yuan: 2, project: 'team/web', result: 'failed' }),
      ledgerEntry({ yuan: 0.5, project: '', spare: true }),
    ];
    expect(summaryNotice(lastPeriod('daily', Date.parse('2026-11-25T00:00:00Z')), entries)).toEqual({
      key: 'summary/day/2026-11-24',
      title: 'summary of 2026-11-24',
      lines: [
        '2 instances for jobs: 1 succeeded, 1 failed, 0 interrupted, 0 system failures.',
        '3.50 yuan, of it 0.50 for spare machines.',
        '  team/web: 2.00 yuan',
        '  team/app: 1.00 yuan',
      ],
    });
  });

  test('tells each job once, also those that were canceled or given up', () => {
    const entries = [
      ledgerEntry({ result: 'canceled' }),
      ledgerEntry({ result: 'failed', interrupted: true }),
      ledgerEntry({ result: 'unknown' }),
    ];
    expect(summaryNotice(lastPeriod('daily', 0), entries).lines[0]).toBe(
      '3 instances for jobs: 0 succeeded, 0 failed, 1 interrupted, 0 system failures, 1 canceled, 1 given up.',
    );
  });
});

describe('a round', () => {
  function rounds(now: BoardSnapshot, answers: (string | undefined)[] = []) {
    let state: Told = nothing;
    const sent: string[] = [];
    const problems = [...answers];
    const once = () =>
      tellDue('daily', {
        snapshot: () => Promise.resolve(now),
        entries: () => Promise.resolve([]),
        read: () => state,
        write: (next) => void (state = next),
        send: ({ key }) => {
          sent.push(key);
          return Promise.resolve({ answer: undefined, problem: problems.shift() });
        },
      });
    return { once, sent, state: () => state };
  }

  test('tells each notice once, and the summary with them', async () => {
    const { once, sent } = rounds(spent(80));
    await once();
    await once();
    expect(sent).toEqual(['budget/2026-11/100/80', 'summary/day/2026-11-23']);
  });

  test('ends at the first that is not taken; the next round tries again', async () => {
    const { once, sent, state } = rounds(spent(80), ['it answered HTTP 500']);
    expect(await once()).toBe('it answered HTTP 500');
    expect(sent).toHaveLength(1);
    expect(state().failed).toEqual({ at: AT, why: 'it answered HTTP 500' });
    expect(await once()).toBeUndefined();
    expect(sent).toEqual(['budget/2026-11/100/80', 'budget/2026-11/100/80', 'summary/day/2026-11-23']);
    expect(state().failed).toBeUndefined();
  });

  test('sends nothing where what was told can’t be written down', async () => {
    const send = jest.fn();
    const write = () => {
      throw new Error('ENOSPC');
    };
    const round = tellDue('off', {
      snapshot: () => Promise.resolve(spent(80)),
      entries: () => Promise.resolve([]),
      read: () => nothing,
      write,
      send,
    });
    await expect(round).rejects.toThrow('ENOSPC');
    expect(send).not.toHaveBeenCalled();
  });

  test('sends at most five, the rest in the next', async () => {
    const { once, sent } = rounds(snapshot({ leftovers: ['a', 'b', 'c', 'd', 'e', 'f'] }));
    await once();
    expect(sent).toHaveLength(5);
    await once();
    expect(new Set(sent).size).toBe(7);
  });
});
