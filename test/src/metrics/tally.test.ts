import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { causeOf, forgetFailures, noteFailure } from '../../../src/hooks/failures';
import { Ledger } from '../../../src/billing/ledger';
import { CloudRefused } from '../../../src/cloud/errors';
import { ConfigurationError, HostError } from '../../../src/errors';
import { Tally } from '../../../src/metrics/tally';
import { ledgerEntry } from '../../support/ledger-entry';

const NOW = Date.parse('2026-11-25T12:00:00Z');
let stateDir: string;
let ledger: Ledger;
beforeEach(() => {
  stateDir = mkdtempSync(path.join(tmpdir(), 'tally-'));
  ledger = new Ledger(path.join(stateDir, 'ledger'));
});
afterEach(() => rmSync(stateDir, { recursive: true }));

const entry = (number: number, change: Parameters<typeof ledgerEntry>[0] = {}) =>
  ledgerEntry({ stack: `job-a-${number}-1`, instanceId: `i-${number}`, jobId: number, yuan: 1, ...change });
const totals = () => new Tally(stateDir, ledger).totals(NOW);

test('counts each entry once: whoever asks, how often, before and after the fold', async () => {
  await ledger.put(entry(1));
  expect((await totals()).ended).toEqual({ 'standard\nsuccess': 1 });
  await ledger.put(entry(2, { result: 'failed', interrupted: true }));
  // Written a second time, as after a crash.
  await ledger.put(entry(1));
  await totals();
  await ledger.fold('2026-11-25');
  await ledger.put(entry(3, { from: '2026-11-25T09:00:00.000Z' }));
  // Late: its billing began on a day that was folded already.
  await ledger.put(entry(4));
  await totals();
  await ledger.fold('2026-11-25');
  const { ended, interrupted, spent, ready } = await totals();
  expect(ended).toEqual({ 'standard\nsuccess': 3, 'standard\nfailed': 1 });
  expect(interrupted).toEqual({ standard: 1 });
  expect(spent).toEqual({ 'standard\nteam/app': 4 });
  expect(ready.standard).toMatchObject({ count: 4, sum: 100 });
});

test('counts what was folded before anybody asked', async () => {
  await ledger.put(entry(1));
  await ledger.fold('2026-11-25');
  expect((await totals()).ended).toEqual({ 'standard\nsuccess': 1 });
});

test('reads only what is new', async () => {
  for (let number = 1; number <= 20; number++) await ledger.put(entry(number));
  await ledger.fold('2026-11-25');
  await ledger.put(entry(21, { from: '2026-11-25T09:00:00.000Z' }));
  await totals();
  const read = jest.spyOn(ledger as unknown as { read: (...args: unknown[]) => Promise<unknown> }, 'read');
  await totals();
  expect(read).not.toHaveBeenCalled();
  const next = entry(22, { from: '2026-11-25T10:00:00.000Z' });
  await ledger.put(next);
  await totals();
  expect(read.mock.calls).toEqual([['2026-11-25', false, [`${next.stack}@${next.instanceId}.json`]]]);
});

test('gives a label of its own to the first hundred projects, and keeps it', async () => {
  for (let number = 1; number <= 120; number++) await ledger.put(entry(number, { project: `p-${number}` }));
  const first = (await totals()).spent;
  expect(Object.keys(first)).toHaveLength(101);
  expect(first['standard\nother']).toBe(20);
  const known = Object.keys(first)
    .find((key) => !key.endsWith('other'))!
    .split('\n')[1]!;
  await ledger.put(entry(200, { project: known }));
  expect((await totals()).spent[`standard\n${known}`]).toBe(2);
});

test('counts disks apart, and dollars beside yuan', async () => {
  await ledger.put(entry(1, { project: 'team/app', yuan: 3, diskYuan: 1 }));
  await ledger.put(entry(2, { project: 'team/app', yuan: 5, diskYuan: 2, currency: 'USD' }));
  expect(await totals()).toMatchObject({
    spent: { 'standard\nteam/app': 3, 'standard\nteam/app\nUSD': 5 },
    disks: { 'standard\nteam/app': 1, 'standard\nteam/app\nUSD': 2 },
  });
});

