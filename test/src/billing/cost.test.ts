import { whatIsCounted } from '../../../src/billing/report';
import { costLine, entriesOf, entryOf, yuanFor, yuanOf, yuanSoFar } from '../../../src/billing/cost';
import { costPage } from '../../../src/billing/cost-page';
import { byCurrency, GROUPS, summarize } from '../../../src/billing/report';
import { total } from '../../../src/billing/tally';
import type { JobRecord } from '../../../src/jobs/types';
import { destroyingRecord, preparingRecord } from '../../support/job-record';
import { ledgerEntry } from '../../support/ledger-entry';

const instance = {
  instanceId: 'i-1',
  address: '10.0.0.5',
  sshPort: 22,
  sshUser: 'root',
  hostPublicKey: 'ssh-ed25519 AAAA',
  pool: { instanceType: 'ecs.c7.xlarge', zoneId: 'cn-hangzhou-h', vSwitchId: 'vsw-h', market: 'spot' as const },
  priceYuanPerHour: 0.155,
  onDemandYuanPerHour: 0.815,
  createdAt: '2026-11-24T10:00:00.000Z',
  readyAt: '2026-11-24T10:00:20.000Z',
};
const base = {
  version: 2 as const,
  identity: { stackName: 'job-gitlab.example.com-1001-1', serverHost: 'gitlab.example.com', jobId: 1001, attempt: 1 },
  executorId: 'runner-1',
  serverUrl: 'https://gitlab.example.com',
  project: 'team/app',
  ref: 'main',
  jobName: 'build',
  userLogin: 'root',
  profile: 'standard',
  timeoutMs: 3_600_000,
  startedAt: '2026-11-24T09:59:55.000Z',
  releaseAt: undefined,
  heartbeatAt: '2026-11-24T10:00:00.000Z',
  hookPid: undefined,
  tried: [],
  stages: [],
};

