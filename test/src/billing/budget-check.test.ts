import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { auditEntries } from '../../../src/audit/log';
import { BudgetExhausted } from '../../../src/billing/budget';
import { budgetCheck, mayPay, reserved } from '../../../src/billing/budget-check';
import { acquireSlot, queueLength } from '../../../src/host/queue';
import { RecordStore } from '../../../src/jobs/record-store';
import { destroyingRecord, instanceFacts, preparingRecord } from '../../support/job-record';

let store: RecordStore;
beforeEach(() => (store = new RecordStore(mkdtempSync(path.join(os.tmpdir(), 'budget-')))));
afterEach(() => rmSync(store.stateDir, { recursive: true, force: true }));

const NOW = Date.parse('2026-11-24T12:00:00Z');
const check = (monthlyYuan: number | undefined, perProjectYuan = {}) =>
  budgetCheck(
    { stateDir: store.stateDir, budget: { currency: 'CNY', monthlyYuan, perProjectYuan, action: 'refuse' } },
    store,
    () => NOW,
  );
const job = (id: number, reservedYuan: number, change = {}) => {
  const record = { ...preparingRecord(id), projectId: 42, reservedYuan, ...change };
  return { record, verified: true, hold: () => store.write(record) };
};

const write = (name: string, text: string): void => {
  const file = path.join(store.stateDir, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
};

describe('jobs at a time', () => {
  const count = (of: 'profile' | 'project') => ({
    of,
    whose: 'Profile standard',
    setting: 'profiles.standard',
    maxJobs: 2,
  });
  const ask = (id: number, of: 'profile' | 'project', change = {}) =>
    check(undefined)({ ...job(id, 0, change), counts: [count(of)] });

  test('are as many as the profile may have, however many begin at once', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => ask(n + 1, 'profile')));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    await expect(ask(20, 'profile')).rejects.toThrow(
      'Profile standard has 2 jobs on this host, and may have 2 at a time',
    );
    await expect(ask(21, 'profile', { profile: 'large' })).resolves.toEqual([]);
  });

  test('count by project, under whatever name, until they are over', async () => {
    await ask(1, 'project');
    await ask(2, 'project', { project: 'root/renamed' });
    await expect(ask(3, 'project', { profile: 'large' })).rejects.toThrow('may have 2 at a time');
    await expect(ask(4, 'project', { projectId: 7 })).resolves.toEqual([]);
    store.write(destroyingRecord(2));
    await expect(ask(5, 'project')).resolves.toEqual([]);
  });

  test('count what can not be read as one', async () => {
    await ask(1, 'profile');
    write('jobs/job-gitlab.example.com-7-1/record.json', '{');
    await expect(ask(2, 'profile')).rejects.toThrow('may have 2 at a time');
  });
});

