/** The folders of a machine, and the environment its processes begin with. */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import type { MachineSpec } from './machine';
import { programPath } from './programs';

/** Absolute paths. `root` stands for `/` of the instance as far as that goes without a file system of its own. */
export interface Layout {
  readonly root: string;
  readonly home: string;
  readonly profileD: string;
  readonly hostKeys: string;
  readonly authorizedKeys: string;
  readonly bin: string;
  readonly temporary: string;
  /** Sockets, pipes and the like of this life only. */
  readonly run: string;
  /** What an administrator would find in the machine's journal. */
  readonly log: string;
}

/** The login shell, as /etc/passwd of a usual image has it. */
export const loginShell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

export function layoutOf(directory: string): Layout {
  const base = path.resolve(directory);
  const root = path.join(base, 'root');
  return {
    root,
    home: path.join(root, 'root'),
    profileD: path.join(root, 'etc/profile.d'),
    hostKeys: path.join(root, 'etc/ssh'),
    authorizedKeys: path.join(root, 'root/.ssh/authorized_keys'),
    bin: path.join(root, 'usr/local/bin'),
    temporary: path.join(root, 'tmp'),
    run: path.join(root, 'run'),
    log: path.join(base, 'machine.log'),
  };
}

/** Makes the folders, and the start-up files of a login shell. */
export async function furnish(layout: Layout): Promise<void> {
  await rm(layout.run, { recursive: true, force: true });
  const system = ['var/log', 'var/lib/cloud/instance'].map((folder) => path.join(layout.root, folder));
  for (const folder of [layout.profileD, layout.hostKeys, layout.bin, layout.temporary, layout.run, ...system]) {
    await mkdir(folder, { recursive: true });
  }
  await mkdir(path.dirname(layout.authorizedKeys), { recursive: true, mode: 0o700 });
  await writeFile(path.join(layout.home, '.profile'), profile);
  await writeFile(path.join(layout.home, '.bashrc'), bashrc);
}

/** /etc/profile of the host comes first and can't be left out; what it does to PATH is undone. */
const profile = `# The instance's own etc/profile, as far as a login shell reads it from here.
PATH=$SANDBOX_PATH
if [ -n "\${BASH_ENV-}" ]; then . "$BASH_ENV"; fi
for file in "$SANDBOX_ROOT"/etc/profile.d/*.sh; do
  if [ -r "$file" ]; then . "$file"; fi
done
unset file
`;

/** A bash that sshd starts for a command reads this file, even though it is neither a login shell nor interactive. */
const bashrc = 'if [ -n "${BASH_ENV-}" ]; then . "$BASH_ENV"; fi\n';

/** What every process of the instance finds, whoever starts it. Nothing of the host's own environment. */
export async function baseEnvironment(
  spec: MachineSpec,
  layout: Layout,
  user: string,
): Promise<Record<string, string>> {
  const search = await programPath(spec, layout);
  return {
    HOME: layout.home,
    USER: user,
    LOGNAME: user,
    SHELL: loginShell,
    PATH: search,
    TMPDIR: layout.temporary,
    SANDBOX_ROOT: layout.root,
    SANDBOX_PATH: search,
    SANDBOX_INSTANCE_ID: spec.instanceId,
    SANDBOX_METADATA_URL: spec.metadataUrl,
  };
}

/** Who may log in: the image's root, and the user who runs the sandbox. All act as that user. */
export function knownUsers(): readonly string[] {
  return ['root', userInfo().username];
}

/** Adds a line to the machine's journal; that must never stop a machine. */
export function journal(layout: Layout, line: string): void {
  appendFile(layout.log, `${new Date().toISOString()} ${line}\n`).catch(() => undefined);
}
