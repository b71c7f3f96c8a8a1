/**
 * One machine's SSH server in this process: who may log in, and what a connection may ask for. Held
 * to what OpenSSH's sshd does.
 */
import { connect, type Socket } from 'node:net';
import { readFile } from 'node:fs/promises';
import {
  Server,
  utils,
  type AuthContext,
  type Connection,
  type ParsedKey,
  type ServerChannel,
  type Session,
} from 'ssh2';
import { authorizedKeysFiles } from './authorized-keys';
import { hostKeyFiles } from './boot';
import { journal } from './layout';
import { serveSession, type SessionHost } from './session';

/** sshd's own defaults: MaxSessions, MaxAuthTries, LoginGraceTime. */
const MAX_SESSIONS = 10;
const MAX_AUTH_TRIES = 6;
const LOGIN_GRACE_MS = 120_000;

// sshd sends no keepalives unless told to (ClientAliveInterval 0); ssh2 has a default of its own
// that only this turns off.
(Server as unknown as { KEEPALIVE_CLIENT_INTERVAL: number }).KEEPALIVE_CLIENT_INTERVAL = -1;

export interface SshServerOptions extends SessionHost {
  readonly users: readonly string[];
}

export class SshServer {
  private server: Server | undefined;

  constructor(private readonly options: SshServerOptions) {}

  /** Reads the host keys, as a (re)started sshd does. Open connections go on. */
  async loadHostKeys(): Promise<void> {
    const files = await hostKeyFiles(this.options.layout);
    const hostKeys = await Promise.all(files.map((file) => readFile(file)));
    this.server = new Server({ hostKeys, ident: 'gitlab-spot-sandbox' });
    this.server.on('connection', (connection: Connection, info: { ip: string; port: number }) => {
      void new ServedConnection(connection, `${info.ip} ${info.port}`, this.options);
    });
  }

  /** Takes over a connected socket. */
  serve(socket: Socket): void {
    if (this.server === undefined) throw new Error('loadHostKeys comes first');
    this.server.injectSocket(socket);
  }
}

class ServedConnection {
  private user = '';
  private attempts = 0;
  private openSessions = 0;

  constructor(
    private readonly connection: Connection,
    private readonly peer: string,
    private readonly options: SshServerOptions,
  ) {
    const grace = setTimeout(() => connection.end(), LOGIN_GRACE_MS);
    connection.setMaxListeners(2 * MAX_SESSIONS + 10);
    connection.on('authentication', (context) => void this.authenticate(context));
    connection.on('ready', () => {
      clearTimeout(grace);
      journal(options.layout, `sshd: accepted publickey for ${this.user} from ${peer}`);
    });
    connection.on('close', () => clearTimeout(grace));
    connection.on('error', (error) => journal(options.layout, `sshd: connection from ${peer}: ${error.message}`));
    connection.on('session', (accept, reject) => this.openSession(accept, reject));
    connection.on('tcpip', (accept, reject, { destIP, destPort }) => forward(destIP, destPort, accept, reject));
    // Its presence makes ssh2 answer no-more-sessions@openssh.com; forwarded listeners are not
    // offered.
    connection.on('request', (_accept, reject) => reject?.());
  }

  private async authenticate(context: AuthContext): Promise<void> {
    if (context.method === 'publickey' && (await this.mayLogIn(context.username, context.key))) {
      if (context.signature === undefined) return context.accept();
      const key = this.parse(context.key);
      if (key?.verify(context.blob ?? Buffer.alloc(0), context.signature, context.hashAlgo) === true) {
        this.user = context.username;
        return context.accept();
      }
    }
    // The 'none' by which a client asks for the methods is no attempt.
    if (context.method !== 'none' && ++this.attempts >= MAX_AUTH_TRIES) {
      journal(this.options.layout, `sshd: too many authentication failures for ${context.username} from ${this.peer}`);
      return void this.connection.end();
    }
    context.reject(['publickey']);
  }

  private parse(key: { readonly data: Buffer }): ParsedKey | undefined {
    const parsed = utils.parseKey(key.data);
    return parsed instanceof Error ? undefined : parsed;
  }

  /** Reads the files at each login: what a job or user data adds to them counts from then on. */
  private async mayLogIn(user: string, key: { readonly data: Buffer }): Promise<boolean> {
    if (!this.options.users.includes(user)) return false;
    const files = await authorizedKeysFiles(this.options.layout, user);
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    const lines = texts.flatMap((text) => text.split('\n'));
    return lines.some((line) => keyOf(line)?.getPublicSSH().equals(key.data) === true);
  }

  private openSession(accept: () => Session, reject: () => void): void {
    if (this.openSessions >= MAX_SESSIONS) return reject();
    this.openSessions += 1;
    const session = accept();
    session.once('close', () => (this.openSessions -= 1));
    serveSession(session, this.connection, { user: this.user, peer: this.peer }, this.options);
  }
}

/** A line of authorized_keys: options before the key are allowed, and not enforced. */
function keyOf(line: string): ParsedKey | undefined {
  const text = /(?:^|\s)((?:ssh-|ecdsa-)\S+ +[A-Za-z0-9+/=]+)/.exec(line.trim())?.[1];
  if (text === undefined || line.trim().startsWith('#')) return undefined;
  const parsed = utils.parseKey(text);
  return parsed instanceof Error ? undefined : parsed;
}

function forward(host: string, port: number, accept: () => ServerChannel, reject: () => void): void {
  const target = connect({ host, port, noDelay: true });
  target.once('error', reject);
  target.once('connect', () => {
    const channel = accept();
    target.off('error', reject).on('error', () => channel.end());
    channel.on('error', () => target.destroy()).on('close', () => target.destroy());
    channel.pipe(target).pipe(channel);
  });
}
