import fc from '../../support/property';
import { exposition } from '../../../src/metrics/exposition';
import { families, type Observed } from '../../../src/metrics/families';
import { READY_BUCKETS } from '../../../src/metrics/tally';
import { instanceFacts, preparingRecord } from '../../support/job-record';
import { parseExposition } from '../../support/exposition';

const AT = '2026-11-24T12:00:00.000Z';
const doomed = {
  ...preparingRecord(3),
  phase: 'destroying',
  instance: undefined,
  result: 'success',
  endedAt: AT,
  notBefore: undefined,
} as const;

const observed: Observed = {
  version: '0.1.0',
  records: [
    preparingRecord(1),
    { ...preparingRecord(2), phase: 'running', instance: instanceFacts },
    { ...doomed, tries: 1 },
    { ...doomed, tries: 6 },
  ],
  waiting: 2,
  maxTries: 6,
  totals: {
    ended: { 'standard\nsuccess': 7, 'standard\nsystem-failure': 1 },
    interrupted: { standard: 3 },
    confirmed: { standard: 1 },
    spent: { 'standard\nteam/app': 1.25 },
    seconds: { 'standard\nspot': 3600 },
    failures: { 'prepare\nOperationDenied.NoStock': 3 },
    ready: { standard: { buckets: READY_BUCKETS.map((bound) => (bound >= 25 ? 8 : 0)), sum: 190, count: 8 } },
  },
  spent: new Map([['CNY', [{ key: 'gitlab.example.com#42', project: 'team/app', yuan: 1.25 }]]]),
  reap: { at: AT, lastSuccessAt: AT, destroyed: 1, left: 0, reported: 2 },
  budget: { currency: 'CNY', monthlyYuan: 10, perProjectYuan: { 'team/app': 2, '42': 5, '*': 1 }, action: 'refuse' },
  reserved: [{ key: 'gitlab.example.com#42', project: 'team/app', yuan: 0.5 }],
  unreadable: 2,
};

const parsed = parseExposition(exposition(families(observed)));
const value = (name: string, labels: Record<string, string> = {}): number | undefined =>
  [...parsed.values()]
    .flatMap(({ samples }) => samples)
    .find(
      (sample) => sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text),
    )?.value;

test('tells of running, waiting, ready, failures, spend, leftovers and the reaper', () => {
  expect(value('gitlab_spot_jobs', { phase: 'running' })).toBe(1);
  expect(value('gitlab_spot_jobs', { phase: 'lost' })).toBe(0);
  expect(value('gitlab_spot_jobs_waiting')).toBe(2);
  expect(value('gitlab_spot_destroys_pending')).toBe(1);
  expect(value('gitlab_spot_destroys_given_up')).toBe(1);
  expect(value('gitlab_spot_instances_yuan_per_hour')).toBe(0.155);
  expect(value('gitlab_spot_ready_seconds_bucket', { profile: 'standard', le: '25' })).toBe(8);
  expect(value('gitlab_spot_ready_seconds_sum', { profile: 'standard' })).toBe(190);
  expect(value('gitlab_spot_failures_total', { hook: 'prepare', cause: 'OperationDenied.NoStock' })).toBe(3);
  expect(value('gitlab_spot_spend_yuan_total', { profile: 'standard', project: 'team/app' })).toBe(1.25);
  expect(value('gitlab_spot_interruptions_total', { profile: 'standard' })).toBe(3);
  expect(value('gitlab_spot_interruptions_confirmed_total', { profile: 'standard' })).toBe(1);
  expect(value('gitlab_spot_unreadable')).toBe(2);
  expect(value('gitlab_spot_leftovers')).toBe(0);
  expect(value('gitlab_spot_reap_last_success_timestamp_seconds')).toBe(Date.parse(AT) / 1000);
});

test('reckons the budget as prepare does: this month, and what running jobs may still cost', () => {
  expect(value('gitlab_spot_month_spend_yuan')).toBe(1.25);
  expect(value('gitlab_spot_budget_used_ratio', { project: '' })).toBe(0.175);
  expect(value('gitlab_spot_budget_used_ratio', { project: 'team/app' })).toBe(0.875);
  expect(value('gitlab_spot_budget_used_ratio', { project: '42' })).toBe(0.35);
  expect(value('gitlab_spot_budget_limit_yuan', { project: '*' })).toBeUndefined();
});

