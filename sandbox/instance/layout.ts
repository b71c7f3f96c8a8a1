/** The folders of a machine. */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';

/**
 * Absolute paths. `root` stands for `/` of the instance as far as that goes without a file system
 * of its own.
 */
export interface Layout {
  /** All that the machine has on this machine's disk. */
  readonly base: string;
  /**
   * `/` of the instance, where it has a file system of its own: mount points, and what a job makes
   * beside them.
   */
  readonly fileSystem: string;
  readonly root: string;
  readonly home: string;
  readonly profileD: string;
  readonly hostKeys: string;
  readonly sshdConfig: string;
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
    base,
    fileSystem: path.join(base, 'fs'),
    root,
    home: path.join(root, 'root'),
    profileD: path.join(root, 'etc/profile.d'),
    hostKeys: path.join(root, 'etc/ssh'),
    sshdConfig: path.join(root, 'etc/ssh/sshd_config'),
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
  await symlink('../run', path.join(layout.root, 'var/run')).catch(() => undefined);
  await mkdir(path.dirname(layout.authorizedKeys), { recursive: true, mode: 0o700 });
  await writeFile(path.join(layout.home, '.profile'), profile);
  await writeFile(path.join(layout.home, '.bashrc'), bashrc);
  if (!existsSync(layout.sshdConfig)) await writeFile(layout.sshdConfig, sshdConfig);
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

/**
 * A bash that sshd starts for a command reads this file, even though it is neither a login shell
 * nor interactive.
 */
const bashrc = 'if [ -n "${BASH_ENV-}" ]; then . "$BASH_ENV"; fi\n';

/**
 * Of an image's, what boot commands look for; of it only AuthorizedKeysFile is read, by both kinds
 * of server.
 */
const sshdConfig = 'PasswordAuthentication no\nSubsystem sftp internal-sftp\n';

/** Who may log in: the image's root, and the user who runs the sandbox. All act as that user. */
export function knownUsers(): readonly string[] {
  return ['root', userInfo().username];
}

/** Adds a line to the machine's journal; that must never stop a machine. */
export function journal(layout: Layout, line: string): void {
  appendFile(layout.log, `${new Date().toISOString()} ${line}\n`).catch(() => undefined);
}
