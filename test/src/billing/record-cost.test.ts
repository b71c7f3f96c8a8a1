import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Ledger } from '../../../src/billing/ledger';
import type { PricePoint } from '../../../src/cloud/types';
import type { JobRecord } from '../../../src/jobs/types';
import { goneAt, recordCost } from '../../../src/billing/record-cost';
import { destroyingRecord, instanceFacts } from '../../support/job-record';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'record-cost-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const ended = (change: object = {}): JobRecord => ({
  ...destroyingRecord(),
  instance: { ...instanceFacts, durationHours: 0 },
  ...change,
});

async function settled(record: JobRecord, prices: () => Promise<readonly PricePoint[]>) {
  const ledger = new Ledger(directory);
  await recordCost(record, new Date('2026-11-24T13:00:00Z'), { ledger, cloud: { spotPriceHistory: prices } });
  return (await ledger.entries({ from: '2026-11-24', to: '2026-11-24' })).entries;
}

describe('what a job cost', () => {
  test('is settled at the prices of its life', async () => {
    const prices = [
      { at: '2026-11-24T11:00:00Z', yuanPerHour: 0.1 },
      { at: '2026-11-24T12:30:00Z', yuanPerHour: 0.3 },
    ];
    const asked: unknown[][] = [];
    const history = (...args: unknown[]) => (asked.push(args), Promise.resolve(prices));
    expect(await settled(ended(), history)).toMatchObject([{ seconds: 3600, priceYuanPerHour: 0.1, yuan: 0.2 }]);
    const time = { from: new Date(instanceFacts.createdAt), to: new Date('2026-11-24T13:00:00Z') };
    expect(asked).toEqual([[instanceFacts.pool, 0, time]]);
  });

  test('is settled with the time of the line, which may come long after the end', async () => {
    const before = new Date().toISOString();
    const [line] = await settled(ended(), () => Promise.resolve([]));
    expect(line!.recordedAt! >= before).toBe(true);
  });

  test('is settled at the price of its launch, where the history can not be asked', async () => {
    const refused = () => Promise.reject(new Error('Forbidden.RAM'));
    expect(await settled(ended(), refused)).toMatchObject([{ seconds: 3600, yuan: 0.155 }]);
  });

  test('asks for no spot prices of a pay-as-you-go instance', async () => {
    const instance = {
      ...instanceFacts,
      pool: { ...instanceFacts.pool, market: 'on-demand' as const },
      priceYuanPerHour: 0.8,
    };
    const never = () => Promise.reject(new Error('asked'));
    expect(await settled(ended({ instance }), never)).toMatchObject([{ market: 'on-demand', yuan: 0.8 }]);
  });
});

describe('billing ends', () => {
  const loss = (reason: string) => ({ reason, at: '2026-11-24T12:30:00.000Z' });
  test.each([
    ['when the cloud no longer knew the instance', { goneAt: '2026-11-24T12:50:00.000Z' }, '12:50'],
    [
      'also of a lost one that was still there',
      { goneAt: '2026-11-24T12:50:00.000Z', loss: loss('interrupted') },
      '12:50',
    ],
    ['when the loss was noticed, of one that was gone by itself', { loss: loss('interrupted') }, '12:30'],
    [
      'when it was deleted by one that died before it saw it go',
      { deletedAt: '2026-11-24T12:40:00.000Z', loss: loss('interrupted') },
      '12:40',
    ],
    ['at the release time of one that nobody deleted', { releaseAt: '2026-11-24T12:55:00Z' }, '12:55'],
  ])('%s', (_title, change, time) => {
    expect(goneAt(ended(change))).toEqual(new Date(`2026-11-24T${time}:00Z`));
  });

  test('now, where it is not known: one that could not be reached went on costing', () => {
    expect(Date.now() - goneAt(ended({ loss: loss('unreachable') })).getTime()).toBeLessThan(5_000);
  });
});