test('an instance that is gone costs nothing now, whatever is left of its stack', () => {
  const gone = { ...doomed, instance: instanceFacts, tries: 6, goneAt: AT } as const;
  const text = exposition(families({ ...observed, records: [gone] }));
  expect(text).toContain('gitlab_spot_instances_yuan_per_hour 0\n');
});

test('names each amount by its currency', () => {
  const dollars = { ...instanceFacts, priceYuanPerHour: 0.03, diskYuanPerHour: 0.01, currency: 'USD' };
  const abroad: Observed = {
    ...observed,
    records: [{ ...preparingRecord(2), phase: 'running', instance: dollars }],
    totals: { ...observed.totals, spent: { 'a\nb\nUSD': 2 }, disks: { 'a\nb\nUSD': 1 } },
    spent: new Map([['USD', [{ key: 'team/app', project: 'team/app', yuan: 2 }]]]),
    budget: { currency: 'USD', monthlyYuan: 10, perProjectYuan: {}, action: 'refuse' },
  };
  const text = exposition(families(abroad));
  expect(text).not.toMatch(/yuan/i);
  expect(text).toContain('gitlab_spot_instances_usd_per_hour 0.04\n');
  expect(text).toContain('gitlab_spot_spend_usd_total{profile="a",project="b"} 2\n');
  expect(text).toContain('gitlab_spot_disk_spend_usd_total{profile="a",project="b"} 1\n');
  expect(text).toContain('gitlab_spot_month_spend_usd 2\n');
  expect(text).toContain('gitlab_spot_budget_limit_usd{project=""} 10\n');
});

test('an amount keeps its name while there is nothing to count', () => {
  const { totals, budget } = observed;
  const idle = { ...observed, records: [], totals: { ...totals, spent: {} }, spent: new Map() };
  const text = exposition(families({ ...idle, budget: { ...budget, currency: 'USD' } }));
  expect(text).not.toMatch(/yuan/i);
  expect(text).toContain('gitlab_spot_instances_usd_per_hour 0\n');
  expect(text).toContain('gitlab_spot_month_spend_usd 0\n');
});

test('names and types are those of the field', () => {
  for (const [name, { type, help, samples }] of parsed) {
    expect(name).toMatch(/^gitlab_spot_[a-z_]+$/);
    expect({ name, counts: name.endsWith('_total') }).toEqual({ name, counts: type === 'counter' });
    expect(name).not.toMatch(/_(ms|milliseconds|minutes|percent|bytes_mib)$/);
    expect(help).toMatch(/^[A-Z].*\.$/);
    expect(samples.length).toBeGreaterThan(0);
  }
});

test('a host without jobs has no empty family, and no time that never was', () => {
  const nothing = { ended: {}, interrupted: {}, confirmed: {}, spent: {}, seconds: {}, failures: {}, ready: {} };
  const text = exposition(families({ ...observed, records: [], totals: nothing, reap: undefined }));
  expect([...parseExposition(text).keys()]).not.toContain('gitlab_spot_reap_last_run_timestamp_seconds');
  expect(text).not.toMatch(/NaN/);
});

test('any label value and number comes back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.double(), (text, number) => {
      const family = {
        name: 'x',
        help: text,
        type: 'gauge',
        samples: [{ labels: { label: text }, value: number }],
      } as const;
      const sample = parseExposition(exposition([family])).get('x')!.samples[0]!;
      expect(sample.labels.label).toBe(text);
      expect(sample.value).toEqual(number === 0 ? 0 : number);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['x 1', 'no end'],
  ['x 1\n', 'belongs to no family'],
  ['# HELP x y\n# TYPE x gauge\nx{a="b"} one\n', 'is no sample'],
  ['# HELP x y\n# TYPE x gauge\nx 1\nx 2\n', 'is there twice'],
  ['# HELP x y\n# TYPE x histogram\nx_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 1\n', 'is not right'],
])('the test’s own parser refuses %j', (text, why) => {
  expect(() => parseExposition(text)).toThrow(why);
});
