import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { NodeSSH } from 'node-ssh';
import type { Client, ParsedKey } from 'ssh2';
import { beginConnection } from './begin';
import { ConnectionLost, HostKeyMismatch, SshAuthRefused, SshRefused } from './errors';
import { publicKeyBlob } from './keys';
import type { SshTarget } from './types';

export interface ConnectOptions {
  /** Until the port is open. A packet to a closed one may vanish without an answer. */
  readonly portMs?: number;
  /**
   * From the open port to the finished login: sshd may ask a dead name server (UseDNS) or a slow
   * PAM module first.
   */
  readonly loginMs?: number;
  /** A silent peer is asked this often; two questions without an answer end the connection. */
  readonly keepaliveMs?: number;
  readonly signal?: AbortSignal;
  /** A connection to the target that was begun already. */
  readonly begun?: Socket | undefined;
  /** The port is open; the login begins. */
  readonly onOpen?: () => void;
  /** Called for the login, and for each sign of life of the other side after it. */
  readonly onTraffic?: () => void;
}

export const DEFAULT_PORT_MS = 5_000;
const DEFAULT_LOGIN_MS = 30_000;
const DEFAULT_KEEPALIVE_MS = 3_000;
const UNANSWERED_KEEPALIVES = 2;
/**
 * A hostile peer could send requests and read no answers, which would fill our memory. A window of
 * sshd's is 2 MiB.
 */
const MOST_UNSENT_BYTES = 16 * 1024 * 1024;

/**
 * What node's own crypto does natively and OpenSSH has known since 6.5; AES-GCM needs no MAC, and
 * logs are not worth compressing.
 */
const ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-256'],
  compress: ['none'],
} as const;

/**
 * Opens a connection and logs in with the job's key. The host key must be the pinned one. Throws
 * SshRefused (nothing there, or too slow), HostKeyMismatch, SshAuthRefused, ConnectionLost (broken
 * off during the login).
 */
export async function openClient(target: SshTarget, options: ConnectOptions = {}): Promise<NodeSSH> {
  const where = `${target.address}:${target.port}`;
  options.signal?.throwIfAborted();
  const attempt = new Attempt(target, where, options);
  try {
    return await attempt.login();
  } catch (error) {
    throw attempt.explained(error);
  } finally {
    attempt.settle();
  }
}

class Attempt {
  private readonly socket: Socket;
  private readonly ssh = new NodeSSH();
  private timer: NodeJS.Timeout | undefined;
  private mismatch: string | undefined;
  /** Why we ended the attempt ourselves. */
  private reason: unknown;
  private readonly abort = (): void => this.end(this.options.signal?.reason);

  constructor(
    private readonly target: SshTarget,
    private readonly where: string,
    private readonly options: ConnectOptions,
  ) {
    this.socket = options.begun ?? beginConnection(target);
  }

  async login(): Promise<NodeSSH> {
    const { target, options, socket, ssh } = this;
    options.signal?.addEventListener('abort', this.abort, { once: true });
    this.limit(options.portMs ?? DEFAULT_PORT_MS);
    socket.once('error', (error) => this.end(connectFailure(this.where, error)));
    const opened = (): void => {
      this.limit(options.loginMs ?? DEFAULT_LOGIN_MS);
      options.onOpen?.();
    };
    if (socket.connecting) socket.once('connect', opened);
    else opened();
    const ready = ssh.connect({
      sock: socket,
      username: target.user,
      privateKey: target.privateKey,
      // Offer the key at once: asking for the methods costs a round trip, and a refusal that sshd
      // delays on purpose.
      authHandler: ['publickey'],
      readyTimeout: 0,
      keepaliveInterval: options.keepaliveMs ?? DEFAULT_KEEPALIVE_MS,
      keepaliveCountMax: UNANSWERED_KEEPALIVES,
      algorithms: ALGORITHMS as never,
      hostVerifier: (key: Buffer) => this.isPinned(key),
    });
    // The loss of the connection is told by 'close'; an error without a listener would end the
    // process.
    ssh.connection?.on('error', () => {});
    signAtOnce(ssh.connection);
    await ready;
    options.onTraffic?.();
    socket.on('data', () => {
      options.onTraffic?.();
      if (socket.writableLength > MOST_UNSENT_BYTES) socket.destroy();
    });
    return ssh;
  }

  settle(): void {
    clearTimeout(this.timer);
    this.options.signal?.removeEventListener('abort', this.abort);
  }

  explained(error: unknown): unknown {
    this.socket.destroy();
    if (this.mismatch !== undefined) return hostKeyMismatch(this.where, this.mismatch);
    return this.reason ?? handshakeFailure(this.where, this.target.user, error as Error);
  }

  private limit(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(timedOut(this.where, ms)), ms);
  }

  private end(reason: unknown): void {
    this.reason ??= reason;
    this.socket.destroy();
  }

  private isPinned(key: Buffer): boolean {
    if (key.equals(publicKeyBlob(this.target.hostPublicKey))) return true;
    this.mismatch = fingerprint(key);
    return false;
  }
}

/** What ssh2 keeps to itself (1.17, pinned): a request without `sign` only asks about the key. */
interface KeyRequests {
  authPK?(user: string, key: ParsedKey, algorithm?: string, sign?: Sign): void;
}
type Sign = (data: Buffer, done: (signature: Buffer) => void) => void;

/**
 * Signs at once. ssh2 first asks whether the server would accept the key (RFC 4252, 7). There is
 * only one key, and the question costs sshd a second look at authorized_keys (with a delay of 5 ms
 * on purpose) and a round trip.
 */
function signAtOnce(client: Client | null): void {
  const protocol = (client as unknown as { readonly _protocol?: KeyRequests } | null)?._protocol;
  const ask = protocol?.authPK;
  if (!protocol || !ask) return;
  protocol.authPK = (user, key, algorithm, sign) => {
    const signAndSend: Sign = (data, done) => {
      const signature = key.sign(
        data,
        /^rsa-(sha)2-(\d+)$/
          .exec(algorithm ?? '')
          ?.slice(1)
          .join(''),
      );
      // A key that can't sign is ssh2's to explain.
      if (signature instanceof Error) ask.call(protocol, user, key, algorithm);
      else done(signature);
    };
    ask.call(protocol, user, key, algorithm, sign ?? signAndSend);
  };
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

function handshakeFailure(where: string, user: string, error: NodeJS.ErrnoException & { level?: string }): Error {
  if (error.code === 'ETIMEDOUT' && error.level === undefined)
    return new ConnectionLost(`${where} closed the connection during the SSH login`, { retryable: true });
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
