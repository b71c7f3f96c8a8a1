import { generateKeyPair as generate, generateKeyPairSync, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/** A pair as OpenSSH reads it. */
export interface SshKeyPair {
  /** PEM, without passphrase. A secret: a file of mode 0600. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA… COMMENT`, or ssh-rsa */
  readonly publicKey: string;
}

/**
 * Enough for a key that lives as long as one job; a longer one takes three times as long to make.
 */
const RSA_BITS = 2048;

/** Both halves, which end what RFC 8410 has them in. */
const ED25519_BYTES = 32;

// Keys are encoded where they are made. To export one later can hang Node for good: an export as JWK
// holds the key's lock while it makes strings, and where that begins a garbage collection which ends
// the job that made the key, that wants the same lock (seen with Node 20.20).

/**
 * Makes the pair that logs in: RSA, the one kind that ImportKeyPair has always taken
 * (docs/adr/0015-key-pairs-are-rsa.md). It takes a tenth of a second or two, on a thread of its
 * own.
 */
export async function generateLoginKeyPair(comment: string): Promise<SshKeyPair> {
  const { publicKey, privateKey } = await promisify(generate)('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'pkcs1', format: 'der' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  // Signed numbers, as SSH has them too: of 257 bytes (the modulus' first bit is set, so a zero goes
  // before it) and of 3.
  const blob = Buffer.concat([string('ssh-rsa'), string(publicKey.subarray(-3)), string(publicKey.subarray(8, 265))]);
  return {
    privateKey,
    publicKey: `ssh-rsa ${blob.toString('base64')} ${comment}`.trimEnd(),
  };
}

/**
 * Makes a host key: an ed25519 pair in OpenSSH's format (PROTOCOL.key of its source).
 * Not ssh2's own generator: about one in a thousand of its keys can't be parsed again.
 */
export function generateHostKeyPair(comment: string): SshKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  const publicBytes = publicKey.subarray(-ED25519_BYTES);
  const secretBytes = privateKey.subarray(-ED25519_BYTES);
  const publicBlob = Buffer.concat([string('ssh-ed25519'), string(publicBytes)]);
  const check = randomBytes(4);
  const secret = pad(
    Buffer.concat([
      check,
      check,
      publicBlob,
      string(Buffer.concat([secretBytes, publicBytes])),
      string(Buffer.from(comment, 'utf8')),
    ]),
  );
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    string('none'),
    string('none'),
    string(''),
    Buffer.from([0, 0, 0, 1]),
    string(publicBlob),
    string(secret),
  ]);
  return {
    privateKey: pem(file),
    publicKey: `ssh-ed25519 ${publicBlob.toString('base64')} ${comment}`.trimEnd(),
  };
}

/**
 * The raw key of an OpenSSH public key line (or of a bare base64 blob). Throws on anything else.
 */
export function publicKeyBlob(line: string): Buffer {
  const fields = line.trim().split(/\s+/);
  const blob = Buffer.from(fields.length > 1 ? (fields[1] ?? '') : (fields[0] ?? ''), 'base64');
  if (blob.length < 20 || (fields.length > 1 && readString(blob) !== fields[0])) {
    throw new TypeError('not an OpenSSH public key line');
  }
  return blob;
}

function string(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function readString(blob: Buffer): string {
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1');
}

/** Padding bytes 1, 2, 3 … up to the cipher's block of 8. */
function pad(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8;
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