describe('a job of a host with a budget', () => {
  test('is let in only while what all may cost has room, however many begin at once', async () => {
    const ask = check(1);
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => ask(job(n + 1, 0.4))));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(store.list()).toHaveLength(2);
  });

  test('waits while another process asks, and counts what that one has held', async () => {
    const directory = path.join(store.stateDir, 'slots', 'budget');
    mkdirSync(directory, { recursive: true });
    const queue = { directory, slots: 1 };
    const other = await acquireSlot(queue);
    let answered = false;
    const asked = check(1)(job(1, 0.9)).finally(() => (answered = true));
    const refused = expect(asked).rejects.toThrow(BudgetExhausted);
    // The other's ticket and this one's.
    while (!answered && queueLength(queue) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    store.write({ ...preparingRecord(2), projectId: 42, reservedYuan: 0.9 });
    other.release();
    await refused;
    expect(store.list().map(({ stackName }) => stackName)).toEqual([preparingRecord(2).identity.stackName]);
  });

  test('leaves word in the audit log of what the budget is, once it is another', async () => {
    await check(undefined)(job(1, 0.1));
    await check(9)(job(2, 0.1));
    await check(9)(job(3, 0.1));
    const budgets = auditEntries(store.stateDir).filter(({ action }) => action === 'budget');
    expect(budgets.map(({ detail }) => /[^>]*"monthlyYuan":9\b/.test(detail ?? ''))).toEqual([false, true]);
  });

  test('does not count against itself when it is asked again', async () => {
    const ask = check(1);
    await ask(job(1, 0.4));
    await expect(ask(job(1, 0.9))).resolves.toEqual([expect.stringContaining('nearly used up: 0.90 of 1 yuan')]);
    await expect(ask(job(1, 1.1))).rejects.toThrow('used up: 1.10 of 1 yuan');
  });

  test('counts with its project’s others under whatever name', async () => {
    const ask = check(undefined, { 'root/new': 1 });
    await ask(job(1, 0.8));
    await expect(ask(job(2, 0.8, { project: 'root/new' }))).rejects.toThrow(
      'The monthly budget of root/new is used up',
    );
    await expect(ask(job(3, 0.8, { project: 'root/new', projectId: 7 }))).resolves.toHaveLength(1);
  });

  test.each([
    ['a damaged line of the ledger', () => write('ledger/2026-11-24/torn.json', '{'), 'ledger/2026-11-24/torn.json'],
    ['a line of a later version', () => write('ledger/2026-11-03.jsonl', '{"version":9}\n'), 'of version 9'],
    [
      'a damaged record',
      () => write('jobs/job-gitlab.example.com-7-1/record.json', '{'),
      'jobs/job-gitlab.example.com-7-1',
    ],
  ])('is refused while nobody knows what was spent: %s', async (_what, spoil, named) => {
    spoil();
    await expect(check(1000)(job(1, 0.1))).rejects.toThrow(named);
    expect(store.list().filter(({ record }) => record)).toEqual([]);
    await expect(check(undefined)(job(1, 0.1))).resolves.toEqual([]);
  });

  test('without a cap is let in by what its dearest pool may cost, and never without a price', async () => {
    const uncapped = (id: number, yuan?: number) => ({
      ...job(id, 0, { reservedYuan: yuan }),
      placed: yuan !== undefined,
    });
    await expect(check(1)(uncapped(1))).resolves.toEqual([]);
    await expect(check(1)({ ...uncapped(1), placed: true })).rejects.toThrow(
      'no price of profile standard is known now',
    );
    await check(1)(uncapped(1, 0.7));
    await expect(check(1)(uncapped(2, 0.7))).rejects.toThrow('used up: 1.40 of 1 yuan');
  });

  test('is refused where only its author says whose it is', async () => {
    await expect(check(1)({ ...job(1, 0.1), verified: false })).rejects.toThrow(
      'nothing that proves whose job this is',
    );
    await expect(check(undefined)({ ...job(1, 0.1), verified: false })).resolves.toEqual([]);
  });
});

test('without a cap a job may pay the list price of its dearest pool', () => {
  const pools = [
    { priceYuanPerHour: 0.2, onDemandYuanPerHour: 0.8 },
    { priceYuanPerHour: undefined, onDemandYuanPerHour: undefined },
    { priceYuanPerHour: 0.9, onDemandYuanPerHour: undefined },
  ].map((one) => ({ ...one, diskYuanPerHour: undefined }));
  const hour = { timeoutMs: 1_800_000, keepMs: 1_800_000 };
  expect(mayPay(hour, pools)).toBe(0.9);
  expect(mayPay(hour, pools.slice(0, 2))).toBe(0.8);
  expect(mayPay(hour, pools.slice(1, 2))).toBeUndefined();
  expect(mayPay({ ...hour, reservedYuan: 1.5 }, pools)).toBe(1.5);
  const withDisk = pools.map((one) => ({ ...one, diskYuanPerHour: 0.042 }));
  expect(mayPay(hour, withDisk)).toBeCloseTo(0.942);
  // A disk's price alone is no price of a job.
  expect(mayPay(hour, withDisk.slice(1, 2))).toBeUndefined();
});

test('what a job may cost counts from its first record until its line is in the ledger', () => {
  const yuan = () => reserved(store, NOW + 1_800_000).map((one) => Number(one.yuan.toFixed(4)));
  const record = { ...preparingRecord(), reservedYuan: 0.4, keepMs: 3_600_000 };
  store.write(record);
  expect(yuan()).toEqual([0.4]);
  store.write({ ...record, phase: 'running', instance: { ...instanceFacts, priceYuanPerHour: 0.3 } });
  expect(yuan()).toEqual([0.6]);
  const notBefore = new Date(NOW + 3_600_000).toISOString();
  store.write({ ...destroyingRecord(), notBefore });
  expect(yuan()).toEqual([0.155]);
  // What is left of its stack may stay for days.
  store.write({ ...destroyingRecord(), goneAt: new Date(NOW + 900_000).toISOString() });
  expect(yuan()).toEqual([0.0387]);
});
