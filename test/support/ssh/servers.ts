import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, utils, type AuthContext, type ServerChannel } from 'ssh2';
import { endProcesses } from '../../../sandbox/processes';
import { connect } from '../../../src/ssh';
import { generateHostKeyPair, generateLoginKeyPair, type SshKeyPair } from '../../../src/ssh/keys';
import type { SshTarget } from '../../../src/ssh/types';
import { describeUnless } from '../skip';
import { GNU, type Userland } from './machines';

/** A real SSH server on loopback with a home directory of its own, to try src/ssh against. */
export interface TestServer {
  readonly target: SshTarget;
  readonly home: string;
  stop(): Promise<void>;
}

/** As a machine that goes: with all that runs on it, and its disk. */
async function removeMachine({ directory, home }: Machine): Promise<void> {
  await endProcesses(`HOME=${home}`, 0);
  for (const limit = Date.now() + 5_000; ; await sleep(20)) {
    try {
      return rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || Date.now() > limit) throw error;
    }
  }
}

export type ServerKind = 'ssh2' | 'sshd';

const SSHD = '/usr/sbin/sshd';

/** The reason against tests with this kind. */
export function withoutServer(kind: ServerKind): string | undefined {
  if (kind === 'ssh2') return undefined;
  if (!existsSync(SSHD)) return "sshd isn't installed";
  // It lets in whoever runs it, and nobody else.
  return /\/(nologin|false)$/.test(userInfo().shell ?? '') ? 'this account may not log in' : undefined;
}

/** The same tests against each kind, whose name ends the title. */
export function describeEachServer(title: string, body: (kind: ServerKind) => void): void {
  for (const kind of ['ssh2', 'sshd'] as const)
    describeUnless(withoutServer(kind), `${title} ${kind}`, () => body(kind));
}

export interface ServerOptions {
  /** Name of the home's folder. */
  readonly homeName?: string;
  /** Login shell of the user; OpenSSH is given it by a passwd file of its own, which needs mounts. */
  readonly shell?: string;
  /** A server waits so long before it takes a key. */
  readonly loginDelayMs?: number;
  /** The built-in server refuses a further session beside so many; OpenSSH has MaxSessions. */
  readonly maxSessions?: number;
  /** More lines of sshd_config. */
  readonly sshdConfig?: readonly string[];
  /** Called with sshd's folder before it starts. */
  readonly beforeSshd?: (etc: { readonly folder: string; readonly user: string; readonly publicKey: string }) => void;
}

export function startServer(
  kind: ServerKind,
  userland: Userland = GNU,
  options: ServerOptions = {},
): Promise<TestServer> {
  return kind === 'ssh2' ? startSsh2(userland, options) : startSshd(userland, options);
}

interface Machine {
  readonly directory: string;
  readonly home: string;
}

function newMachine({ homeName = 'home' }: ServerOptions): Machine {
  const directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-ssh-'));
  const home = path.join(directory, homeName);
  mkdirSync(home, { mode: 0o700 });
  return { directory, home };
}

/** Of the kind that jobs have; made once, since it takes a while. */
function userKey(): Promise<SshKeyPair> {
  return (madeUserKey ??= generateLoginKeyPair('user'));
}
let madeUserKey: Promise<SshKeyPair> | undefined;

