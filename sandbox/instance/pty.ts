/**
 * Pseudo-terminals without native code: `script` (util-linux, on every Debian and Red Hat) opens
 * one and copies to and from it.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { PseudoTtyInfo } from 'ssh2';
import { loginShell } from './layout';
import type { Namespaces } from './namespaces';

const SCRIPT = '/usr/bin/script';

/** Where it is false, pty requests are refused, as by an sshd that can't allocate one. */
export const ptyAvailable = existsSync(SCRIPT);

export interface Pty {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** To the process group of the command in the terminal. */
  signal(name: NodeJS.Signals): void;
  resize(rows: number, cols: number): void;
  /**
   * The client is gone. When `script` is killed, the terminal closes, and its foreground processes
   * get SIGHUP.
   */
  forget(): void;
}

/**
 * Terminal modes (RFC 4254, 8) that `stty` knows by a name, with a minus when the client sends 0.
 */
const MODES = ['ECHO', 'ICANON', 'ISIG', 'ICRNL', 'ONLCR', 'OPOST', 'ECHOE', 'ECHOK', 'IXON'] as const;

/**
 * Wraps a command so that its streams are a terminal of the asked-for size and modes. `runFolder`:
 * a private folder.
 */
export function ptyCommand(
  argv: readonly string[],
  info: PseudoTtyInfo,
  runFolder: string,
  namespaces: Namespaces,
): Pty {
  const runInside = (...words: readonly string[]): void => {
    const [program, ...args] = namespaces.enter(words, '/');
    execFile(program, args, () => undefined);
  };
  const file = path.join(runFolder, `pty-${randomUUID()}`);
  const modes = info.modes as Readonly<Partial<Record<string, number>>>;
  const flags = MODES.flatMap((mode) =>
    modes[mode] === undefined ? [] : [`${modes[mode] ? '' : '-'}${mode.toLowerCase()}`],
  );
  const size = info.rows > 0 && info.cols > 0 ? `rows ${info.rows} cols ${info.cols}` : '';
  const inner =
    `stty echo ${size} ${flags.join(' ')} 2>/dev/null; SSH_TTY=$(tty); export SSH_TTY; ` +
    `echo "$$ $SSH_TTY" > ${quote(`${file}.new`)}; mv ${quote(`${file}.new`)} ${quote(file)}; exec ${argv.map(quote).join(' ')}`;
  const terminal = (): { pid: number; tty: string } | undefined => {
    const [pid, tty] = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : [];
    return pid === undefined || tty === undefined ? undefined : { pid: Number(pid), tty };
  };
  return {
    // `script` gives its command to $SHELL.
    argv: ['env', 'SHELL=/bin/sh', SCRIPT, '-qefc', `export SHELL=${loginShell}; ${inner}`, '/dev/null'],
    environment: { TERM: info.term || 'dumb' },
    signal: (name) => {
      const pid = terminal()?.pid;
      if (pid !== undefined) runInside('/bin/sh', '-c', `kill -${name.slice(3)} -${pid}`);
    },
    resize: (rows, cols) => {
      const tty = terminal()?.tty;
      if (tty !== undefined) runInside('stty', '-F', tty, 'rows', String(rows), 'cols', String(cols));
    },
    forget: () => rmSync(file, { force: true }),
  };
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
