/**
 * The processes of a "container": those of a process namespace of its own, so that its `kill -1`
 * stays in it. Where the kernel allows none, there is no container.
 */
import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runError } from './errors';
import { folderOf, type Container } from './store';

/** In the environment of each process of a container. */
const MARK = 'SANDBOX_CONTAINER';
const POLL_MS = 5;
const isRoot = process.getuid?.() === 0;
/** Who may not be root outside is root inside, as in most images. */
const NEW_NAMESPACES = [...(isRoot ? [] : ['--map-root-user']), '--pid', '--mount', '--fork', '--kill-child'];

/** The first process says its id as the instance sees it, and becomes what the container runs. */
const FIRST = `read -r pid rest </proc/self/stat
mount -t proc proc /proc || exit
PATH=$1
cd "$2"
echo "$pid" >"$3.new"
mv "$3.new" "$3"
shift 3
exec "$@"`;
/** So does another one that enters. */
const OTHER = 'PATH=$1; cd "$2"; shift 2; exec "$@"';

/**
 * A path of the container as one of this machine: in a volume, or in the container's own folder.
 */
function pathInside(container: Container, inside: string): string {
  const binds = container.HostConfig.Binds.map((bind) => bind.split(':') as [string, string]);
  const within = binds
    .filter(([, target]) => inside === target || inside.startsWith(`${target}/`))
    .sort((a, b) => b[1].length - a[1].length)[0];
  return within ? path.join(within[0], inside.slice(within[1].length)) : path.join(folderOf(container), 'root', inside);
}

const firstProcessFile = (container: Container): string => path.join(folderOf(container), 'pid');

/** Process id of the container's first process; undefined when it doesn't run. */
export function firstProcess(container: Container): number | undefined {
  const file = firstProcessFile(container);
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8'));
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${MARK}=${container.Id}`)
      ? pid
      : undefined;
  } catch {
    return undefined;
  }
}

/** Runs `command` with the container's environment and PATH; ours is for what leads there. */
function enter(
  command: readonly [string, ...string[]],
  script: string,
  container: Container,
  rest: readonly string[],
  stdio: StdioOptions,
): ChildProcess {
  const folder = pathInside(container, '/');
  mkdirSync(folder, { recursive: true });
  const own = Object.fromEntries(
    container.Config.Env.map((entry) => [entry.replace(/=.*$/s, ''), entry.replace(/^[^=]*=/, '')]),
  );
  const environment = { HOME: '/root', HOSTNAME: container.Id.slice(0, 12), ...own, [MARK]: container.Id };
  const [file, ...args] = command;
  return spawn(file, [...args, '/bin/sh', '-c', script, 'sh', own['PATH'] ?? '/usr/bin:/bin', folder, ...rest], {
    env: { ...environment, PATH: process.env['PATH'] },
    stdio,
    detached: true,
  });
}

/**
 * Resolves when the container runs, or has already ended. @throws DockerError where there can be no
 * namespace
 */
export async function start(container: Container, stdio: StdioOptions): Promise<ChildProcess> {
  const refused = spawnSync('unshare', [...NEW_NAMESPACES, 'true'], { encoding: 'utf8' });
  if (refused.status !== 0) {
    const reason = refused.error?.message ?? refused.stderr.trim();
    throw runError(`the stand-in can't give the container processes of its own here: ${reason}.`);
  }
  const { Entrypoint, Cmd } = container.Config;
  const file = firstProcessFile(container);
  rmSync(file, { force: true });
  const child = enter(['unshare', ...NEW_NAMESPACES], FIRST, container, [file, ...Entrypoint, ...Cmd], stdio);
  while (!existsSync(file) && child.exitCode === null && child.signalCode === null) await delay(POLL_MS);
  return child;
}

/** `run -d`: its output goes to the container's log, nobody writes to it. */
export async function startDetached(container: Container): Promise<void> {
  const log = openSync(logFile(container), 'a');
  const child = await start(container, ['ignore', log, log]);
  closeSync(log);
  child.unref();
}

export function logFile(container: Container): string {
  mkdirSync(folderOf(container), { recursive: true });
  return path.join(folderOf(container), 'log');
}

/** A process beside the container's first. */
export function startBeside(
  pid: number,
  container: Container,
  argv: readonly string[],
  stdio: StdioOptions,
): ChildProcess {
  const user = isRoot ? [] : ['--user', '--preserve-credentials'];
  return enter(['nsenter', '--target', String(pid), ...user, '--pid', '--mount'], OTHER, container, argv, stdio);
}

/** Exit code, or 128 + signal. */
export function exitOf(child: ChildProcess): Promise<number> {
  const code = (): number => child.exitCode ?? 128 + constants.signals[child.signalCode ?? 'SIGKILL'];
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(code());
    else child.once('exit', () => resolve(code()));
  });
}

/** Ends them all; resolves when there are none. */
export async function kill(container: Container): Promise<void> {
  for (let pid = firstProcess(container); pid !== undefined; pid = firstProcess(container)) {
    process.kill(pid, 'SIGKILL');
    await delay(POLL_MS);
  }
}
