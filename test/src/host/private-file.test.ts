import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';
import { tokenIn } from '../../../src/board/access';
import { cliEnvironment } from '../../../src/engine/workspace';
import type { SpotError } from '../../../src/errors';
import { ConfigurationError, HostError } from '../../../src/errors';
import { writeMarker } from '../../../src/host/marker';
import { exposure, readPrivate, writeOutput, writePrivate, writePublic } from '../../../src/host/private-file';
import { webhookOf } from '../../../src/notices/webhook';
import type { Settings } from '../../../src/settings/types';
import { readJobKey } from '../../../src/stages/job-key';

afterEach(() => jest.restoreAllMocks());

test.each(['ENOSPC', 'EDQUOT'])('%s is told as a full disk', (code) => {
  jest.spyOn(writeFileAtomic, 'sync').mockImplementation(() => {
    throw Object.assign(new Error(code), { code });
  });
  for (const write of [writePublic, writeOutput])
    expect(() => write('/state/x', '')).toThrow("The runner host's disk is full: cannot write /state/x");
  expect(existsSync('/state/x')).toBe(false);
});

test('a new file of root’s is of its folder’s owner, whose services read it; one that is there stays as it is', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'private-'));
  const { uid, gid } = statSync(folder);
  jest.spyOn(process, 'geteuid').mockReturnValue(0);
  const written = jest.spyOn(writeFileAtomic, 'sync');
  const file = path.join(folder, 'config.toml');
  writePrivate(file, '');
  writePrivate(file, '');
  writeMarker(path.join(folder, 'drain.json'), { version: 1, schema: z.object({}) }, {});
  const given = written.mock.calls.map(([, , options]) => (options as { chown?: unknown }).chown);
  // Without word of it an owner is kept.
  expect(given).toEqual([{ uid, gid }, undefined, { uid, gid }]);
  rmSync(folder, { recursive: true });
});

test.each(['EPERM', 'EINVAL'])('root that may not give a file away keeps it: %s', (code) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'private-'));
  jest.spyOn(process, 'geteuid').mockReturnValue(0);
  const refused = Object.assign(new Error(code), { code });
  jest.spyOn(writeFileAtomic, 'sync').mockImplementationOnce(() => {
    throw refused;
  });
  const file = path.join(folder, 'drain.json');
  writePrivate(file, 'kept');
  expect(readFileSync(file, 'utf8')).toBe('kept');
  rmSync(folder, { recursive: true });
});

describe('a file that only its owner may read', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'private-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'secret');
  const SECRET = 'https://example.com/0123456789abcdef';
  const place = (text: string, mode = 0o600): void => {
    // One of mode 0400 can't be written over, but by root.
    rmSync(file, { force: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  const refusal = (read: () => unknown): SpotError => {
    try {
      read();
    } catch (error) {
      return error as SpotError;
    }
    throw new Error(`${file} was read`);
  };

  const settings = {
    stateDir: folder,
    pulumi: { backendUrl: 's3://state', passphraseFile: file },
    cloud: { region: '' },
    childEnvironment: {},
  } as unknown as Settings;
  const readers: readonly [string, () => unknown, unknown, typeof ConfigurationError | typeof HostError][] = [
    ['The passphrase file', () => cliEnvironment(settings).PULUMI_CONFIG_PASSPHRASE_FILE, file, HostError],
    ["The job's key", () => readJobKey(file), SECRET, HostError],
    [
      "The webhook's file",
      () => webhookOf({ webhook: undefined, webhookFile: file, kind: 'json', summary: 'off' })?.url,
      SECRET,
      ConfigurationError,
    ],
    ["The board's token file", () => tokenIn(file, { make: true }), SECRET, ConfigurationError],
  ];
  describe.each(readers)('%s', (what, read, expected, failure) => {
    test.each([0o600, 0o400])('is read with mode %o', (mode) => {
      place(SECRET, mode);
      expect(read()).toBe(expected);
    });

    test.each([0o644, 0o640, 0o604, 0o666])('is refused with mode %o, in a sentence without its words', (mode) => {
      place(SECRET, mode);
      const error = refusal(read);
      expect(error).toBeInstanceOf(failure);
      expect(error.message).toBe(
        `Others may read ${what.charAt(0).toLowerCase()}${what.slice(1)} ${file} (mode 0${mode.toString(8)})`,
      );
      expect(error.remedy).toMatch(/^Run (`chmod 600 |the job again)/);
    });

    test('is refused where it is a folder, a pipe or huge, and not waited for', () => {
      for (const [make, why] of [
        [() => mkdirSync(file), 'is not a regular file'],
        [() => spawnSync('mkfifo', ['-m', '600', file]), 'is not a regular file'],
        [() => place('x'.repeat(65 * 1024)), 'is larger than 64 KiB'],
      ] as const) {
        rmSync(file, { recursive: true, force: true });
        make();
        const error = refusal(read);
        expect([error.message, error.remedy]).toEqual([`${what} ${file} ${why}`, expect.stringMatching(/^[A-Z].*\.$/)]);
      }
      rmSync(file);
    });
  });

  test('is judged by what a link leads to', () => {
    place(SECRET, 0o644);
    const link = path.join(folder, 'link');
    symlinkSync(file, link);
    const read = () => readPrivate({ file: link, what: 'the file', failure: HostError, remedy: '' });
    expect(refusal(read).message).toBe(`Others may read the file ${link} (mode 0644)`);
    chmodSync(file, 0o600);
    expect(read()).toBe(SECRET);
  });

  test.each<[string, number, number, number, string | undefined]>([
    ['own, 0600', 0o100600, 1000, 1000, undefined],
    ["root's", 0o100600, 0, 1000, undefined],
    ["another's, for root", 0o100600, 1001, 0, undefined],
    ["another's", 0o100600, 1001, 1000, 'another user (uid 1001) owns it: chown 1000 /f'],
    ['own, for a group to write', 0o100620, 1000, 1000, 'others may change it (mode 0620): chmod 600 /f'],
    ['own, for a group to read', 0o100640, 1000, 1000, 'others may read it (mode 0640): chmod 600 /f'],
  ])('%s', (_what, mode, uid, ownUid, expected) => {
    const exposed = exposure('it', '/f', { mode, uid }, ownUid);
    expect(exposed && `${exposed.why}: ${exposed.command}`).toBe(expected);
  });
});
