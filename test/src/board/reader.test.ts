import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ledgerOf } from '../../../src/billing/budget-check';
import { BoardReader } from '../../../src/board/reader';
import { RecordStore } from '../../../src/jobs/record-store';
import { ready } from '../../../src/jobs/transitions';
import { noteReap } from '../../../src/reaper/last-run';
import { instanceFacts, preparingRecord } from '../../support/job-record';
import { ledgerEntry } from '../../support/ledger-entry';

let stateDir: string;
let nowMs: number;
beforeEach(() => {
  stateDir = mkdtempSync(path.join(tmpdir(), 'board-'));
  nowMs = new Date('2026-11-24T12:00:00').getTime();
});
afterEach(() => rmSync(stateDir, { recursive: true }));

const reader = (change: object = {}) =>
  new BoardReader(
    {
      stateDir,
      profilesFile: path.resolve(__dirname, '../../../stacks/instances.yaml'),
      executorId: 'host-1',
      budget: { currency: 'CNY', monthlyYuan: undefined, perProjectYuan: {}, action: 'refuse' },
      gitlab: {},
      cloud: { region: 'cn-x' },
      ...change,
    } as never,
    () => nowMs,
  );
const at = (time: string): string => new Date(`2026-11-${time}`).toISOString();
const entry = (jobId: number, from: string, to: string) =>
  ledgerEntry({ stack: `job-${jobId}`, jobId, instanceId: `i-${jobId}`, from: at(from), to: at(to) });

test('is as the host is, and another version only once something has changed', async () => {
  const store = new RecordStore(stateDir);
  const board = reader();
  const first = await board.refresh({ whole: true });
  expect(board.snapshot()).toMatchObject({ host: 'host-1', jobs: [], reaper: undefined, today: { ended: [] } });
  expect(await board.refresh({ whole: true })).toBe(first);
  store.write(preparingRecord());
  const second = await board.refresh();
  store.write(ready(preparingRecord(), instanceFacts));
  const third = await board.refresh();
  expect(board.snapshot().jobs.map(({ state }) => state)).toEqual(['running']);
  noteReap(stateDir, nowMs, { destroyed: 1, left: 0, reported: 0 });
  const fourth = await board.refresh();
  store.remove(preparingRecord().identity.stackName);
  const fifth = await board.refresh();
  expect(new Set([first, second, third, fourth, fifth]).size).toBe(5);
  expect(board.snapshot()).toMatchObject({ jobs: [], reaper: { destroyed: 1 } });
});

test('an account that pays in dollars is told in dollars, also where no budget says so', async () => {
  const board = reader();
  await ledgerOf({ stateDir }).put({ ...entry(1, '24T10:00', '24T10:10'), currency: 'USD', yuan: 0.5 });
  await board.refresh({ whole: true });
  const dollars = { currency: 'USD', unit: 'USD' };
  expect(board.snapshot()).toMatchObject({ ...dollars, today: { yuan: 0.5 }, month: { yuan: 0.5 } });
  new RecordStore(stateDir).write(ready(preparingRecord(), { ...instanceFacts, currency: 'USD' }));
  const unspent = reader({ stateDir });
  rmSync(path.join(stateDir, 'ledger'), { recursive: true });
  await unspent.refresh({ whole: true });
  expect(unspent.snapshot()).toMatchObject({ ...dollars, month: { yuan: 0 } });
});

test('today begins at midnight here, and holds what ended since, whenever it began', async () => {
  const ledger = ledgerOf({ stateDir });
  await ledger.put(entry(1, '23T22:00', '23T23:59'));
  await ledger.put(entry(2, '20T22:00', '24T00:01'));
  await ledger.put(entry(3, '24T10:00', '24T10:10'));
  const board = reader();
  await board.refresh({ whole: true });
  const ids = () => board.snapshot().today?.ended.map(({ jobId }) => jobId);
  expect(ids()).toEqual([3, 2]);
  // Folded, and one more: nobody is there twice.
  await ledger.fold('2026-11-25');
  await ledger.put(entry(4, '24T11:00', '24T11:10'));
  await board.refresh({ whole: true });
  expect(ids()).toEqual([4, 3, 2]);
  expect(board.snapshot().month?.yuan).toBeCloseTo(4 * 0.020667, 5);
  nowMs += 86_400_000;
  await board.refresh({ whole: true });
  expect(ids()).toEqual([]);
});

test('does not wait for the ledger where nobody asks for it', async () => {
  await ledgerOf({ stateDir }).put(entry(3, '24T10:00', '24T10:10'));
  const board = reader();
  const first = await board.refresh();
  expect(board.snapshot()).toMatchObject({ today: undefined, month: undefined });
  expect(await board.refresh({ whole: true })).not.toBe(first);
  expect(board.snapshot().today?.ended).toHaveLength(1);
});

test('what cannot be read is named, and the rest is shown', async () => {
  const store = new RecordStore(stateDir);
  store.write(preparingRecord(1));
  store.write(preparingRecord(2));
  writeFileSync(store.files(preparingRecord(2).identity.stackName).record, '{');
  const board = reader();
  await board.refresh({ whole: true });
  expect(board.snapshot()).toMatchObject({
    jobs: [{ jobId: 1 }],
    unreadable: ['jobs/job-gitlab.example.com-2-1 (damaged)'],
  });
});

test('leaves nothing in the state folder', async () => {
  await reader().refresh({ whole: true });
  expect(readdirSync(stateDir)).toEqual([]);
});

test('tells of an edited page of profiles that is not right, until it is', async () => {
  const profilesFile = path.join(stateDir, 'instances.yaml');
  const board = reader({ profilesFile });
  const right = readFileSync(path.resolve(__dirname, '../../../stacks/instances.yaml'), 'utf8');
  const told = async (text: string, seconds: number) => {
    writeFileSync(profilesFile, text);
    utimesSync(profilesFile, seconds, seconds);
    await board.refresh();
    return board.snapshot().refusedEdits;
  };
  expect(await told(right, 1)).toEqual([]);
  expect(await told('profiles: [', 2)).toEqual([expect.stringMatching(/^instances\.yaml: line 1: /)]);
  expect(await told(right, 3)).toEqual([]);
});
