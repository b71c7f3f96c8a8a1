import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HostError } from '../../../src/errors';
import { countAttempt, countedAttempts } from '../../../src/jobs/attempts';
import { bootTime } from '../../../src/host/boot-clock';
import { machineId } from '../../../src/host/machine';
import { RecordCorrupt, RecordNewer, RecordStore } from '../../../src/jobs/record-store';
import { preparingRecord } from '../../support/job-record';

let store: RecordStore;
beforeEach(() => (store = new RecordStore(mkdtempSync(path.join(os.tmpdir(), 'records-')))));
afterEach(() => rmSync(store.stateDir, { recursive: true, force: true }));

describe('a job’s record', () => {
  const record = preparingRecord();
  const name = record.identity.stackName;

  test('comes back as it was written, readable by its owner alone', () => {
    store.write(record);
    const stamps = { machine: machineId(store.stateDir), writtenAt: bootTime() };
    const written = { ...(JSON.parse(JSON.stringify(record)) as object), ...stamps };
    const upMs = expect.any(Number) as number;
    expect(store.read(name)).toEqual({ ...written, writtenAt: { ...written.writtenAt, upMs } });
    expect(statSync(store.files(name).record).mode & 0o777).toBe(0o600);
    expect(statSync(store.files(name).directory).mode & 0o777).toBe(0o700);
  });

  test('is absent before it is written, and after it is removed', () => {
    expect(store.read(name)).toBeUndefined();
    store.write(record);
    store.remove(name);
    expect(store.read(name)).toBeUndefined();
    expect(store.list()).toEqual([]);
  });

  test('goes with its folder, also while another process draws tickets there', async () => {
    const draw = `
      const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
      for (const end = Date.now() + 20_000; Date.now() < end;) try {
        mkdirSync(process.argv[1], { recursive: true });
        writeFileSync(process.argv[1] + '/ticket', '');
        rmSync(process.argv[1] + '/ticket');
      } catch {}`;
    const queue = path.join(store.files(name).directory, 'destroying');
    const other = spawn(process.execPath, ['-e', draw, queue]);
    try {
      while (!existsSync(queue)) await new Promise((resolve) => setTimeout(resolve, 10));
      for (let round = 0; round < 5_000; round++) store.remove(name);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
    store.removeRest(name);
    expect(store.list()).toEqual([]);
  });

  test.each([
    ['cut short', (file: string) => truncateSync(file, 40)],
    ['empty', (file: string) => truncateSync(file, 0)],
    ['something else', (file: string) => writeFileSync(file, '{"version":1,"phase":"running"}')],
    ['spoiled by a frame of the instance', (file: string) => writeFileSync(file, spoiled(file))],
  ])('that is %s is named, and counts as none for who must go on', (_title, damage) => {
    store.write(record);
    damage(store.files(name).record);
    expect(() => store.read(name)).toThrow(RecordCorrupt);
    expect(store.readLenient(name)).toBeUndefined();
    expect(store.list()).toEqual([{ stackName: name, record: undefined, problem: 'damaged' }]);
  });

  test('of the version before is read; of a later one refused by name, and left as it is', () => {
    store.write(record);
    const { record: file } = store.files(name);
    const as = (version: number) => writeFileSync(file, JSON.stringify({ ...record, version }));
    as(1);
    expect(store.read(name)).toMatchObject({ version: 2, project: 'root/demo' });
    as(3);
    expect(() => store.read(name)).toThrow(RecordNewer);
    expect(() => store.readLenient(name)).toThrow('is of version 3, which this version does not know');
    expect(store.list()).toEqual([{ stackName: name, record: undefined, problem: 'newer' }]);
    as(0);
    expect(() => store.read(name)).toThrow(RecordCorrupt);
  });

  test('of another project lets no job in, and stays as it is', () => {
    store.write({ ...record, projectId: 7 });
    const before = readFileSync(store.files(name).record, 'utf8');
    for (const read of [() => store.readOf(name, 5), () => store.readOfLenient(name, 5)])
      expect(read).toThrow(`The record ${name} is of project 7, not of project 5, so it is not used for this job`);
    expect(store.readOf(name, 7)).toMatchObject({ projectId: 7 });
    expect(readFileSync(store.files(name).record, 'utf8')).toBe(before);
  });

  test('that can’t be written is a clear failure of the host', () => {
    const file = path.join(store.stateDir, 'a-file');
    writeFileSync(file, '');
    expect(() => new RecordStore(path.join(file, 'below')).write(record)).toThrow(HostError);
  });
});

/** As `exit 1e99` left it. */
function spoiled(file: string): string {
  const stages = [{ stage: 'build_script', startedAt: '2026-11-24T12:00:00Z', durationMs: 1, exitCode: 1e99 }];
  return JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), stages });
}

describe('attempts', () => {
  const job = { serverUrl: 'https://g.example', jobId: 5 };

  test('are counted for each job of its own', () => {
    expect([1, 2, 3].map(() => countAttempt(store.stateDir, job, 0))).toEqual([1, 2, 3]);
    expect(countAttempt(store.stateDir, { ...job, jobId: 6 }, 0)).toBe(1);
    expect(countedAttempts(store.stateDir, job)).toBe(3);
  });

  test('start anew on an empty disk or after a damaged count', () => {
    countAttempt(store.stateDir, job, 0);
    const [file] = readdirSync(path.join(store.stateDir, 'attempts'));
    writeFileSync(path.join(store.stateDir, 'attempts', file!), 'rubbish');
    expect(countAttempt(store.stateDir, job, 0)).toBe(1);
  });
});
