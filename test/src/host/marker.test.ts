import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as z from 'zod/mini';
import { runningCli } from '../../../src/engine/cli';
import { MarkerNewer, readMarker, writeMarker } from '../../../src/host/marker';
import { thisProcess } from '../../../src/host/process-owner';
import { builderOf } from '../../../src/images/at-work';
import { lastReap, noteReap } from '../../../src/reaper/last-run';

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'marker-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a marker', () => {
  const kind = { version: 2, schema: z.object({ name: z.string() }) };
  const file = () => path.join(folder, 'marker.json');
  const has = (value: object) => writeFileSync(file(), JSON.stringify(value));

  test('of this version and of the one before it is read', () => {
    writeMarker(file(), kind, { name: 'new' });
    expect(readMarker(file(), kind)).toEqual({ name: 'new' });
    has({ name: 'old', version: 1 });
    expect(readMarker(file(), kind)).toEqual({ name: 'old' });
    has({ name: 'first' });
    expect(readMarker(file(), kind)).toEqual({ name: 'first' });
  });

  test('of a later version is refused by name, and stays as it is', () => {
    has({ version: 3 });
    const before = readFileSync(file(), 'utf8');
    expect(() => readMarker(file(), kind)).toThrow(MarkerNewer);
    expect(() => writeMarker(file(), kind, { name: 'mine' })).toThrow(`${file()} is of version 3, which this version`);
    expect(readFileSync(file(), 'utf8')).toBe(before);
  });

  test('that is damaged counts as none, and is replaced', () => {
    writeFileSync(file(), '{"version":2');
    expect(readMarker(file(), kind)).toBeUndefined();
    writeMarker(file(), kind, { name: 'whole' });
    expect(readMarker(file(), kind)).toEqual({ name: 'whole' });
  });
});

describe('what a later version of gitlab-spot left is not taken for nothing:', () => {
  test('the note of the reaper’s last round', () => {
    const file = path.join(folder, 'reap.json');
    const note = '{"version":9,"when":"then"}';
    writeFileSync(file, note);
    expect(() => lastReap(folder)).toThrow('reap.json is of version 9');
    noteReap(folder, 0, { destroyed: 0, left: 0, reported: 0 });
    expect(readFileSync(file, 'utf8')).toBe(note);
  });

  test('a CLI at work', () => {
    writeFileSync(path.join(folder, 'cli.json'), '{"version":9}');
    expect(() => runningCli(folder)).toThrow(MarkerNewer);
  });

  test('an image build', () => {
    const stack = 'image-java23-20261124120000';
    mkdirSync(path.join(folder, 'jobs', stack), { recursive: true });
    writeFileSync(path.join(folder, 'jobs', stack, 'builder.json'), '{"version":9}');
    expect(builderOf(folder, stack)).toBe('newer');
  });
});

test('what the version before left is known: a CLI at work', () => {
  writeFileSync(path.join(folder, 'cli.json'), JSON.stringify(thisProcess()));
  expect(runningCli(folder)).toMatchObject({ pid: process.pid });
});
