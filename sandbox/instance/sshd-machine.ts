/**
 * A machine whose SSH server is OpenSSH's sshd, run as the current user, behind a relay for the
 * faults of the network.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { authorizedKeysFiles } from './authorized-keys';
import { finishBoot, hostKeyFiles, prepareBoot } from './boot';
import { prepareMachine, type MachineContext } from './context';
import { journal, type Layout } from './layout';
import type { Machine, MachineSpec } from './machine';
import { markedEnvironment } from './processes';
import { machineBehind, PublicPort } from './public-port';
import { relay } from './relay';

const SSHD = '/usr/sbin/sshd';
const START_LIMIT_MS = 20_000;
const START_POLL_MS = 10;

/**
 * Starts the machine; resolves when its sshd answers. Only the current user can log in. @throws
 * Error without /usr/sbin/sshd
 */
export async function startSshdMachine(spec: MachineSpec): Promise<Machine> {
  if (!existsSync(SSHD))
    throw new Error(`${SSHD} is not installed: install openssh-server, or use instances of kind ssh2`);
  const context = await prepareMachine(spec, userInfo().username);
  const { marker } = context;

  let restart: () => Promise<void> = async () => undefined;
  const boot = { ...context, onSshRestart: () => void restart().catch(() => undefined) };
  const userData = await prepareBoot(boot);
  const sshd = await Sshd.start(context);
  restart = () => sshd.reload();
  const inner = { address: spec.address, port: sshd.port };
  const port = await PublicPort.listen(spec.address, spec.sshPort, (socket) => relay(socket, port, inner));
  void finishBoot(boot, userData);
  return machineBehind(port, spec, marker);
}

class Sshd {
  private constructor(
    readonly port: number,
    private readonly layout: Layout,
    private readonly config: () => Promise<string>,
    private readonly pid: () => number | undefined,
  ) {}

  static async start({ spec, layout, marker, namespaces, environment }: MachineContext): Promise<Sshd> {
    // sshd, started by root, asks for this folder, which a distribution's unit file makes.
    const run = namespaces.missing === undefined ? layout.run : '/run';
    if (userInfo().uid === 0) await mkdir(path.join(run, 'sshd'), { recursive: true, mode: 0o755 });
    const port = await freePort(spec.address);
    await writeFile(path.join(layout.run, 'home.sh'), 'cd "$HOME"\nunset BASH_ENV OLDPWD\n');
    const config = (): Promise<string> => sshdConfig(spec, port, layout, environment);
    const configFile = path.join(layout.run, 'sshd_config');
    await writeFile(configFile, await config());
    const [file, ...args] = namespaces.enter([SSHD, '-D', '-f', configFile, '-E', layout.log], '/');
    const child = spawn(file, args, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', ...markedEnvironment(marker) },
      stdio: 'ignore',
      detached: true,
    });
    const exited = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once(
        'exit',
        () => void lastLine(layout.log).then((line) => reject(new Error(`sshd doesn't start: ${line}`))),
      );
    });
    exited.catch(() => undefined);
    await Promise.race([exited, answers(spec.address, port)]);
    return new Sshd(port, layout, config, () => namespaces.leader(child));
  }

  /**
   * As `systemctl reload ssh`: sshd executes itself again and reads its configuration and host keys
   * anew.
   */
  async reload(): Promise<void> {
    await writeFile(path.join(this.layout.run, 'sshd_config'), await this.config());
    const pid = this.pid();
    if (pid !== undefined) process.kill(pid, 'SIGHUP');
    journal(this.layout, 'sshd: reloaded');
  }
}

/** Debian's defaults, with the machine's own folder instead of the account's home. */
async function sshdConfig(
  spec: MachineSpec,
  port: number,
  layout: Layout,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  // sshd begins in the account's home directory; bash, told by BASH_ENV, goes on to the instance's.
  const keysFiles = await authorizedKeysFiles(layout, userInfo().username);
  const variables = { ...environment, BASH_ENV: path.join(layout.run, 'home.sh') };
  const names = Object.entries(variables).filter(([name]) => !['USER', 'LOGNAME', 'SHELL'].includes(name));
  return [
    `ListenAddress ${spec.address}:${port}`,
    ...(await hostKeyFiles(layout)).map((file) => `HostKey "${file}"`),
    `AuthorizedKeysFile ${keysFiles.map((file) => `"${file}"`).join(' ') || 'none'}`,
    `SetEnv ${names.map(([name, value]) => `"${name}=${value}"`).join(' ')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'AcceptEnv LANG LC_*',
    'UseDNS no',
    'PrintMotd no',
    'PrintLastLog no',
    '',
  ].join('\n');
}

async function answers(address: string, port: number): Promise<void> {
  const deadline = Date.now() + START_LIMIT_MS;
  while (!(await accepts(address, port))) {
    if (Date.now() > deadline)
      throw new Error(`sshd didn't answer at ${address}:${port} within ${START_LIMIT_MS / 1000} s`);
    await delay(START_POLL_MS);
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function freePort(address: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function lastLine(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').at(-1) ?? '';
}
