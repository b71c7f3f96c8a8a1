/**
 * Process, mount, IPC and host-name namespaces of an instance's own, so that a job's `kill -1` or
 * `rm -rf ~` stays in it. The network is the host's: instances are reached on loopback. One process
 * holds them as long as the instance runs; each command of the SSH server enters them. Needs
 * util-linux, and root or user namespaces that a user may make. Without, commands run beside all
 * others of the host.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { layoutOf, type Layout } from './layout';
import { prepareMounts, type SharedFolders } from './mounts';
import { killMarked, markedCommand, markedEnvironment, markerOf, type Marker } from './processes';

const START_LIMIT_MS = 10_000;

/** How the processes of one machine are started and signalled. */
export interface Namespaces {
  /** Why the machine has none of its own. */
  readonly missing?: string;
  /**
   * The command line that runs `argv` in the machine, in a session of its own; for `spawn` with
   * `detached`.
   */
  enter(argv: readonly string[], folder: string): readonly [string, ...string[]];
  /**
   * Process id, on the host, of what such a command line runs, which leads its process group;
   * undefined when it has ended.
   */
  leader(child: ChildProcess): number | undefined;
}

/** Beside all other processes of the host, known by their marker alone. */
function hostNamespaces(marker: Marker, missing: string): Namespaces {
  return {
    missing,
    enter: (argv, folder) => markedCommand(marker, argv, folder),
    leader: runningPid,
  };
}

/**
 * Makes the namespaces of a machine; they end with its marked processes. Where that is refused,
 * those of the host.
 */
export async function machineNamespaces(
  layout: Layout,
  hostname: string,
  shared: SharedFolders,
  marker: Marker,
): Promise<Namespaces> {
  try {
    return await makeNamespaces(layout, hostname, shared, marker);
  } catch (error) {
    return hostNamespaces(marker, (error as Error).message);
  }
}

/**
 * Why instances can't have namespaces of their own on this machine; undefined where they can. Tries
 * it.
 */
export async function whyNoNamespaces(): Promise<string | undefined> {
  const directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-namespaces-'));
  const marker = markerOf(directory);
  try {
    const layout = layoutOf(directory);
    await mkdir(layout.run, { recursive: true });
    const { missing, enter } = await machineNamespaces(layout, 'probe', { readable: [], writable: [] }, marker);
    if (missing !== undefined) return missing;
    const [file, ...args] = enter(['/bin/sh', '-c', 'test $$ -lt 100'], '/');
    const entered = await outputOf(spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    return entered.code === 0 ? undefined : firstLine(entered.stderr);
  } finally {
    await killMarked(marker);
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Runs as the first process of the namespaces, which gets what loses its parent: it has to be a
 * shell, which waits for every child it has. Its standard output says its process id on the host,
 * once all is in place. It ends once the machine's files are removed (127), should nobody else end it.
 */
const HOLD = `set -e
PATH=$PATH:/usr/sbin:/sbin
read -r pid rest </proc/self/stat
mount -a -T "$1"
hostname "$2" || :
cd "$3"
mkdir -p .host
pivot_root . .host
cd /
umount -l /.host
rmdir /.host
echo "$pid"
exec >/dev/null 2>&1
set +e
while sleep 3600 || [ $? != 127 ]; do :; done`;

async function makeNamespaces(
  layout: Layout,
  hostname: string,
  shared: SharedFolders,
  marker: Marker,
): Promise<Namespaces> {
  const tools = { unshare: findTool('unshare'), nsenter: findTool('nsenter'), setsid: findTool('setsid') };
  const { uid, gid } = userInfo();
  const isRoot = uid === 0;
  const fstab = await prepareMounts(layout, shared);
  const kinds = ['--mount', '--pid', '--ipc', '--uts'];
  const [file, ...args] = markedCommand(marker, [
    ...[tools.unshare, ...(isRoot ? [] : ['--map-root-user']), ...kinds, '--fork', '--kill-child'],
    ...['/bin/sh', '-c', HOLD, 'sh', fstab, hostname, layout.fileSystem],
  ]);
  const holder = spawn(file, args, {
    cwd: '/',
    env: { PATH: process.env['PATH'], ...markedEnvironment(marker) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pid = await heldBy(holder);
  const target = [tools.nsenter, '--target', String(pid), ...kinds];
  // Who may not be root outside is who they are inside too: the root that made the mounts can
  // change owners no more than they can.
  const enter = isRoot
    ? target
    : [
        ...[...target, '--user', '--preserve-credentials'],
        ...[tools.unshare, `--map-user=${uid}`, `--map-group=${gid}`],
      ];
  return {
    enter: (argv, folder) => {
      const [first = '', ...rest] = [...enter, ...markedCommand(marker, [tools.setsid, ...argv], folder)];
      return [first, ...rest];
    },
    leader: (child) => {
      const entered = runningPid(child);
      return entered === undefined ? undefined : childOf(entered);
    },
  };
}

/** @throws Error with the first line of what went wrong */
async function heldBy(holder: ChildProcess): Promise<number> {
  const timer = setTimeout(() => holder.kill('SIGKILL'), START_LIMIT_MS);
  let output = '';
  const ready = new Promise<number>((resolve) => {
    holder.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('\n')) resolve(Number(output));
    });
  });
  const ended = outputOf(holder).then(({ stderr }) => {
    throw new Error(firstLine(stderr) || `no namespaces after ${START_LIMIT_MS / 1000} s`);
  });
  try {
    return await Promise.race([ready, ended]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => undefined);
    holder.stdout!.destroy();
    holder.stderr!.destroy();
    holder.unref();
  }
}

function outputOf(child: ChildProcess): Promise<{ readonly code: number | null; readonly stderr: string }> {
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve, reject) =>
    child.once('error', reject).once('close', (code) => resolve({ code, stderr })),
  );
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

/** @throws Error when PATH doesn't lead to it */
function findTool(name: string): string {
  const found = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${name} (util-linux) is not on PATH`);
  return found;
}

function runningPid(child: ChildProcess): number | undefined {
  return child.exitCode === null && child.signalCode === null ? child.pid : undefined;
}

/** The one child of a process; nsenter has one, and ends with it. */
function childOf(parent: number): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^.*\) \S (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]);
  } catch {
    return undefined;
  }
}