describe('what a job costs', () => {
  test('an 8-minute job on a 4c8g spot instance costs 0.02 to 0.025 yuan', () => {
    for (const price of [0.155, 0.148, 0.18]) {
      expect(yuanFor(8 * 60, price)).toBeGreaterThanOrEqual(0.0195);
      expect(yuanFor(8 * 60, price)).toBeLessThanOrEqual(0.025);
    }
    expect(yuanFor(8 * 60, 0.155)).toBe(0.020667);
  });

  test('the ledger says that an instance had a public address, whose traffic is on top', () => {
    const open = { ...base, phase: 'running', instance: { ...instance, trafficYuanPerGiB: 0.8 } } as JobRecord;
    const end = new Date('2026-11-24T10:08:00Z');
    const entry = entryOf(open, end)!;
    expect(entry).toMatchObject({ trafficYuanPerGiB: 0.8, yuan: yuanFor(entry.seconds, 0.155) });
    expect(whatIsCounted([entry])).toContain(
      '1 instance had a public address: what they sent is on top, some 0.8 yuan a GiB',
    );
    expect(whatIsCounted([entryOf({ ...open, instance } as JobRecord, end)!])).not.toContain('public address');
  });

  test('the log says what it cost, of what, and what was saved', () => {
    const disk = { diskYuanPerHour: 0.042 };
    const [short, long] = [new Date('2026-11-24T10:00:30Z'), new Date('2026-11-24T10:08:00Z')];
    expect(costLine({ ...instance, ...disk }, long)).toBe(
      '8.0 min on ecs.c7.xlarge at 0.155 yuan/h: 0.0263 yuan (instance 0.0207, disk 0.0056; pay-as-you-go 0.114, 77 % saved)',
    );
    expect(costLine({ ...instance, ...disk, onDemandYuanPerHour: 0.155, trafficYuanPerGiB: 0.8 }, short)).toBe(
      '30 s on ecs.c7.xlarge at 0.155 yuan/h: 0.0016 yuan (instance 0.0013, disk 0.0003; public traffic on top, 0.8 yuan a GiB)',
    );
    expect(costLine({ ...instance, currency: 'USD' }, long)).toBe(
      '8.0 min on ecs.c7.xlarge at 0.155 USD/h: 0.021 USD (its disk not counted; pay-as-you-go 0.109, 81 % saved)',
    );
  });

  test.each([
    [60, 0.0324, 0.0144, '0.0008 yuan (instance 0.0006, disk 0.0002'],
    [600, 0.6, 0.3, '0.150 yuan (instance 0.100, disk 0.050'],
  ])('instance and disk add up: %d s at %d and %d yuan an hour', (seconds, priceYuanPerHour, diskYuanPerHour, text) => {
    const end = new Date(Date.parse(instance.createdAt) + seconds * 1000);
    expect(costLine({ ...instance, priceYuanPerHour, diskYuanPerHour }, end)).toContain(text);
  });

  test('an instance that waited first has a line for that time and one for the job, which are what it cost', () => {
    const claimedAt = '2026-11-24T10:20:00.500Z';
    const whole = { ...base, phase: 'destroying', instance, result: 'success', tries: 0 } as unknown as JobRecord;
    const end = new Date('2026-11-24T10:28:10Z');
    const stackName = 'spare-standard-0123456789ab';
    const [waited, used, ...more] = entriesOf({ ...whole, spare: { stackName, claimedAt } }, end);
    expect(more).toEqual([]);
    expect(waited).toMatchObject({ stack: stackName, spare: true, project: '', seconds: 1200, to: claimedAt });
    expect(used).toMatchObject({ stack: base.identity.stackName, seconds: 490, from: claimedAt, result: 'success' });
    expect(waited!.yuan + used!.yuan).toBeCloseTo(entryOf(whole, end)!.yuan, 6);
    // Taken back by the cloud before the claim was through.
    const early = entriesOf({ ...whole, spare: { stackName, claimedAt } }, new Date('2026-11-24T10:10:00Z'));
    expect(early.map(({ seconds }) => seconds)).toEqual([600, 0]);
  });

  test('a job that never had an instance stands in no ledger', () => {
    expect(entryOf({ ...base, phase: 'preparing' } as JobRecord, new Date())).toBeUndefined();
  });

  test('a finished job is billed from its creation to when its instance was gone', () => {
    const record = {
      ...base,
      phase: 'destroying',
      instance,
      result: 'success',
      endedAt: '2026-11-24T10:08:00Z',
      notBefore: undefined,
      tries: 1,
    } as JobRecord;
    expect(entryOf(record, new Date('2026-11-24T10:08:10Z'))).toMatchObject({
      seconds: 490,
      yuan: 0.021097,
      readySeconds: 25,
      result: 'success',
    });
  });

  test('a failed one says in which stage, whatever ran after it', () => {
    const at = { startedAt: '2026-11-24T10:01:00Z', durationMs: 1_000 };
    const stages = [
      { ...at, stage: 'get_sources', exitCode: 0 },
      { ...at, stage: 'build_script', exitCode: 3 },
      { ...at, stage: 'after_script', exitCode: 1 },
    ];
    const record = { ...base, phase: 'destroying', instance, result: 'failed', stages, tries: 0 } as unknown;
    const gone = new Date('2026-11-24T10:08:10Z');
    expect(entryOf(record as JobRecord, gone)?.failedStage).toEqual({ stage: 'build_script', exitCode: 3 });
    expect(entryOf({ ...(record as JobRecord), result: 'success' } as JobRecord, gone)?.failedStage).toBeUndefined();
  });

  test('its disk is paid for as long as it, and stands apart', () => {
    const record = { ...base, phase: 'running', instance: { ...instance, diskYuanPerHour: 0.042, currency: 'USD' } };
    expect(entryOf(record as JobRecord, new Date('2026-11-24T10:08:00Z'))).toMatchObject({
      ...{ yuan: 0.026267, diskYuan: 0.0056, currency: 'USD' },
    });
  });

  test('an interrupted one is told from others', () => {
    const record = {
      ...base,
      phase: 'lost',
      instance,
      loss: { reason: 'interrupted', at: '2026-11-24T10:01:00Z', sentence: '' },
    } as JobRecord;
    expect(entryOf(record, new Date('2026-11-24T10:01:00Z'))).toMatchObject({ seconds: 60, interrupted: true });
  });

  test('the price at launch is that of the cloud’s history, where it can be asked', () => {
    const record = { ...base, phase: 'running', instance: { ...instance, durationHours: 1 } } as JobRecord;
    const prices = [
      { at: '2026-11-24T09:00:00Z', yuanPerHour: 0.1 },
      { at: '2026-11-24T10:00:00Z', yuanPerHour: 0.18 },
      { at: '2026-11-24T10:10:00Z', yuanPerHour: 9 },
    ];
    const end = new Date('2026-11-24T11:00:00Z');
    expect(entryOf(record, end, prices)).toMatchObject({ priceYuanPerHour: 0.18, yuan: 0.18 });
    expect(entryOf(record, end)).toMatchObject({ priceYuanPerHour: 0.155, yuan: 0.155 });
    // Which came first in that second, the launch or the change? Placement knows.
    const quoted = { ...record, instance: { ...instance, durationHours: 1, priceYuanPerHour: 0.1 } } as JobRecord;
    expect(entryOf(quoted, end, prices)).toMatchObject({ priceYuanPerHour: 0.1, yuan: 0.1 });
  });
});

