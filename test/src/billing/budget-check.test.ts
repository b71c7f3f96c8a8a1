import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { budgetCheck, reserved } from '../../../src/billing/budget-check';
import { RecordStore } from '../../../src/jobs/record-store';
import { destroyingRecord, instanceFacts, preparingRecord } from '../../support/job-record';

let store: RecordStore;
beforeEach(() => (store = new RecordStore(mkdtempSync(path.join(os.tmpdir(), 'budget-')))));
afterEach(() => rmSync(store.stateDir, { recursive: true, force: true }));

const NOW = Date.parse('2026-11-24T12:00:00Z');
const check = (monthlyYuan: number | undefined, perProjectYuan = {}) =>
  budgetCheck(
    { stateDir: store.stateDir, budget: { monthlyYuan, perProjectYuan, action: 'refuse' } },
    store,
    () => NOW,
  );
const job = (id: number, reservedYuan: number, change = {}) => {
  const record = { ...preparingRecord(id), projectId: 42, reservedYuan, ...change };
  return { record, verified: true, hold: () => store.write(record) };
};

describe('a job of a host with a budget', () => {
  test('is let in only while what all may cost has room, however many begin at once', async () => {
    const ask = check(1);
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => ask(job(n + 1, 0.4))));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(store.list()).toHaveLength(2);
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

  test('is refused where only its author says whose it is', async () => {
    await expect(check(1)({ ...job(1, 0.1), verified: false })).rejects.toThrow(
      'nothing that proves whose job this is',
    );
    await expect(check(undefined)({ ...job(1, 0.1), verified: false })).resolves.toEqual([]);
  });
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
});
