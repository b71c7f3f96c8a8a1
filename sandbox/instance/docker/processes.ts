/** The processes of a "container": ordinary ones of the instance, found again by a variable in their environment. */
import { execFileSync, spawn, type StdioOptions } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { containers, folderOf, type Container } from './store';

const MARK = 'SANDBOX_CONTAINER';

/** A path of the container as one of this machine: in a volume, or in the container's own folder. */
export function pathInside(container: Container, inside: string): string {
  const binds = container.HostConfig.Binds.map((bind) => bind.split(':') as [string, string]).sort(
    (a, b) => b[1].length - a[1].length,
  );
  for (const [source, target] of binds) {
    if (inside === target || inside.startsWith(`${target.replace(/\/$/, '')}/`))
      return path.join(source, inside.slice(target.length));
  }
  return path.join(folderOf(container), 'root', inside);
}

/** Environment of a process: the container's, the extra ones, and nothing of the caller's but what the sandbox needs. */
function environmentOf(container: Container, extra: readonly string[]): NodeJS.ProcessEnv {
  const entries = [...container.Config.Env, ...extra].map((entry) => {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(entry) ?? [];
    return [name, value ?? process.env[name]] as const;
  });
  return { HOME: '/root', HOSTNAME: container.Config.Hostname, ...Object.fromEntries(entries), [MARK]: container.Id };
}

export interface ProcessOptions {
  readonly argv: readonly string[];
  readonly environment?: readonly string[];
  readonly workingDirectory?: string | undefined;
  readonly stdio: StdioOptions;
  /** Where the exit status is left, when nobody waits for it. */
  readonly statusFile?: string;
}

/** Runs in a session of its own; resolves with its exit code, 128 + signal, or 'missing' for a program that isn't there. */
export function start(
  container: Container,
  options: ProcessOptions,
): { readonly pid: number; readonly exit: Promise<number | 'missing'> } {
  const cwd = pathInside(container, options.workingDirectory ?? (container.Config.WorkingDir || '/'));
  mkdirSync(cwd, { recursive: true });
  const argv =
    options.statusFile === undefined
      ? options.argv
      : ['/bin/sh', '-c', KEEP_STATUS, 'sh', options.statusFile, ...options.argv];
  const child = spawn(argv[0] ?? 'sh', argv.slice(1), {
    cwd,
    env: environmentOf(container, options.environment ?? []),
    stdio: options.stdio,
    detached: true,
  });
  // Nobody waits for a command without our streams.
  if (options.statusFile !== undefined || options.stdio === 'ignore') child.unref();
  const exit = new Promise<number | 'missing'>((resolve) => {
    child.once('error', () => resolve('missing'));
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
  return { pid: child.pid ?? 0, exit };
}

const KEEP_STATUS = 'file=$1; shift; "$@"; code=$?; echo $code > "$file.new"; mv "$file.new" "$file"; exit $code';

/** `run -d` and `start`: output goes to the container's log. */
export function startDetached(container: Container): Container {
  const folder = folderOf(container);
  mkdirSync(folder, { recursive: true });
  const log = openSync(path.join(folder, 'log'), 'a');
  const input = container.Config.OpenStdin ? openInput(folder) : undefined;
  const { pid } = start(container, {
    argv: commandOf(container),
    stdio: [input ?? 'ignore', log, log],
    statusFile: statusFile(container),
  });
  closeSync(log);
  if (input !== undefined) closeSync(input);
  return containers.put({
    ...container,
    State: { ...container.State, Status: 'running', Running: true, Pid: pid, StartedAt: new Date().toISOString() },
  });
}

/** `-d -i`: nobody writes, and there is no end, since whoever reads holds the writing end as well. */
function openInput(folder: string): number {
  const pipe = path.join(folder, 'stdin');
  if (!existsSync(pipe)) execFileSync('mkfifo', ['-m', '600', pipe]);
  return openSync(pipe, 'r+');
}

export function commandOf(container: Container): readonly string[] {
  return [...(container.Config.Entrypoint ?? []), ...container.Config.Cmd];
}

export function statusFile(container: Container): string {
  return path.join(folderOf(container), 'status');
}

export function keepStatus(container: Container, code: number): void {
  mkdirSync(folderOf(container), { recursive: true });
  writeFileSync(statusFile(container), String(code));
}

/** With its state of now. */
export function refreshed(container: Container): Container {
  if (!container.State.Running) return container;
  const code = existsSync(statusFile(container)) ? Number(readFileSync(statusFile(container), 'utf8')) : undefined;
  if (code === undefined && processesOf(container).length > 0) return container;
  return {
    ...container,
    State: { ...container.State, Status: 'exited', Running: false, Pid: 0, ExitCode: code ?? 137 },
  };
}

/** All of them, also those of `exec`. */
export function processesOf(container: Container): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isOf(container, pid));
}

function isOf(container: Container, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${MARK}=${container.Id}`);
  } catch {
    return false;
  }
}

/** Signals all processes; the shell that keeps the status waits for its command, unless they are killed. */
export function signalAll(container: Container, signal: NodeJS.Signals): void {
  for (const pid of processesOf(container)) {
    if (signal !== 'SIGKILL' && keepsStatus(container, pid)) continue;
    try {
      process.kill(pid, signal);
    } catch {
      // Ended by itself.
    }
  }
}

function keepsStatus(container: Container, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0sh\0${statusFile(container)}\0`);
  } catch {
    return false;
  }
}

/** Ends them all; resolves when there are none. */
export async function killAll(container: Container): Promise<void> {
  while (processesOf(container).length > 0) {
    signalAll(container, 'SIGKILL');
    await delay(10);
  }
  if (container.State.Running && !existsSync(statusFile(container))) keepStatus(container, 137);
}
