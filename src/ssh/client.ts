import { createHash } from 'node:crypto';
import { Socket } from 'node:net';
import type { Client } from 'ssh2';
import Ssh2Client from 'ssh2/lib/client.js';
import { ConnectionLost, HostKeyMismatch, SshAuthRefused, SshRefused } from './errors';
import { publicKeyBlob } from './keys';
import type { SshTarget } from './types';

export interface ConnectOptions {
  /** From the first packet to a finished login. */
  readonly timeoutMs?: number;
  /** A silent peer is asked this often; two questions without an answer end the connection. */
  readonly keepaliveMs?: number;
  readonly signal?: AbortSignal;
  /** The port is open; the login begins. */
  readonly onOpen?: () => void;
  /** Called for each sign of life of the other side. */
  readonly onTraffic?: () => void;
}

export const DEFAULT_CONNECT_MS = 10_000;
export const DEFAULT_KEEPALIVE_MS = 3_000;
const UNANSWERED_KEEPALIVES = 2;

/** What node's own crypto does natively and OpenSSH has known since 6.5; AES-GCM needs no MAC, and logs are not worth compressing. */
const ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-256'],
  compress: ['none'],
} as const;

/**
 * Opens a connection and logs in with the job's key. The host key must be the pinned one.
 * Throws SshRefused (nothing there, or too slow), HostKeyMismatch, SshAuthRefused, ConnectionLost (broken off during the login).
 */
export function openClient(target: SshTarget, options: ConnectOptions = {}): Promise<Client> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_CONNECT_MS;
  const where = `${target.address}:${target.port}`;
  const pinned = publicKeyBlob(target.hostPublicKey);
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    // A socket of our own: ssh2's JavaScript ciphers write in small pieces, which Nagle and delayed ACK would hold back.
    const socket = new Socket();
    socket.setNoDelay(true);
    const client = new Ssh2Client();
    let mismatch: string | undefined;
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      client.removeAllListeners('ready');
      client.on('error', () => {});
      socket.destroy();
      reject(mismatch === undefined ? error : hostKeyMismatch(where, mismatch));
    };
    const abort = (): void => fail(options.signal?.reason);
    const timer = setTimeout(() => fail(timedOut(where, timeoutMs)), timeoutMs);
    options.signal?.addEventListener('abort', abort, { once: true });
    socket.once('error', (error) => fail(connectFailure(where, error)));
    client.once('error', (error: Error & { level?: string }) => fail(handshakeFailure(where, target.user, error)));
    client.once('close', () =>
      fail(new ConnectionLost(`${where} closed the connection during the SSH login`, { retryable: true })),
    );
    client.once('ready', () => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      client.removeAllListeners('error').removeAllListeners('close');
      // From here on the loss of the connection is told by 'close'; an error without a listener would end the process.
      client.on('error', () => {});
      resolve(client);
    });
    if (options.onOpen) socket.once('connect', options.onOpen);
    socket.connect(target.port, target.address);
    client.connect({
      sock: socket,
      username: target.user,
      privateKey: target.privateKey,
      // Straight to the key: asking which methods there are costs a round trip, and a refusal that sshd delays on purpose.
      authHandler: ['publickey'],
      readyTimeout: 0,
      keepaliveInterval: options.keepaliveMs ?? DEFAULT_KEEPALIVE_MS,
      keepaliveCountMax: UNANSWERED_KEEPALIVES,
      algorithms: ALGORITHMS as never,
      hostVerifier: (key: Buffer) => {
        if (key.equals(pinned)) return true;
        mismatch = fingerprint(key);
        return false;
      },
    });
    if (options.onTraffic) socket.on('data', options.onTraffic);
  });
}

function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

function hostKeyMismatch(where: string, offered: string): HostKeyMismatch {
  return new HostKeyMismatch(`${where} offers the host key ${offered}, which is not the one made for this instance`, {
    remedy: 'Another machine answers at this address, or the image overwrote the host key that user data had set.',
  });
}

function timedOut(where: string, timeoutMs: number): SshRefused {
  return new SshRefused(`${where} did not complete an SSH login within ${timeoutMs / 1000} s`, { retryable: true });
}

function connectFailure(where: string, error: NodeJS.ErrnoException): SshRefused {
  const reason =
    error.code === 'ECONNREFUSED' ? 'refuses connections' : `can't be reached (${error.code ?? error.message})`;
  return new SshRefused(`${where} ${reason}`, { retryable: true, cause: error });
}

function handshakeFailure(where: string, user: string, error: Error & { level?: string }): Error {
  if (error.level === 'client-authentication') {
    return new SshAuthRefused(`${where} refuses the job's key for user ${user}`, {
      remedy: 'Check GITLAB_SPOT_SSH_USER, and that the image takes its keys from the instance metadata (cloud-init).',
      retryable: true,
      cause: error,
    });
  }
  if (error.level === 'client-socket') return connectFailure(where, error);
  return new ConnectionLost(`the SSH login at ${where} failed: ${error.message}`, { retryable: true, cause: error });
}
