/**
 * Which programs the image "has": an instance must not find the host's docker or gitlab-runner by
 * accident.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import type { Layout } from './layout';
import type { MachineSpec, ProgramName } from './machine';
import { temporaryFolder } from '../temporary-folder';

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const CONTROLLED: readonly ProgramName[] = ['docker', 'gitlab-runner'];

/**
 * The folders of the instance's PATH; puts the stand-ins that the spec asks for into its
 * usr/local/bin.
 */
export async function programPath(spec: MachineSpec, layout: Layout): Promise<readonly string[]> {
  for (const name of CONTROLLED) {
    const link = path.join(layout.bin, name);
    await rm(link, { force: true });
    const source = spec.programs?.[name];
    if (source === 'stand-in') await symlink(standIn(name), link);
    else if (typeof source === 'object') await symlink(source.file, link);
  }
  const hidden = CONTROLLED.filter((name) => spec.programs?.[name] !== 'host');
  const folders = await Promise.all(systemFolders().map((folder) => without(folder, hidden)));
  return [layout.bin, ...folders];
}

const DOCKER_SOCKET = '/var/run/docker.sock';

/**
 * Files and folders, outside of the system's own, that an instance needs for what its PATH leads
 * to.
 */
export function programFiles(spec: MachineSpec, search: readonly string[]): readonly string[] {
  const given = Object.values(spec.programs ?? {}).flatMap((source) =>
    typeof source === 'object' ? [source.file, realpathSync(source.file)].map((file) => path.dirname(file)) : [],
  );
  const daemon = spec.programs?.docker === 'host' && existsSync(DOCKER_SOCKET) ? [realpathSync(DOCKER_SOCKET)] : [];
  const farms = search.filter((folder) => path.dirname(folder) === ownFolder());
  return [...new Set([process.execPath, __dirname, ...given, ...daemon, ...farms])];
}

/** /bin is /usr/bin on most systems: each place once. */
function systemFolders(): readonly string[] {
  const seen = new Set<string>();
  return SYSTEM_PATH.filter((folder) => {
    if (!existsSync(folder)) return false;
    const real = realpathSync(folder);
    return !seen.has(real) && seen.add(real);
  });
}

/**
 * The folder itself, or where it holds a hidden program, a folder of links to all the others in it,
 * which all instances share.
 */
async function without(folder: string, hidden: readonly string[]): Promise<string> {
  if (!hidden.some((name) => existsSync(path.join(folder, name)))) return folder;
  const names = readdirSync(folder).filter((name) => !hidden.includes(name));
  const digest = createHash('sha256')
    .update([folder, ...names].join('\0'))
    .digest('hex')
    .slice(0, 16);
  await makeOwnFolder();
  const farm = path.join(ownFolder(), digest);
  if (existsSync(farm)) return farm;
  const draft = await mkdtemp(`${farm}-`);
  await Promise.all(names.map((name) => symlink(path.join(folder, name), path.join(draft, name))));
  // Another sandbox may have been faster with the same links.
  await rename(draft, farm).catch(() => rm(draft, { recursive: true, force: true }));
  return farm;
}

function ownFolder(): string {
  return path.join(temporaryFolder(), `gitlab-spot-sandbox-${userInfo().uid}`);
}

/** A temporary folder that only this user can write to. */
async function makeOwnFolder(): Promise<void> {
  const folder = ownFolder();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await lstat(folder);
  if (uid !== userInfo().uid || (mode & 0o022) !== 0) throw new Error(`${folder} is not ours alone: remove it`);
}

/** The stand-ins are built beside the instance host. */
function standIn(name: ProgramName): string {
  const folder = name === 'docker' ? 'bin-instance' : 'bin';
  return path.join(__dirname, folder, name);
}
