/** Which programs the image "has": an instance must not find the host's docker or gitlab-runner by accident. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import type { Layout } from './layout';
import type { MachineSpec, ProgramName } from './machine';

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const CONTROLLED: readonly ProgramName[] = ['docker', 'gitlab-runner'];

/** PATH of the instance; puts the stand-ins that the spec asks for into its usr/local/bin. */
export async function programPath(spec: MachineSpec, layout: Layout): Promise<string> {
  for (const name of CONTROLLED) {
    const link = path.join(layout.bin, name);
    await rm(link, { force: true });
    if (spec.programs?.[name] === 'stand-in') await symlink(standIn(name), link);
  }
  const hidden = CONTROLLED.filter((name) => spec.programs?.[name] !== 'host');
  const folders = await Promise.all(systemFolders().map((folder) => without(folder, hidden, layout)));
  return [layout.bin, ...folders].join(':');
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

/** The folder itself, or where it holds a hidden program, a folder of links to all the others in it. */
async function without(folder: string, hidden: readonly string[], layout: Layout): Promise<string> {
  if (!hidden.some((name) => existsSync(path.join(folder, name)))) return folder;
  const farm = path.join(layout.run, `bin${folder.replaceAll('/', '-')}`);
  await rm(farm, { recursive: true, force: true });
  await mkdir(farm, { recursive: true });
  const names = readdirSync(folder).filter((name) => !hidden.includes(name));
  await Promise.all(names.map((name) => symlink(path.join(folder, name), path.join(farm, name))));
  return farm;
}

/** The stand-ins are built beside the instance host. */
function standIn(name: ProgramName): string {
  return path.join(__dirname, 'bin-instance', name);
}