async function startSsh2(userland: Userland, options: ServerOptions): Promise<TestServer> {
  const machine = newMachine(options);
  const { directory, home } = machine;
  const host = generateHostKeyPair('host');
  const user = await userKey();
  const allowed = utils.parseKey(user.publicKey);
  if (allowed instanceof Error) throw allowed;
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    USER: 'root',
    LOGNAME: 'root',
    SHELL: options.shell ?? '/bin/bash',
    // By these bash knows that it is sshd's, and reads .bashrc.
    SSH_CLIENT: '127.0.0.1 1 22',
    ...userland.install(path.join(directory, 'bin')),
  };
  const children = new Set<ChildProcess>();
  const clients = new Set<{ end(): void }>();
  const server = new Server({ hostKeys: [host.privateKey] }, (client) => {
    clients.add(client);
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('authentication', (context: AuthContext) => {
      if (context.method !== 'publickey' || !context.key.data.equals(allowed.getPublicSSH()))
        return context.reject(['publickey']);
      if (
        context.signature &&
        context.blob &&
        allowed.verify(context.blob, context.signature, context.hashAlgo) !== true
      )
        return context.reject();
      // A client asks whether the key would do, and then comes with its proof.
      setTimeout(() => context.accept(), context.signature ? (options.loginDelayMs ?? 0) : 0);
    });
    let sessions = 0;
    client.on('ready', () =>
      client.on('session', (accept, reject) => {
        if (sessions >= (options.maxSessions ?? Infinity)) return reject();
        sessions++;
        accept().on('exec', (acceptExec, _reject, info) => {
          const child = spawn(env.SHELL, ['-c', info.command], { cwd: home, env, stdio: 'pipe', detached: true });
          children.add(child);
          serve(acceptExec(), child, () => {
            sessions--;
            children.delete(child);
          });
        });
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.address() as AddressInfo).port;
  return {
    home,
    target: { address: '127.0.0.1', port, user: 'root', privateKey: user.privateKey, hostPublicKey: host.publicKey },
    stop: async () => {
      for (const client of clients) client.end();
      for (const child of children) child.kill('SIGKILL');
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await removeMachine(machine);
    },
  };
}

/** As sshd does: a lost connection closes the command's pipes and leaves the command alone. */
function serve(channel: ServerChannel, child: ChildProcess, ended: () => void): void {
  channel.on('error', () => {});
  child.stdin?.on('error', () => {});
  child.stdout?.on('error', () => {});
  channel.pipe(child.stdin!);
  child.stdout!.pipe(channel, { end: false });
  child.stderr!.pipe(channel.stderr as NodeJS.WritableStream, { end: false });
  channel.on('close', () => {
    child.stdin?.destroy();
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  child.on('close', (code, signal) => {
    ended();
    if (signal) channel.exit(signal.replace('SIG', ''), false, '');
    else channel.exit(code ?? 255);
    channel.end();
    channel.close();
  });
}

async function startSshd(userland: Userland, options: ServerOptions): Promise<TestServer> {
  const machine = newMachine(options);
  const { directory, home } = machine;
  const host = generateHostKeyPair('host');
  const user = await userKey();
  const hostKeyFile = path.join(directory, 'host_key');
  const keysFile = path.join(directory, 'authorized_keys');
  writeFileSync(hostKeyFile, host.privateKey, { mode: 0o600 });
  writeFileSync(keysFile, `${user.publicKey}\n`, { mode: 0o600 });
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const port = await freePort();
  const setEnv = Object.entries({ HOME: home, ...userland.install(path.join(directory, 'bin')) }).map(
    ([name, value]) => `"${name}=${value}"`,
  );
  const config = path.join(directory, 'sshd_config');
  const userName = spawnSync('id', ['-un'], { encoding: 'utf8' }).stdout.trim();
  writeFileSync(
    config,
    [
      // Of a keyword the first line counts.
      ...(options.sshdConfig ?? []),
      `ListenAddress 127.0.0.1`,
      `Port ${port}`,
      `HostKey ${hostKeyFile}`,
      ...authorizedKeys(keysFile, userName, options.loginDelayMs),
      `PidFile none`,
      `StrictModes no`,
      `UsePAM no`,
      `PasswordAuthentication no`,
      `PermitRootLogin yes`,
      `SetEnv ${setEnv.join(' ')}`,
      `MaxStartups 100`,
      '',
    ].join('\n'),
  );
  options.beforeSshd?.({ folder: directory, user: userName, publicKey: user.publicKey });
  const command = [SSHD, '-D', '-e', '-f', config];
  const [program = '', ...args] =
    options.shell === undefined ? command : withLoginShell(userName, options.shell, directory, command);
  const daemon = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  daemon.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-20_000)));
  const target: SshTarget = {
    address: '127.0.0.1',
    port,
    user: userName,
    privateKey: user.privateKey,
    hostPublicKey: host.publicKey,
  };
  await answers(target, () => log);
  return {
    home,
    target,
    stop: async () => {
      const gone = new Promise((resolve) => daemon.once('exit', resolve));
      daemon.kill('SIGTERM');
      await gone;
      await removeMachine(machine);
    },
  };
}

/** The command, in a mount namespace where this user has that shell. */
function withLoginShell(user: string, shell: string, folder: string, command: readonly string[]): string[] {
  const passwd = path.join(folder, 'passwd');
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  writeFileSync(
    passwd,
    lines.map((line) => (line.startsWith(`${user}:`) ? line.replace(/[^:]*$/, shell) : line)).join('\n'),
  );
  const script = 'mount --bind "$0" /etc/passwd && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, passwd, ...command];
}

function authorizedKeys(file: string, userName: string, loginDelayMs: number | undefined): readonly string[] {
  if (loginDelayMs === undefined) return [`AuthorizedKeysFile ${file}`];
  const command = `/bin/sh -c "sleep ${loginDelayMs / 1000}; cat ${file}"`;
  return ['AuthorizedKeysFile none', `AuthorizedKeysCommand ${command}`, `AuthorizedKeysCommandUser ${userName}`];
}

async function answers(target: SshTarget, log: () => string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      (await connect(target)).close();
      return;
    } catch (error) {
      if (tries > 100) throw new Error(`sshd did not start: ${log()}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
