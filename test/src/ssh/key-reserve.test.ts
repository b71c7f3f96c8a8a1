import { spawn } from 'node:child_process';
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import fs, {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { utils } from 'ssh2';
import { bootTime } from '../../../src/host/boot-clock';
import { machineId } from '../../../src/host/machine';
import { trySlot } from '../../../src/host/queue';
import { keyQueue } from '../../../src/host/slots';
import { fillKeys, loginKeyPair, MOST_KEYS, type Filling, type Here } from '../../../src/ssh/key-reserve';
import { bundled } from '../../support/bundled';
import { testUnless } from '../../support/skip';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(tmpdir(), 'key-reserve-'))));
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(stateDir, { recursive: true, force: true });
});

const HOUR_MS = 3600_000;
const START: Here = { machine: 'm1', now: { bootId: 'b1', upMs: 1_000 } };
const later = (ms: number): Here => ({ ...START, now: { ...START.now, upMs: START.now.upMs + ms } });
const folder = (): string => path.join(stateDir, 'keys');
const files = (): string[] => readdirSync(folder()).map((name) => path.join(folder(), name));
const publicKeyIn = (file: string): string =>
  (JSON.parse(readFileSync(file, 'utf8')) as { publicKey: string }).publicKey;

const filling = (change: Partial<Filling> = {}): Filling => ({
  most: 1,
  isQuiet: () => true,
  signal: new AbortController().signal,
  ...change,
});
/** As long as a real one, and made at once. */
const quick = (comment: string) => {
  const [secret, open] = [randomBytes(1_190), randomBytes(279)].map((bytes) => bytes.toString('base64'));
  const privateKey = `-----BEGIN RSA PRIVATE KEY-----\nMII${secret}\n-----END RSA PRIVATE KEY-----\n`;
  return Promise.resolve({ privateKey, publicKey: `ssh-rsa AAAA${open} ${comment}`.trimEnd() });
};
const source = (at: Here | undefined) => ({ here: () => at, generate: quick });
const fill = (change: Partial<Filling> = {}, at: Here | undefined = START) =>
  fillKeys(stateDir, filling(change), source(at));

/** Whether the next job's key is one that was made ahead. */
async function takes(at: Here | undefined = START): Promise<boolean> {
  let isNew = false;
  const generate = (comment: string) => ((isNew = true), quick(comment));
  await loginKeyPair(stateDir, 'job-1', { here: () => at, generate });
  return !isNew;
}

test('a job gets a key that was made ahead, under its own name, and no other job gets it', async () => {
  expect(await fillKeys(stateDir, filling())).toBe(1);
  const kept = publicKeyIn(files()[0]!);
  const pair = await loginKeyPair(stateDir, 'job-1');
  expect(pair.publicKey).toBe(`${kept} job-1`);
  expect(files()).toEqual([]);
  const data = Buffer.from('challenge');
  const [secret, open] = [utils.parseKey(pair.privateKey), utils.parseKey(pair.publicKey)];
  if (secret instanceof Error || open instanceof Error) throw new Error(`unreadable: ${pair.publicKey}`);
  expect(open.verify(data, secret.sign(data) as Buffer)).toBe(true);
  expect(await takes()).toBe(false);
});

test('where none was made a key is made, and the state folder stays as it was', async () => {
  const pair = await loginKeyPair(stateDir, 'job-1');
  expect(createPublicKey(createPrivateKey(pair.privateKey)).asymmetricKeyType).toBe('rsa');
  expect(pair.publicKey).toMatch(/^ssh-rsa [A-Za-z0-9+/]+=* job-1$/);
  expect(existsSync(folder())).toBe(false);
});

test('keys are for their owner’s eyes only', async () => {
  await fill();
  const modes = [folder(), files()[0]!].map((file) => (statSync(file).mode & 0o777).toString(8));
  expect(modes).toEqual(['700', '600']);
});