describe('the bill of an instance', () => {
  const at = (time: string) => new Date(`2026-11-24T${time}Z`);
  const prices = [
    { at: '2026-11-24T09:00:00Z', yuanPerHour: 0.1 },
    { at: '2026-11-24T10:30:00Z', yuanPerHour: 0.2 },
    { at: '2026-11-24T11:30:00Z', yuanPerHour: 0.4 },
  ];
  const billed = { from: at('10:00:00.9'), to: at('12:00:00.1'), priceYuanPerHour: 0.1, fixedHours: 0, prices };

  test.each([
    ['without a protected hour follows the market', {}, 0.05 + 0.2 + 0.2],
    ['with one pays its first hour at the price of the launch', { fixedHours: 1 }, 0.1 + 0.1 + 0.2],
    ['and only that, when it is over within the hour', { fixedHours: 1, to: at('10:45:00') }, 0.075],
    ['of pay-as-you-go never changes', { fixedHours: Infinity }, 0.2],
    ['without a history is that of the launch', { prices: [] }, 0.2],
    ['counts whole seconds of the clock', { to: at('10:00:01.1') }, 0.000028],
    ['is nothing for less than a second', { to: at('10:00:00.95') }, 0],
    ['is nothing where the end is before the beginning', { to: at('09:59:00') }, 0],
  ])('%s', (_title, change, yuan) => {
    expect(yuanOf({ ...billed, ...change })).toBeCloseTo(yuan, 6);
  });
});

