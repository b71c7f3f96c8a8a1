/**
 * What an instance with a file system of its own sees: its own folders, the system's read-only, and
 * nothing of the user's.
 */
import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Layout } from './layout';

/**
 * Folders of a system's programs. Each is there, or is a link, or is not there, as on this machine.
 */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/etc', '/opt', '/nix', '/gnu'];
/**
 * Folders that the instance has for itself; they keep what is in them from one start to the next.
 */
const OWN = ['/root', '/home', '/var', '/run', '/tmp', '/srv', '/mnt'];
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const DEVICE_LINKS = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  ptmx: 'pts/ptmx',
};

/**
 * One line of an fstab. `at` is a path of the instance; a bind mount shows `source`, a path of this
 * machine.
 */
interface Mount {
  readonly at: string;
  readonly source: string;
  readonly type: 'none' | 'proc' | 'tmpfs' | 'devpts';
  readonly options: string;
}

export interface SharedFolders {
  /** Shown at their own paths, for reading: the stand-ins, and what else PATH leads to. */
  readonly readable: readonly string[];
  /** Shown at their own paths, for writing. */
  readonly writable: readonly string[];
}

const bind = (source: string, at = source): Mount => ({ at, source, type: 'none', options: 'rbind' });
const readOnly = (source: string): Mount => ({
  at: source,
  source,
  type: 'none',
  options: `rbind,ro${flagsOf(source)}`,
});

/**
 * `nosuid`, `nodev` and the like of the mount that holds the folder: in a user namespace they can't
 * be taken off again.
 */
function flagsOf(folder: string): string {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  const fields = mounts.map((line) => line.split(' ')).filter(([, , , , point = '']) => isIn(point, folder));
  const [, , , , , options = ''] = fields.reduce((best, each) => (each[4]!.length < best[4]!.length ? best : each));
  return options.replace(/^r[wo]/, '');
}

function mountsOf(layout: Layout, shared: SharedFolders): readonly Mount[] {
  const system = SYSTEM.filter((folder) => existsSync(folder) && !lstatSync(folder).isSymbolicLink());
  const inSystem = (file: string): boolean => system.some((folder) => isIn(folder, file));
  return [
    ...[...system, '/sys'].map(readOnly),
    ...DEVICES.map((name) => bind(`/dev/${name}`)),
    { at: '/dev/pts', source: 'devpts', type: 'devpts', options: 'newinstance,ptmxmode=0666,mode=620' },
    { at: '/dev/shm', source: 'tmpfs', type: 'tmpfs', options: 'mode=1777' },
    { at: '/proc', source: 'proc', type: 'proc', options: 'defaults' },
    ...OWN.map((folder) => bind(path.join(layout.root, folder), folder)),
    // After the own ones: it is a link into /run on many systems.
    ...nameServers().map(readOnly),
    ...shared.readable.filter((file) => !inSystem(realpathSync(file))).map(readOnly),
    ...shared.writable.map((folder) => bind(folder)),
    bind(layout.base),
  ];
}

/** The file that /etc/resolv.conf leads to, where that is none of /etc. */
function nameServers(): readonly string[] {
  const file = existsSync('/etc/resolv.conf') ? realpathSync('/etc/resolv.conf') : '/etc/resolv.conf';
  return isIn('/etc', file) ? [] : [file];
}

/**
 * Makes the mount points and writes the fstab by which the instance's file system is put together
 * at `layout.fileSystem`.
 * @returns the fstab's path
 */
export async function prepareMounts(layout: Layout, shared: SharedFolders): Promise<string> {
  const mounts = mountsOf(layout, shared);
  const done: Mount[] = [bind(layout.fileSystem, '/')];
  await mkdir(layout.fileSystem, { recursive: true, mode: 0o755 });
  for (const mount of mounts) {
    if (mount.type === 'none' && isIn(layout.root, mount.source)) await mkdir(mount.source, { recursive: true });
    await makeMountPoint(placeOf(mount.at, done), mount);
    done.push(mount);
  }
  for (const folder of SYSTEM.filter((each) => existsSync(each) && lstatSync(each).isSymbolicLink()))
    await link(readlinkSync(folder), path.join(layout.fileSystem, folder));
  for (const [name, target] of Object.entries(DEVICE_LINKS))
    await link(target, path.join(layout.fileSystem, 'dev', name));
  const fstab = path.join(layout.run, 'fstab');
  const lines = [bind(layout.fileSystem, '/'), ...mounts].map(
    ({ at, source, type, options }) =>
      `${escaped(source)} ${escaped(path.join(layout.fileSystem, at))} ${type} ${options} 0 0\n`,
  );
  await writeFile(fstab, lines.join(''));
  return fstab;
}

/** Where on this machine's disk the instance's path lies, once these are mounted. */
function placeOf(at: string, mounts: readonly Mount[]): string {
  const over = mounts.findLast((mount) => mount.type === 'none' && isIn(mount.at, at))!;
  return path.join(over.source, path.relative(over.at, at));
}

async function makeMountPoint(place: string, { source, type }: Mount): Promise<void> {
  if (existsSync(place)) return;
  const isFile = type === 'none' && !lstatSync(source).isDirectory();
  await mkdir(isFile ? path.dirname(place) : place, { recursive: true });
  if (isFile) await writeFile(place, '');
}

/** An instance that starts again has it already. */
async function link(target: string, file: string): Promise<void> {
  await symlink(target, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

function isIn(folder: string, file: string): boolean {
  return file === folder || file.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** As getmntent(3) reads it. */
function escaped(file: string): string {
  return file.replaceAll(/[\\ \t\n]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
