import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  type BigIntStats,
} from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { HostError } from '../errors';
import { bootTime, type BootTime } from '../host/boot-clock';
import { machineId } from '../host/machine';
import { readPrivate } from '../host/private-file';
import { trySlot } from '../host/queue';
import { keyQueue } from '../host/slots';
import { generateLoginKeyPair, type SshKeyPair } from './keys';

/**
 * Login keys made while the host was idle, a file each (docs/adr/0024). A key serves one job: the
 * process that removes its file owns it, and no file name is used twice.
 */

/** For a burst of as many jobs; 150 KB, and some 15 s of one core to make. */
export const MOST_KEYS = 64;
const MAX_AGE_MS = 24 * 3600_000;
const NAME = /^[0-9a-f]{16}$/;

const schema = z.object({
  privateKey: z.string(),
  /** Without a comment. Kept, since it is not safe to derive (keys.ts). */
  publicKey: z.string(),
  /** When it was made, on the kernel's clock. */
  upMs: z.number(),
  seal: z.string(),
});
type Kept = z.output<typeof schema>;

/** Where and when a key is made or used. */
export interface Here {
  readonly machine: string | undefined;
  readonly now: BootTime;
}

export interface Source {
  /** Undefined: nothing tells one boot from another. Then there is no reserve. */
  readonly here: (stateDir: string) => Here | undefined;
  readonly generate: (comment: string) => Promise<SshKeyPair>;
}

const SOURCE: Source = {
  here: (stateDir) => {
    const now = bootTime();
    return now && { machine: machineId(stateDir), now };
  },
  generate: generateLoginKeyPair,
};

/** A pair that was made ahead, or a new one. */
export async function loginKeyPair(stateDir: string, comment: string, source = SOURCE): Promise<SshKeyPair> {
  const kept = taken(stateDir, source);
  if (!kept) return source.generate(comment);
  return { privateKey: kept.privateKey, publicKey: `${kept.publicKey} ${comment}`.trimEnd() };
}

function taken(stateDir: string, { here }: Source): Kept | undefined {
  try {
    for (const { file, key } of usable(folderIn(stateDir), here(stateDir))) if (isOurs(file)) return key;
  } catch {
    // No key was ever made; or the folder is not ours.
  }
  return undefined;
}

/** Only one of several processes succeeds in removing a file. */
function isOurs(file: string): boolean {
  try {
    unlinkSync(file);
    return true;
  } catch {
    return false;
  }
}

export interface Filling {
  /** No more than so many; left out: as many as there is room for. */
  readonly most?: number;
  /** Asked before each key; false ends the filling. */
  readonly isQuiet: () => boolean;
  /** Ends the filling after the key in work. */
  readonly signal: AbortSignal;
}

/**
 * Removes keys that may not be used, then makes new ones, one after the other, in one process of
 * the host at a time. Ends silently on a full disk: jobs then make their own keys.
 * @returns how many were made
 */
export async function fillKeys(stateDir: string, filling: Filling, { here, generate } = SOURCE): Promise<number> {
  const { most = MOST_KEYS, isQuiet, signal } = filling;
  let made = 0;
  try {
    const lock = trySlot(keyQueue({ stateDir }));
    if (!lock) return made;
    try {
      const folder = folderIn(stateDir);
      // The folder alone: a state folder that was removed meanwhile does not come back.
      if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
      const room = Math.min(most, MOST_KEYS - [...usable(folder, here(stateDir))].length);
      while (made < room && !signal.aborted && isQuiet()) {
        const at = here(stateDir);
        if (!at) break;
        keep(folder, await generate(''), at);
        made += 1;
      }
    } finally {
      lock.release();
    }
  } catch {
    // The next one tries again.
  }
  return made;
}

/**
 * The keys that may be used here and now. Removes invalid and half-written keys. Leaves every other
 * file in the folder alone, and everything if the folder is a symbolic link.
 */
function* usable(folder: string, at: Here | undefined): Generator<{ readonly file: string; readonly key: Kept }> {
  if (!lstatSync(folder).isDirectory()) throw new Error(`${folder} is no folder of ours`);
  for (const name of readdirSync(folder).filter((one) => NAME.test(one))) {
    const file = path.join(folder, name);
    const key = at && keyIn(file, at);
    if (key) yield { file, key };
    else remove(file);
  }
}

/** @throws the system's error, with nothing left */
function keep(folder: string, pair: SshKeyPair, at: Here): void {
  const file = path.join(folder, randomBytes(8).toString('hex'));
  const key = { ...pair, upMs: at.now.upMs };
  try {
    const descriptor = openSync(file, 'wx', 0o600);
    try {
      const seal = sealOf(key, at, fstatSync(descriptor, { bigint: true }));
      writeFileSync(descriptor, JSON.stringify({ ...key, seal }));
    } finally {
      closeSync(descriptor);
    }
    // Where a file system tells other numbers each time, keys would be made for nobody.
    if (!keyIn(file, at)) throw new Error(`${file} is not as it was written`);
  } catch (error) {
    remove(file);
    throw error;
  }
}

/** Undefined: damaged, too old, of another machine or boot, a copy, or not its owner's alone. */
function keyIn(file: string, at: Here): Kept | undefined {
  try {
    const text = readPrivate({ file, what: 'the login key', failure: HostError, remedy: '' });
    const key = schema.parse(JSON.parse(text));
    const ageMs = at.now.upMs - key.upMs;
    const isFresh = ageMs >= 0 && ageMs <= MAX_AGE_MS;
    return isFresh && key.seal === sealOf(key, at, lstatSync(file, { bigint: true })) ? key : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Of a key and of where it may be used: this machine, this boot, this very file. A disk that is
 * copied has another boot; a file that is copied or restored has another inode, or another birth.
 */
function sealOf(
  { privateKey, publicKey, upMs }: Omit<Kept, 'seal'>,
  { machine, now }: Here,
  { ino, birthtimeNs }: BigIntStats,
): string {
  const parts = ['key 1', machine, now.bootId, `${ino}`, `${birthtimeNs}`, upMs, privateKey, publicKey];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function remove(file: string): void {
  try {
    rmSync(file, { recursive: true, force: true });
  } catch {
    // It stays, and is no key.
  }
}

function folderIn(stateDir: string): string {
  return path.join(stateDir, 'keys');
}
