import { createCipheriv, createDecipheriv, createHash, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { CommandError } from '../errors';
import { type Environment } from '../project/paths';

const ROUNDS = 1_000_000;
const KEY_BYTES = 32;
const SALT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** What a salt carries encrypted, so that a wrong passphrase is noticed. */
const PROBE = 'pulumi';

/** Encrypts and decrypts the secrets of one stack. */
export interface Crypter {
  /** The stack's `encryptionsalt`: v1:SALT:v1:NONCE:CIPHERTEXT. */
  readonly salt: string;
  encrypt(plaintext: string): string;
  /** Throws CommandError on a value that this key did not encrypt. */
  decrypt(ciphertext: string): string;
}

/** The passphrase is not the one with which the stack was made. */
export class WrongPassphrase extends CommandError {
  override readonly name = 'WrongPassphrase';
}

/**
 * The passphrase from PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE; throws
 * CommandError when neither is set.
 */
export function readPassphrase(env: Environment): string {
  const phrase = env['PULUMI_CONFIG_PASSPHRASE'];
  if (phrase !== undefined) return phrase;
  const file = env['PULUMI_CONFIG_PASSPHRASE_FILE'];
  if (!file) {
    throw new CommandError(
      'passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables',
    );
  }
  try {
    return readFileSync(path.resolve(file), 'utf8').trim();
  } catch (error) {
    throw new CommandError(`unable to read PULUMI_CONFIG_PASSPHRASE_FILE: ${(error as Error).message}`);
  }
}

/**
 * A new salt for a stack, with the key that belongs to it, which `keyFolder` keeps where there is
 * one.
 */
export async function newCrypter(passphrase: string, keyFolder?: string): Promise<Crypter> {
  const salt = randomBytes(SALT_BYTES);
  const key = await deriveKey(passphrase, salt, keyFolder);
  return crypter(key, `v1:${salt.toString('base64')}:${encrypt(key, PROBE)}`);
}

/**
 * The key of a stack with a salt; throws {@link WrongPassphrase}, or CommandError on a malformed
 * salt.
 */
export async function openCrypter(passphrase: string, state: string, keyFolder?: string): Promise<Crypter> {
  const [version, salt, ...probe] = state.split(':');
  if (salt === undefined || probe.length === 0) throw new CommandError('malformed state value');
  if (version !== 'v1') throw new CommandError('unknown state version');
  const key = await deriveKey(passphrase, Buffer.from(salt, 'base64'), keyFolder);
  let decrypted: string | undefined;
  try {
    decrypted = decrypt(key, probe.join(':'));
  } catch {
    // Falls through: the probe was encrypted with another key.
  }
  if (decrypted !== PROBE) throw new WrongPassphrase('incorrect passphrase');
  return crypter(key, state);
}

/** Forgets the kept key of a stack that is removed. */
export function forgetKey(passphrase: string, state: string, keyFolder: string): void {
  const salt = Buffer.from(state.split(':')[1] ?? '', 'base64');
  rmSync(path.join(keyFolder, keyId(passphrase, salt)), { force: true });
}

function crypter(key: Buffer, salt: string): Crypter {
  return { salt, encrypt: (plaintext) => encrypt(key, plaintext), decrypt: (ciphertext) => decrypt(key, ciphertext) };
}

function keyId(passphrase: string, salt: Buffer): string {
  return createHash('sha256').update(salt).update(passphrase).digest('hex');
}

/** Derived keys of this process. */
const derived = new Map<string, Promise<Buffer>>();

function deriveKey(passphrase: string, salt: Buffer, keyFolder: string | undefined): Promise<Buffer> {
  const id = keyId(passphrase, salt);
  const key = derived.get(id) ?? keptKey(id, passphrase, salt, keyFolder);
  derived.set(id, key);
  return key;
}

/**
 * Deriving a key takes a quarter of a second of CPU, and each job runs three commands with the same
 * one. So a sandbox keeps it for the next command, beside the passphrase itself. The real program
 * derives it anew each time.
 */
async function keptKey(id: string, passphrase: string, salt: Buffer, keyFolder: string | undefined): Promise<Buffer> {
  const file = keyFolder === undefined ? undefined : path.join(keyFolder, id);
  if (file !== undefined) {
    try {
      const kept = readFileSync(file);
      if (kept.length === KEY_BYTES) return kept;
    } catch {
      // Not derived yet.
    }
  }
  const key = await promisify(pbkdf2)(passphrase, salt, ROUNDS, KEY_BYTES, 'sha256');
  if (file !== undefined) {
    try {
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      await writeFileAtomic(file, key, { mode: 0o600 });
    } catch {
      // The next command derives it again.
    }
  }
  return key;
}

function encrypt(key: Buffer, plaintext: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString('base64')}:${sealed.toString('base64')}`;
}

function decrypt(key: Buffer, value: string): string {
  const [version, nonce, text, ...rest] = value.split(':');
  if (nonce === undefined || text === undefined || rest.length > 0) throw new CommandError('bad value');
  if (version !== 'v1') throw new CommandError('unknown value version');
  const sealed = Buffer.from(text, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64'));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES)), decipher.final()]).toString(
      'utf8',
    );
  } catch {
    throw new CommandError('cipher: message authentication failed');
  }
}