testUnless(
  process.getuid?.() === 0 ? undefined : 'only root may be another user',
  'keys that root made in the folder of another user go, and take no room',
  async () => {
    const uid = 65_534;
    for (const one of [stateDir, folder()]) {
      mkdirSync(one, { recursive: true });
      chownSync(one, uid, uid);
    }
    expect(await fill({ most: 2 })).toBe(2);
    mkdirSync(path.join(folder(), '0123456789abcdef', 'x'), { recursive: true });
    chownSync(path.join(stateDir, 'slots'), uid, uid);
    chownSync(path.join(stateDir, 'slots/keys'), uid, uid);
    process.seteuid!(uid);
    try {
      expect(await takes()).toBe(false);
      expect(await fill({ most: MOST_KEYS })).toBe(MOST_KEYS);
      expect(await takes()).toBe(true);
    } finally {
      process.seteuid!(0);
    }
    expect(files().filter((file) => statSync(file).uid === 0)).toEqual([path.join(folder(), '0123456789abcdef')]);
  },
);

const overwrite = (file: string, change: (text: string) => string): void =>
  writeFileSync(file, change(readFileSync(file, 'utf8')));

describe('a key is not used, and goes, that', () => {
  test.each<[string, (file: string) => void]>([
    ['is cut off', (file) => truncateSync(file, 900)],
    ['is empty', (file) => truncateSync(file, 0)],
    ['is larger than any key', (file) => overwrite(file, (one) => one + ' '.repeat(70_000))],
    ['has another private half', (file) => overwrite(file, (one) => one.replace(/(?<=MII.{200})./, '!'))],
    ['has another public half', (file) => overwrite(file, (one) => one.replace(/(?<=AAAA.{99})./, '!'))],
    ['says that it is younger', (file) => overwrite(file, (one) => one.replace('"upMs":1000', '"upMs":1001'))],
    ['others may read', (file) => chmodSync(file, 0o644)],
    ['is a folder', (file) => (rmSync(file), mkdirSync(path.join(file, 'x'), { recursive: true }))],
    [
      'was restored from a copy',
      (file) => (copyFileSync(file, `${file}.1`), rmSync(file), renameSync(`${file}.1`, file)),
    ],
    ['is a link', (file) => (renameSync(file, path.join(stateDir, 'x')), symlinkSync(path.join(stateDir, 'x'), file))],
  ])('%s', async (_what, change) => {
    await fill();
    change(files()[0]!);
    expect(await takes()).toBe(false);
    expect(files()).toEqual([]);
  });

  test.each<[string, Here]>([
    ['another machine made', { ...START, machine: 'm2' }],
    ['a machine made that could tell who it is, where this one can’t', { ...START, machine: undefined }],
    ['was made before the host was started', { ...START, now: { bootId: 'b2', upMs: 1_000 } }],
    ['is a day old', later(24 * HOUR_MS + 1)],
    ['is from the future', later(-1)],
  ])('%s', async (_what, at) => {
    await fill();
    expect(await takes(at)).toBe(false);
    expect(files()).toEqual([]);
    await fill();
    await fill({ most: 0 }, at);
    expect(files()).toEqual([]);
  });
});

test('what is no key’s stays: in the folder, and where a link in its place leads', async () => {
  await fill();
  const note = path.join(folder(), 'README');
  writeFileSync(note, 'of an administrator');
  expect([await takes(), await takes(), await fill({ most: 0 })]).toEqual([true, false, 0]);
  const elsewhere = path.join(stateDir, 'elsewhere');
  renameSync(folder(), elsewhere);
  writeFileSync(path.join(elsewhere, '0123456789abcdef'), 'of somebody');
  symlinkSync(elsewhere, folder());
  expect([await takes(), await fill()]).toEqual([false, 0]);
  expect(readdirSync(elsewhere).sort()).toEqual(['0123456789abcdef', 'README']);
});

test('a key is used for a day', async () => {
  await fill();
  expect(await takes(later(24 * HOUR_MS))).toBe(true);
});