describe('the report', () => {
  const entries = [
    ledgerEntry({ stack: 'a', from: '2026-11-23T10:00:00.000Z', project: 'team/app', yuan: 0.02, readySeconds: 20 }),
    ledgerEntry({
      stack: 'b',
      from: '2026-11-24T10:00:00.000Z',
      project: 'team/lib',
      yuan: 0.05,
      readySeconds: 30,
      result: 'system-failure',
      interrupted: true,
    }),
    ledgerEntry({
      stack: 'c',
      from: '2026-11-24T11:00:00.000Z',
      project: 'team/app',
      yuan: 0.01,
      readySeconds: undefined,
      result: 'failed',
    }),
  ];

  test('sums by day in order, and by project with the dearest first', () => {
    expect(summarize(entries, 'day').map(({ key, jobs, yuan }) => [key, jobs, yuan])).toEqual([
      ['2026-11-23', 1, 0.02],
      ['2026-11-24', 2, 0.06],
    ]);
    expect(summarize(entries, 'project').map(({ key, yuan }) => [key, yuan])).toEqual([
      ['team/lib', 0.05],
      ['team/app', 0.03],
    ]);
  });

  test('counts disks apart, and in what pay-as-you-go would cost too', () => {
    const withDisk = ledgerEntry({ yuan: 0.026267, diskYuan: 0.0056 });
    expect(total('all', [withDisk, ledgerEntry()])).toMatchObject({
      ...{ yuan: 0.046934, diskYuan: 0.0056, onDemandYuan: 0.222933 },
    });
  });

  test('adds no two currencies up', () => {
    const dollars = ledgerEntry({ currency: 'USD', yuan: 1 });
    const paid = byCurrency([...entries, dollars]);
    expect(paid.map((one) => [one.currency, one.entries.length])).toEqual([
      ['CNY', 3],
      ['USD', 1],
    ]);
    expect(byCurrency([])).toEqual([{ currency: 'CNY', entries: [] }]);
    const range = { from: '2026-11-20', to: '2026-11-24' };
    const page = costPage({
      entries: [dollars],
      range,
      generatedAt: new Date(0),
      yearly: { vcpu: 4, memoryGiB: 8, yuanPerYear: 3000 },
    });
    expect(page).toContain('1.00 USD');
    expect(page).not.toMatch(/yuan/i);
    const both = costPage({
      entries: [...entries, dollars],
      range,
      generatedAt: new Date('2026-11-24T12:00:00Z'),
      yearly: { vcpu: 4, memoryGiB: 8, yuanPerYear: 3000 },
      hostYuanPerMonth: 60,
    });
    expect(both.match(/the runner host/g)).toHaveLength(1);
  });

  test('counts interruptions and failures, and takes the median of the seconds to ready', () => {
    expect(total('all', entries)).toMatchObject({ jobs: 3, interrupted: 1, failed: 1, readySeconds: 25 });
    expect(total('none', [])).toMatchObject({ jobs: 0, yuan: 0, readySeconds: undefined });
  });

  test('is a page of its own that loads nothing and escapes what jobs are called', () => {
    const page = costPage({
      entries: [...entries, ledgerEntry({ stack: 'd', jobName: '<script>alert(1)</script>' })],
      range: { from: '2026-11-20', to: '2026-11-24' },
      generatedAt: new Date('2026-11-24T12:00:00Z'),
      yearly: { vcpu: 4, memoryGiB: 8, yuanPerYear: 3000 },
    });
    expect(page).not.toContain('<script');
    expect(page).not.toMatch(/src=|url\(|<link|\son\w+=/);
    const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((link) => !link!.startsWith('https://gitlab.example.com/team/'))).toEqual([]);
    // From the first job on, not from the range's first day.
    expect(page).not.toContain('11-22');
    expect(page).toContain('11-23');
  });

  test('looks at each entry a few times, however many tables it has', () => {
    let looks = 0;
    const seen = Array.from({ length: 50 }, (_, index) => {
      const entry = ledgerEntry({ stack: `job-${index}`, jobName: `job ${index}`, ref: `branch-${index}` });
      const seconds = entry.seconds;
      return Object.defineProperty({ ...entry }, 'seconds', { enumerable: true, get: () => ((looks += 1), seconds) });
    });
    costPage({
      entries: seen,
      range: { from: '2026-11-20', to: '2026-11-24' },
      generatedAt: new Date('2026-11-24T12:00:00Z'),
      yearly: { vcpu: 4, memoryGiB: 8, yuanPerYear: 3000 },
    });
    // In one go for all tables and the chart, once for the total, once beside the yearly machine.
    expect(looks / seen.length).toBeLessThanOrEqual(GROUPS.length + 2);
  });
});

test('an instance costs until it is gone, however long the rest of its stack stays', () => {
  const record = { ...destroyingRecord(), goneAt: '2026-11-24T13:00:00.000Z' };
  const nowMs = Date.parse('2026-11-24T20:00:00Z');
  expect(yuanSoFar(record, nowMs)).toBe(0.155);
  expect(yuanSoFar({ ...record, goneAt: undefined }, nowMs)).toBe(1.24);
  expect(yuanSoFar(preparingRecord(), nowMs)).toBeUndefined();
  const lost = { ...record, goneAt: undefined, loss: { reason: 'interrupted', at: record.goneAt } as const };
  expect(yuanSoFar(lost, nowMs)).toBe(0.155);
  // It may be there all the same.
  expect(yuanSoFar({ ...lost, loss: { ...lost.loss, reason: 'unreachable' } }, nowMs)).toBe(1.24);
});
