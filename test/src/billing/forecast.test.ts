import { forecast, previousOf } from '../../../src/billing/forecast';
import { sizeOf } from '../../../src/billing/machine-size';
import { money } from '../../../src/billing/money';
import { groupsOf } from '../../../src/billing/report';
import { yearlyComparison } from '../../../src/billing/yearly';
import { ledgerEntry } from '../../support/ledger-entry';

// 2026-11-02 is a Monday.
const NOVEMBER = { from: '2026-11-01', to: '2026-11-30' };
const spend = (...days: [number, number][]) =>
  days.map(([day, yuan]) => ({ day: `2026-11-${String(day).padStart(2, '0')}`, yuan }));

describe('the forecast', () => {
  test.each<[string, ReturnType<typeof spend>, string, number | undefined]>([
    ['two whole days are too few', spend([2, 1], [3, 1], [4, 1]), '2026-11-04', undefined],
    [
      'working days alone: each day to come is like their mean',
      spend([2, 1], [3, 1], [4, 1], [5, 1]),
      '2026-11-05',
      29,
    ],
    // 12 so far; 16 working days of 2 yuan and 6 days of weekends of 1 are to come.
    [
      'a weekend costs what weekends cost',
      spend([2, 2], [3, 2], [4, 2], [5, 2], [6, 2], [7, 1], [8, 1]),
      '2026-11-09',
      50,
    ],
    ['a month that is over', spend([2, 1]), '2026-12-03', undefined],
  ])('%s', (_case, days, today, yuan) => expect(forecast(days, NOVEMBER, today)).toBe(yuan));
});

test.each([
  [NOVEMBER, '2026-11-24', { from: '2026-10-01', to: '2026-10-24', name: 'October until then' }],
  [NOVEMBER, '2026-12-24', { from: '2026-10-01', to: '2026-10-31', name: 'October' }],
  [{ from: '2026-03-01', to: '2026-03-31' }, '2026-03-30', { from: '2026-02-01', to: '2026-02-28', name: 'February' }],
  [
    { from: '2026-11-08', to: '2026-11-14' },
    '2026-11-24',
    { from: '2026-11-01', to: '2026-11-07', name: 'the 7 days before' },
  ],
])('%j, seen on %s, is held against the time before', (range, today, before) =>
  expect(previousOf(range, today)).toEqual(before),
);

test.each([
  [0, '0 yuan'],
  [0.00021, '< 0.1 fen'],
  [0.0207, '2.1 fen'],
  [0.34, '34 fen'],
  [0.996, '1.00 yuan'],
  [1234.5, '1,234.50 yuan'],
])('%d yuan reads as %s', (yuan, text) => expect(money(yuan, 'CNY')).toBe(text));

test.each([
  ['ecs.c7.xlarge', { vcpu: 4, memoryGiB: 8, gpu: false }],
  ['ecs.g8i.2xlarge', { vcpu: 8, memoryGiB: 32, gpu: false }],
  ['ecs.u1-c1m4.large', { vcpu: 2, memoryGiB: 8, gpu: false }],
  ['ecs.gn6i-c4g1.xlarge', undefined],
  ['ecs.t6-lc1m1.small', undefined],
])('the size of %s is known by its name', (instanceType, size) => expect(sizeOf({ instanceType })).toEqual(size));

describe('a machine by the year', () => {
  const machine = { vcpu: 4, memoryGiB: 8, yuanPerYear: 3650 };
  const many = (count: number, change = {}) =>
    Array.from({ length: count }, (_, index) => ledgerEntry({ stack: `job-${index}`, yuan: 1, ...change }));
  test.each<[string, ReturnType<typeof many>, number]>([
    ['runs one of forty that come at once', many(40), 1],
    ['runs two of half its size at once', many(3, { instanceType: 'ecs.c7.large' }), 2],
    ['runs one after another', [...many(1), ledgerEntry({ from: '2026-11-24T10:08:00.000Z' })], 2],
    ['runs nothing larger than itself', many(1, { instanceType: 'ecs.c7.2xlarge' }), 0],
    [
      'runs nothing that wants a GPU',
      many(1, { instanceType: 'ecs.gn6i-c4g1.xlarge', use: { vcpu: 4, memoryMiB: 8192 } }),
      0,
    ],
    ['runs nothing of unknown size', many(1, { instanceType: 'ecs.t6-lc1m1.small' }), 0],
  ])('%s', (_case, entries, runs) => {
    const found = yearlyComparison(entries, machine, 2);
    expect(found).toMatchObject({ machineYuan: 20, runs, ofRuns: entries.length });
  });
});

describe('groups', () => {
  const names = (by: Parameters<typeof groupsOf>[1], ...changes: object[]) =>
    groupsOf(
      changes.map((change) => ledgerEntry(change)),
      by,
    ).map(({ name, entries }) => [name, entries.length]);
  test.each<[string, ReturnType<typeof names>, unknown]>([
    [
      'a user is one by number, whatever the login says',
      names('user', { userLogin: 'boss (user 7)' }, { userLogin: 'ada (user 7)' }),
      [['ada (user 7)', 2]],
    ],
    [
      'a login that ends like a number of ours is told apart',
      names('user', { userLogin: 'ada (user 7)' }, { userLogin: 'ada (user 7) (unverified)' }),
      [
        ['ada (user 7)', 1],
        ['ada (user 7) (unverified)', 1],
      ],
    ],
    [
      'a renamed project is one',
      names('project', { project: 'old', projectId: 3 }, { project: 'new', projectId: 3 }),
      [['new', 2]],
    ],
    [
      'what the job alone says is marked, and apart',
      names('branch', { verified: true }, { verified: false }),
      [
        ['team/app main', 1],
        ['team/app main (unverified)', 1],
      ],
    ],
    ['spares are nobody’s', names('market', { spare: true }), [['spot', 1]]],
  ])('%s', (_case, found, expected) => expect(found).toEqual(expected));
});