test('of a state folder that was copied, in the same boot, the copy has no keys', async () => {
  await fill();
  const copy = `${stateDir}-copy`;
  cpSync(stateDir, copy, { recursive: true, preserveTimestamps: true });
  try {
    const { publicKey } = await loginKeyPair(copy, '', source(START));
    expect(files().map(publicKeyIn)).not.toContain(publicKey);
    expect(await takes()).toBe(true);
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test('where nothing tells one boot from another no key is made ahead', async () => {
  expect(await fillKeys(stateDir, filling(), source(undefined))).toBe(0);
  expect(files()).toEqual([]);
});

describe('filling', () => {
  test('ends when others need the processor, and when its process wants to end', async () => {
    let asked = 0;
    expect(await fill({ most: 5, isQuiet: () => ++asked < 3 })).toBe(2);
    const ended = new AbortController();
    const isQuiet = (): boolean => (ended.abort(), true);
    // The key in work is not lost.
    expect(await fill({ most: 5, isQuiet, signal: ended.signal })).toBe(1);
    expect(await fill({ most: 5, signal: AbortSignal.abort() })).toBe(0);
    expect(files()).toHaveLength(3);
    expect(trySlot(keyQueue({ stateDir }))).toBeDefined();
  });

  test('is one process’s at a time', async () => {
    const other = trySlot(keyQueue({ stateDir }))!;
    expect(await fill()).toBe(0);
    other.release();
    expect(await fill()).toBe(1);
  });

  test('of a full disk leaves nothing, and a job gets a key all the same', async () => {
    jest.spyOn(fs, 'writeFileSync').mockImplementation(() => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    });
    expect(await fill()).toBe(0);
    expect(files()).toEqual([]);
    expect((await loginKeyPair(stateDir, 'job-1')).publicKey).toMatch(/^ssh-rsa .* job-1$/);
  });

  test('does not go on where a file is not as it was written', async () => {
    const written = jest.spyOn(fs, 'lstatSync').mockImplementation(() => ({ ino: 1n, birthtimeNs: 1n }) as never);
    expect(await fill({ most: 3 })).toBe(0);
    expect(written).toHaveBeenCalledTimes(1);
    expect(files()).toEqual([]);
  });

  test('a disk that lets nothing be removed gives no key away', async () => {
    await fill();
    jest.spyOn(fs, 'unlinkSync').mockImplementation(() => {
      throw Object.assign(new Error('read-only'), { code: 'EROFS' });
    });
    expect(await takes()).toBe(false);
    expect(files()).toHaveLength(1);
  });
});

test('it has a bound; many processes that take at once get each key once', async () => {
  await bundled('ssh/key-reserve.ts', stateDir);
  const quickHere = source({ machine: machineId(stateDir), now: bootTime()! });
  expect(await fillKeys(stateDir, filling({ most: MOST_KEYS + 1 }), quickHere)).toBe(MOST_KEYS);
  expect(await fillKeys(stateDir, filling(), quickHere)).toBe(0);
  const kept = files().map(publicKeyIn);
  const program = `
    const { loginKeyPair } = require('./key-reserve.js');
    process.stdin.once('end', async () => {
      for (const job of [1, 2, 3, 4]) console.log((await loginKeyPair(process.cwd(), '')).publicKey);
    }).resume();
    process.stderr.write('.');`;
  const takers = Array.from({ length: MOST_KEYS / 4 }, () =>
    spawn(process.execPath, ['-e', program], { cwd: stateDir }),
  );
  await Promise.all(takers.map(({ stderr }) => new Promise((resolve) => stderr.once('data', resolve))));
  takers.forEach(({ stdin }) => stdin.end());
  const got = (await Promise.all(takers.map(({ stdout }) => text(stdout)))).join('').trim().split('\n');
  expect(got.sort()).toEqual(kept.sort());
  expect(files()).toEqual([]);
}, 120_000);
