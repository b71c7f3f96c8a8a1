import { createCipheriv, createDecipheriv, createHash, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { readFileSync } from 'node:fs';
import path from 'node:path';
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

/** The passphrase from PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE; throws CommandError when neither is set. */
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

/** A new salt for a stack, with the key that belongs to it. */
export async function newCrypter(passphrase: string): Promise<Crypter> {
  const salt = randomBytes(SALT_BYTES);
  const key = await deriveKey(passphrase, salt);
  return crypter(key, `v1:${salt.toString('base64')}:${encrypt(key, PROBE)}`);
}

/** The key of a stack with a salt; throws {@link WrongPassphrase}, or CommandError on a malformed salt. */
export async function openCrypter(passphrase: string, state: string): Promise<Crypter> {
  const [version, salt, ...probe] = state.split(':');
  if (salt === undefined || probe.length === 0) throw new CommandError('malformed state value');
  if (version !== 'v1') throw new CommandError('unknown state version');
  const key = await deriveKey(passphrase, Buffer.from(salt, 'base64'));
  let decrypted: string | undefined;
  try {
    decrypted = decrypt(key, probe.join(':'));
  } catch {
    // Falls through: the probe was encrypted with another key.
  }
  if (decrypted !== PROBE) throw new WrongPassphrase('incorrect passphrase');
  return crypter(key, state);
}

function crypter(key: Buffer, salt: string): Crypter {
  return { salt, encrypt: (plaintext) => encrypt(key, plaintext), decrypt: (ciphertext) => decrypt(key, ciphertext) };
}

/** Derived keys of this process: each costs a fifth of a second. */
const derived = new Map<string, Promise<Buffer>>();

function deriveKey(passphrase: string, salt: Buffer): Promise<Buffer> {
  const id = createHash('sha256').update(salt).update(passphrase).digest('hex');
  const key = derived.get(id) ?? promisify(pbkdf2)(passphrase, salt, ROUNDS, KEY_BYTES, 'sha256');
  derived.set(id, key);
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