test('starts anew from what the ledger has when its own note is lost or damaged', async () => {
  await ledger.put(entry(1));
  await totals();
  writeFileSync(path.join(stateDir, 'metrics.json'), '{"version":1');
  expect((await totals()).ended).toEqual({ 'standard\nsuccess': 1 });
});

describe('its own note', () => {
  const file = () => path.join(stateDir, 'metrics.json');

  test('of the version before goes on where it was', async () => {
    await ledger.put(entry(1, { interrupted: true, confirmed: true }));
    await totals();
    const { version, totals: counted, ...rest } = JSON.parse(readFileSync(file(), 'utf8')) as Record<string, object>;
    expect(version).toBe(2);
    const { confirmed, ...before } = counted as { confirmed: object };
    expect(confirmed).toEqual({ standard: 1 });
    writeFileSync(file(), JSON.stringify({ ...rest, version: 1, totals: before }));
    await ledger.put(entry(2, { interrupted: true, confirmed: true }));
    await ledger.put(entry(3, { interrupted: true, confirmed: false }));
    expect(await totals()).toMatchObject({ interrupted: { standard: 3 }, confirmed: { standard: 1 } });
  });

  test('of a later version is refused by name and stays as it is', async () => {
    writeFileSync(file(), '{"version":3,"totals":{}}');
    await expect(totals()).rejects.toThrow('metrics.json is of version 3, which this version');
    expect(readFileSync(file(), 'utf8')).toBe('{"version":3,"totals":{}}');
  });
});

describe('failures', () => {
  const note = (cause: string, at = NOW) => noteFailure(stateDir, { hook: 'prepare', cause }, at);

  test('are counted by hook and cause, each once', async () => {
    note('OperationDenied.NoStock', NOW - 86_400_000);
    note('OperationDenied.NoStock');
    expect((await totals()).failures).toEqual({ 'prepare\nOperationDenied.NoStock': 2 });
    note('HostError');
    await totals();
    expect((await totals()).failures).toEqual({ 'prepare\nOperationDenied.NoStock': 2, 'prepare\nHostError': 1 });
  });

  test('that are half written are counted when they are whole', async () => {
    note('HostError');
    const file = path.join(stateDir, 'failures/2026-11-25.jsonl');
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole + '{"hook":"run","ca');
    expect((await totals()).failures).toEqual({ 'prepare\nHostError': 1 });
    writeFileSync(file, `${whole}{"hook":"run","cause":"InstanceLost"}\n`);
    expect((await totals()).failures).toEqual({ 'prepare\nHostError': 1, 'run\nInstanceLost': 1 });
  });

  test('are forgotten after their time, and still counted', async () => {
    note('HostError', NOW - 10 * 86_400_000);
    await totals();
    forgetFailures(stateDir, '2026-11-20');
    expect((await totals()).failures).toEqual({ 'prepare\nHostError': 1 });
  });

  test('never stop a hook, wherever they can not be written', () => {
    expect(noteFailure('/dev/null/x', { hook: 'run', cause: 'x' }, NOW)).toBeUndefined();
  });

  test('are named by the cloud’s code, however deep it lies, or by what they are', () => {
    const refused = new CloudRefused({ action: 'a', code: 'QuotaExceed.x', message: '', requestId: '' }, false);
    expect(causeOf(new ConfigurationError('none', { cause: refused }))).toBe('QuotaExceed.x');
    expect(causeOf(new HostError('x'))).toBe('HostError');
    expect(causeOf(new TypeError('x'))).toBe('Defect');
    expect(causeOf(Object.assign(new HostError('x'), { name: '_HostError2' }))).toBe('HostError');
    expect(causeOf(new HostError('x', { cause: Object.assign(new Error('y'), { code: 'ENOENT' }) }))).toBe('HostError');
  });
});
