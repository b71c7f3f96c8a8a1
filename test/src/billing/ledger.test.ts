import { mkdtemp, readdir, rm, utimes, writeFile, mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Ledger, monthOf } from '../../../src/billing/ledger';
import { trySlot } from '../../../src/host/queue';
import { parsed } from '../../../src/billing/ledger-lines';
import { ledgerEntry } from '../../support/ledger-entry';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'ledger-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** What there is of days: folders, and files of folded ones. */
async function days(): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('2026-')).sort();
}

const november = { from: '2026-11-01', to: '2026-11-30' };

describe('the ledger', () => {
  test('has an instance once, however often it is written', async () => {
    const ledger = new Ledger(directory);
    const entry = ledgerEntry({ stack: 'job-gitlab.example.com-1-1' });
    await Promise.all([
      ledger.put(entry),
      ledger.put(entry),
      new Ledger(directory).put({ ...entry, result: 'failed' }),
    ]);
    const { entries } = await ledger.entries(november);
    expect(entries).toHaveLength(1);
  });

  test('folds past days into one file each, leaves today alone, and reads the same before and after', async () => {
    const ledger = new Ledger(directory);
    for (const [day, id] of [
      ['23', 1],
      ['23', 2],
      ['24', 3],
    ] as const) {
      await ledger.put(ledgerEntry({ stack: `job-${id}`, from: `2026-11-${day}T10:00:00.000Z` }));
    }
    const before = await ledger.entries(november);
    await ledger.fold('2026-11-24');
    expect(await days()).toEqual(['2026-11-23.jsonl', '2026-11-24']);
    expect(await ledger.entries(november)).toEqual(before);
  });

  test('is folded by one at a time: of two that replace a file, one would undo what the other has put in', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ from: '2026-11-23T10:00:00.000Z' }));
    const another = trySlot({ directory: path.join(directory, 'folding'), slots: 1 });
    await ledger.fold('2026-11-24');
    expect(await days()).toEqual(['2026-11-23']);
    another!.release();
    await ledger.fold('2026-11-24');
    expect(await days()).toEqual(['2026-11-23.jsonl']);
  });

  test('is whole for whoever reads or writes while it is folded', async () => {
    const folder = path.join(directory, '2026-11-23');
    const entry = (index: number) => ledgerEntry({ stack: `job-${index}`, from: '2026-11-23T10:00:00.000Z' });
    const ledger = new Ledger(directory);
    const counts: number[] = [];
    for (let round = 0; round < 5; round++) {
      await mkdir(folder, { recursive: true });
      const there = Array.from({ length: 50 }, (_, index) => entry(round * 60 + index));
      await Promise.all(
        there.map((one) => writeFile(path.join(folder, `${one.stack}@${one.instanceId}.json`), JSON.stringify(one))),
      );
      const folded = { yes: false };
      const folding = ledger.fold('2026-11-24').finally(() => (folded.yes = true));
      const written = Array.from({ length: 10 }, (_, index) => entry(round * 60 + 50 + index));
      const writing = (async () => {
        for (const one of written) await ledger.put(one);
      })();
      const reading = Array.from({ length: 4 }, async () => {
        while (!folded.yes) counts.push((await ledger.entries(november)).entries.length - round * 60);
      });
      await Promise.all([folding, writing, ...reading]);
    }
    expect(counts.filter((count) => count < 50)).toEqual([]);
    await ledger.fold('2026-11-24');
    expect((await ledger.entries(november)).entries).toHaveLength(300);
  });

  test('counts an instance once when a fold was cut off between the file and the folder', async () => {
    const ledger = new Ledger(directory);
    const entry = ledgerEntry({ from: '2026-11-23T10:00:00.000Z' });
    await ledger.put(entry);
    await ledger.fold('2026-11-24');
    await ledger.put(entry);
    expect((await ledger.entries(november)).entries).toHaveLength(1);
    await ledger.fold('2026-11-24');
    expect((await ledger.entries(november)).entries).toHaveLength(1);
    expect(await days()).toEqual(['2026-11-23.jsonl']);
  });

  test('keeps the first word on when an instance went: whoever repeats it knows less', async () => {
    const ledger = new Ledger(directory);
    const entry = ledgerEntry({ from: '2026-11-23T10:00:00.000Z', to: '2026-11-23T10:08:00.000Z' });
    const repeated = { ...entry, to: '2026-11-23T14:00:00.000Z' };
    await ledger.put(entry);
    await ledger.put(repeated);
    expect((await ledger.entries(november)).entries).toEqual([entry]);
    await ledger.fold('2026-11-24');
    await ledger.put(repeated);
    expect((await ledger.entries(november)).entries).toEqual([entry]);
    await ledger.fold('2026-11-24');
    expect((await ledger.entries(november)).entries).toEqual([entry]);
  });

  test('a draft that a killed writer left does not keep a past day’s folder for ever', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ from: '2026-11-23T10:00:00.000Z' }));
    const [old, young] = ['old.json.1234', 'young.json.5678'].map((name) => path.join(directory, '2026-11-23', name));
    for (const file of [old!, young!]) await writeFile(file, '{');
    const longAgo = new Date(Date.now() - 2 * 3_600_000);
    await utimes(old!, longAgo, longAgo);
    await ledger.fold('2026-11-24');
    expect(await readdir(path.join(directory, '2026-11-23'))).toEqual(['young.json.5678']);
    await utimes(young!, longAgo, longAgo);
    await ledger.fold('2026-11-24');
    expect(await days()).toEqual(['2026-11-23.jsonl']);
  });

  test('leaves out and counts what can not be read, and never folds it away', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ from: '2026-11-23T10:00:00.000Z' }));
    await mkdir(path.join(directory, '2026-11-23'), { recursive: true });
    await writeFile(path.join(directory, '2026-11-23', 'torn.json'), '{"version":1,');
    const { entries, unreadable } = await ledger.entries(november);
    expect([entries.length, unreadable]).toEqual([1, 1]);
    await ledger.fold('2026-11-24');
    expect(await readdir(path.join(directory, '2026-11-23'))).toContain('torn.json');
  });

  test('sums what each project spent', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ stack: 'a', project: 'team/app', yuan: 0.02 }));
    await ledger.put(ledgerEntry({ stack: 'b', project: 'team/app', yuan: 0.03 }));
    await ledger.put(ledgerEntry({ stack: 'c', project: 'team/lib', yuan: 0.01 }));
    expect(Object.fromEntries(await ledger.spent(november))).toEqual({ 'team/app': 0.05, 'team/lib': 0.01 });
  });

  test('sums a renamed project as one, with what was spent before its id was known', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ stack: 'a', project: 'team/old', yuan: 0.01, from: '2026-11-22T10:00:00.000Z' }));
    const old = { project: 'team/old', projectId: 42, from: '2026-11-23T10:00:00.000Z' };
    await ledger.put(ledgerEntry({ stack: 'b', yuan: 0.02, ...old }));
    await ledger.put(ledgerEntry({ stack: 'c', project: 'team/new', projectId: 42, yuan: 0.04 }));
    await ledger.put(ledgerEntry({ stack: 'd', yuan: 9, currency: 'USD' }));
    expect((await ledger.spentOn(november)).get('CNY')).toEqual([
      { key: 'gitlab.example.com#42', project: 'team/new', yuan: expect.closeTo(0.07) as number },
    ]);
  });

  test('does not read again what it has summed up, and adds what is new', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ stack: 'a', instanceId: 'i-a', yuan: 0.02 }));
    expect(Object.fromEntries(await ledger.spent(november))).toEqual({ 'team/app': 0.02 });
    await writeFile(path.join(directory, '2026-11-24', 'a@i-a.json'), 'no longer read');
    await ledger.put(ledgerEntry({ stack: 'b', instanceId: 'i-b', yuan: 0.03 }));
    expect(Object.fromEntries(await new Ledger(directory).spent(november))).toEqual({ 'team/app': 0.05 });
    expect(Object.fromEntries(await ledger.spent(november))).toEqual({ 'team/app': 0.05 });
  });

  test('has the same sums when a day was folded, added to, and when an instance was written again', async () => {
    const ledger = new Ledger(directory);
    const first = ledgerEntry({ stack: 'a', yuan: 0.02 });
    await ledger.put(first);
    await ledger.put(ledgerEntry({ stack: 'b', yuan: 0.03 }));
    await ledger.spent(november);
    await ledger.fold('2026-11-25');
    expect(Object.fromEntries(await ledger.spent(november))).toEqual({ 'team/app': 0.05 });
    await ledger.put(first);
    await ledger.put(ledgerEntry({ stack: 'c', yuan: 0.01 }));
    expect((await ledger.spent(november)).get('team/app')).toBeCloseTo(0.06);
    await ledger.fold('2026-11-25');
    expect((await ledger.spent(november)).get('team/app')).toBeCloseTo(0.06);
  });

  test('sums up anew when its sums are damaged', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ yuan: 0.02 }));
    await ledger.spent(november);
    await writeFile(path.join(directory, 'sums.json'), '{"version":1,"days":');
    expect(Object.fromEntries(await ledger.spent(november))).toEqual({ 'team/app': 0.02 });
  });

  test('names what it can not read, until it can be read or is gone', async () => {
    const ledger = new Ledger(directory);
    await ledger.put(ledgerEntry({ stack: 'a', yuan: 0.02 }));
    const file = (name: string) => path.join(directory, '2026-11-24', name);
    await writeFile(file('torn.json'), '{"version":1,');
    await writeFile(file('new.json'), JSON.stringify({ ...ledgerEntry({ stack: 'b' }), version: 2 }));
    await writeFile(file('below.json'), JSON.stringify(ledgerEntry({ stack: 'c', yuan: -5 })));
    await writeFile(path.join(directory, '2026-11-23.jsonl'), `${JSON.stringify(ledgerEntry({ stack: 'd' }))}\n{}\n`);
    expect(await ledger.unreadable(november)).toEqual([
      'line 2 of 2026-11-23.jsonl (damaged)',
      '2026-11-24/below.json (damaged)',
      '2026-11-24/new.json (of version 2)',
      '2026-11-24/torn.json (damaged)',
    ]);
    await ledger.fold('2026-11-25');
    expect((await readdir(path.join(directory, '2026-11-24'))).sort()).toEqual(['below.json', 'new.json', 'torn.json']);
    await writeFile(file('torn.json'), JSON.stringify(ledgerEntry({ stack: 'e', yuan: 0.5 })));
    await rm(file('new.json'));
    await rm(file('below.json'));
    await writeFile(path.join(directory, '2026-11-23.jsonl'), '');
    expect(await ledger.unreadable(november)).toEqual([]);
    expect((await ledger.spent(november)).get('team/app')).toBeCloseTo(0.52);
  });

  test.each<[string, object]>([
    ['no such time', { from: 'yesterday' }],
    ['no such end', { to: '' }],
    ['negative seconds', { seconds: -1 }],
    ['a negative sum', { yuan: -0.01 }],
    ['a negative disk', { diskYuan: -0.01 }],
    ['negative traffic', { trafficYuanPerGiB: -1 }],
    ['more than all of its CPUs', { use: { cpuShare: 1.1 } }],
    ['fewer than no CPUs', { use: { vcpu: -1 } }],
    ['a disk in words', { use: { diskGiB: 'large' } }],
  ])('takes no line with %s', (_what, change) => {
    const text = JSON.stringify({ ...ledgerEntry(), ...change });
    const { entries, unreadable } = parsed([{ text, place: () => 'line 1' }]);
    expect(entries).toEqual([]);
    expect(unreadable.map(({ place }) => place)).toEqual(['line 1 (damaged)']);
  });

  test('is empty before the first job', async () => {
    expect(await new Ledger(path.join(directory, 'none')).entries(november)).toEqual({ entries: [], unreadable: 0 });
  });

  test.each([
    ['2026-11-24T08:00:00Z', '2026-11-01', '2026-11-30'],
    ['2028-02-01T00:00:00Z', '2028-02-01', '2028-02-29'],
    ['2026-12-31T23:59:59Z', '2026-12-01', '2026-12-31'],
  ])('knows the month of %s', (time, from, to) => {
    expect(monthOf(new Date(time))).toEqual({ from, to });
  });
});
