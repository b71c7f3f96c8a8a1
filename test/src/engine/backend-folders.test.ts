import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sweepFolders } from '../../../src/engine/backend-folders';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const HOUR_MS = 3_600_000;

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'backend-folders-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const sweep = (): void => sweepFolders(`file://${directory}`, NOW - HOUR_MS);

/** A folder of the backend, last changed so long ago. */
function folder(kind: string, name: string, agoMs: number, file?: string): string {
  const made = path.join(directory, '.pulumi', kind, 'gitlab-spot', name);
  mkdirSync(made, { recursive: true });
  if (file) writeFileSync(path.join(made, file), '');
  utimesSync(made, (NOW - agoMs) / 1000, (NOW - agoMs) / 1000);
  return made;
}

/** A state that a process began to write when it was killed. */
function draft(name: string, agoMs: number): string {
  const file = path.join(folder('stacks', '', 0, `${name}.json.new`), `${name}.json.new`);
  utimesSync(file, (NOW - agoMs) / 1000, (NOW - agoMs) / 1000);
  return file;
}

test.each(['job-gitlab.example.com-1001-1', 'spare-hot-00abcdef1234'])(
  'a stack that is gone leaves nothing: %s',
  (name) => {
    const left = [
      folder('history', name, 2 * HOUR_MS, 'fileblob1234'),
      folder('locks/organization', name, 2 * HOUR_MS),
      folder('backups', name, 2 * HOUR_MS),
      draft(name, 2 * HOUR_MS),
    ];
    sweep();
    expect(left.filter((one) => existsSync(one))).toEqual([]);
  },
);

test.each<[string, () => string]>([
  [
    'that was just at work',
    () => (folder('history', 'job-a.b-1-1', 0), folder('locks/organization', 'job-a.b-1-1', 2 * HOUR_MS)),
  ],
  ['that is being made', () => draft('job-a.b-1-1', 0)],
  ['that holds a lock', () => folder('locks/organization', 'job-a.b-1-1', 2 * HOUR_MS, 'lock.json')],
  ['of somebody else', () => folder('history', 'foundation', 2 * HOUR_MS)],
  ['that is there', () => (folder('stacks', '', 0, 'job-a.b-1-1.json'), folder('history', 'job-a.b-1-1', 2 * HOUR_MS))],
  ...['gz', 'zst'].map((packed): [string, () => string] => [
    `that is there, compressed (${packed})`,
    () => (folder('stacks', '', 0, `job-a.b-1-1.json.${packed}`), folder('history', 'job-a.b-1-1', 2 * HOUR_MS)),
  ]),
])('a stack %s keeps its own', (_which, made) => {
  const kept = made();
  sweep();
  expect(existsSync(kept)).toBe(true);
});

test('a backend without any folder, or in a bucket, has nothing to sweep', () => {
  expect(sweep).not.toThrow();
  expect(() => sweepFolders('s3://bucket', NOW)).not.toThrow();
});
