/**
 * A session channel: the requests before its command (env, pty), the command, and those after it
 * (signal, window-change).
 */
import type { Connection, PseudoTtyInfo, ServerChannel, Session } from 'ssh2';
import { runInChannel, type RunningCommand } from './command';
import type { MachineContext } from './context';
import { journal, loginShell } from './layout';
import type { MachineSpec } from './machine';
import type { PipeFactory } from './pipes';
import { ptyAvailable, ptyCommand } from './pty';

/** What the machine gives to each of its sessions. */
export interface SessionHost extends MachineContext {
  readonly pipes: PipeFactory;
}

export interface Login {
  readonly user: string;
  /** Client's address and port, as in SSH_CONNECTION. */
  readonly peer: string;
}

/** As Debian's sshd_config: AcceptEnv LANG LC_*. */
const ACCEPTED_ENVIRONMENT = /^(LANG|LC_[A-Za-z0-9_]*)$/;
/** The signals that sshd passes on. */
const SIGNALS = new Set([
  'ABRT',
  'ALRM',
  'FPE',
  'HUP',
  'ILL',
  'INT',
  'KILL',
  'PIPE',
  'QUIT',
  'SEGV',
  'TERM',
  'USR1',
  'USR2',
]);

export function serveSession(session: Session, connection: Connection, login: Login, host: SessionHost): void {
  const wanted: Record<string, string> = {};
  let ptyInfo: PseudoTtyInfo | undefined;
  let running: Promise<RunningCommand> | undefined;

  session.on('env', (accept, reject, { key, val }) => {
    if (!ACCEPTED_ENVIRONMENT.test(key)) return reject?.();
    wanted[key] = val;
    accept?.();
  });
  session.on('pty', (accept, reject, info) => {
    if (!ptyAvailable) return reject?.();
    ptyInfo = info;
    accept?.();
  });

  const run = (channel: ServerChannel, command: string | undefined): void => {
    journal(
      host.layout,
      `sshd: ${login.user} from ${login.peer} runs ${JSON.stringify(command ?? 'a login shell').slice(0, 200)}`,
    );
    // sshd runs a command by the shell as it stands; only without one does the shell begin as a
    // login shell.
    const argv = command === undefined ? [loginShell, '-l'] : [loginShell, '-c', command];
    const pty = ptyInfo && ptyCommand(argv, ptyInfo, host.layout.run, host.namespaces);
    running = runInChannel(channel, {
      argv: pty?.argv ?? argv,
      pty,
      environment: {
        ...host.environment,
        USER: login.user,
        LOGNAME: login.user,
        ...wanted,
        ...connectionEnvironment(host.spec, login),
        ...pty?.environment,
      },
      cwd: host.layout.home,
      namespaces: host.namespaces,
      pipes: host.pipes,
      hasEnded: connectionEnd(connection, channel),
    });
    running.catch((error: Error) => {
      journal(host.layout, `sshd: ${error.message}`);
      channel.exit(255);
      channel.end();
    });
  };
  session.on('exec', (accept, _reject, { command }) => run(accept(), command));
  session.on('shell', (accept) => run(accept(), undefined));

  session.on('signal', (accept, reject, { name }) => {
    const signal = name.replace(/^SIG/, '');
    // "session signalling requires privilege separation", which sshd gives up when root logs in: a
    // real instance ignores the request too.
    if (running === undefined || !SIGNALS.has(signal) || login.user === 'root') return reject?.();
    accept?.();
    running.then((command) => command.signal(`SIG${signal}` as NodeJS.Signals)).catch(() => undefined);
  });
  session.on('window-change', (accept, _reject, { rows, cols }) => {
    accept?.();
    running?.then((command) => command.resize(rows, cols)).catch(() => undefined);
  });
  // ssh2 refuses every request after the client's EOF; sshd still takes a signal then.
  session.on('eof', () => setImmediate(() => ((session as unknown as { _ending: boolean })._ending = false)));
}

/** The channel is gone when it is closed or its connection is. */
function connectionEnd(connection: Connection, channel: ServerChannel): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      connection.off('close', end);
      resolve();
    };
    channel.once('close', end);
    connection.once('close', end);
  });
}

function connectionEnvironment(spec: MachineSpec, login: Login): Record<string, string> {
  return {
    SSH_CLIENT: `${login.peer} ${spec.sshPort}`,
    SSH_CONNECTION: `${login.peer} ${spec.address} ${spec.sshPort}`,
  };
}
