/**
 * What cloud-init does at first boot: keys, files and commands of the user data, with the
 * instance's folder in the place of `/`.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { appendFile, chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { utils } from 'ssh2';
import { generateKeyPair } from './keys';
import { journal, type Layout } from './layout';
import type { MachineContext } from './context';
import { parseUserData, type BootCommand, type UserData } from './user-data';

/** Folders that a boot command means as the instance's own when it names them. */
const REMAPPED = ['/etc', '/root', '/home', '/opt', '/srv', '/mnt', '/var', '/usr/local', '/run', '/tmp'];
const remappable = new RegExp(`(?<![\\w./$}-])(?:${REMAPPED.join('|')})(?=[/\\s"';:)&|]|$)`, 'gm');
/**
 * Programs that would change the host, not the instance: as boot commands they do nothing and
 * succeed.
 */
const HARMLESS = [
  'apt',
  'apt-get',
  'yum',
  'dnf',
  'systemctl',
  'service',
  'reboot',
  'poweroff',
  'shutdown',
  'hostnamectl',
  'sysctl',
  'mount',
  'useradd',
  'usermod',
  'sshd',
  'chown',
];

export interface BootContext extends MachineContext {
  /** Called when a boot command restarts the SSH server. */
  readonly onSshRestart: () => void;
}

/** The part before the SSH server starts. Returns the user data for `finishBoot`. */
export async function prepareBoot(context: BootContext): Promise<UserData> {
  const { spec, layout } = context;
  const userData = parseUserData(spec.userData);
  for (const complaint of userData.complaints) journal(layout, `cloud-init: ${complaint}`);
  const keys = [...spec.authorizedKeys, ...userData.authorizedKeys].map((key) => `${key.trim()}\n`);
  await writeFile(layout.authorizedKeys, keys.join(''), { mode: 0o600 });
  for (const command of userData.bootCommands) await runCommand(context, command);
  for (const file of userData.files) {
    const target = remap(file.path, layout);
    await mkdir(path.dirname(target), { recursive: true });
    await (file.append ? appendFile : writeFile)(target, file.content);
    await chmod(target, file.mode);
  }
  await writeHostKeys(layout, userData);
  return userData;
}

/**
 * The part that runs while the machine is already up: runcmd and scripts, in order. Never rejects.
 */
export async function finishBoot(context: BootContext, userData: UserData): Promise<void> {
  try {
    for (const command of [...userData.runCommands, ...userData.scripts]) await runCommand(context, command);
    await writeFile(path.join(context.layout.root, 'var/lib/cloud/instance/boot-finished'), '');
  } catch (error) {
    journal(context.layout, `cloud-init: ${(error as Error).message}`);
  }
}

/** Those of the user data, else one of its own: an instance never comes up without. */
async function writeHostKeys(layout: Layout, userData: UserData): Promise<void> {
  for (const [type, key] of Object.entries(userData.hostKeys)) {
    await writeFile(path.join(layout.hostKeys, `ssh_host_${type}_key`), key.endsWith('\n') ? key : `${key}\n`, {
      mode: 0o600,
    });
  }
  if ((await hostKeyFiles(layout)).length > 0) return;
  const pair = generateKeyPair();
  await writeFile(path.join(layout.hostKeys, 'ssh_host_ed25519_key'), pair.private, { mode: 0o600 });
  await writeFile(path.join(layout.hostKeys, 'ssh_host_ed25519_key.pub'), `${pair.public}\n`);
}

/** Private host key files, those that can be read as keys. */
export async function hostKeyFiles(layout: Layout): Promise<readonly string[]> {
  const names = (await readdir(layout.hostKeys)).filter((name) => /^ssh_host_.*_key$/.test(name)).sort();
  const usable: string[] = [];
  for (const name of names) {
    const file = path.join(layout.hostKeys, name);
    const parsed = utils.parseKey(await readFile(file));
    if (parsed instanceof Error) journal(layout, `${name} is no host key: ${parsed.message}`);
    else {
      await chmod(file, 0o600);
      usable.push(file);
    }
  }
  return usable;
}

/** An absolute path of the instance as a path of this machine. */
export function remap(file: string, layout: Layout): string {
  return path.join(layout.root, path.resolve('/', file));
}

async function runCommand(context: BootContext, command: BootCommand): Promise<void> {
  const { layout, namespaces, environment } = context;
  const inside = (word: string): string => word.replaceAll(remappable, (found) => layout.root + found);
  const interpreter = typeof command === 'string' ? /^#!\s*(\S+)/.exec(command)?.[1] : undefined;
  const argv =
    typeof command === 'string'
      ? [interpreter ?? '/bin/sh', await scriptFile(layout, inside(command))]
      : command.map(inside);
  const restarts = /\b(?:systemctl|service)\b.*\bsshd?\b/.test([command].flat().join(' '));
  const log = openSync(path.join(layout.root, 'var/log/cloud-init-output.log'), 'a');
  const [file, ...args] = namespaces.enter(argv, layout.root);
  const child = spawn(file, args, {
    cwd: '/',
    env: { ...environment, PATH: `${await harmlessFolder(layout)}:${environment['PATH'] ?? ''}` },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const code = await new Promise<number | null>((resolve) =>
    child.once('exit', resolve).once('error', () => resolve(-1)),
  );
  if (code !== 0)
    journal(layout, `cloud-init: a boot command failed (exit ${code}): ${JSON.stringify(command).slice(0, 80)}`);
  if (restarts) context.onSshRestart();
}

let scripts = 0;

async function scriptFile(layout: Layout, script: string): Promise<string> {
  const file = path.join(layout.root, 'var/lib/cloud', `script-${++scripts}`);
  await writeFile(file, script, { mode: 0o700 });
  return file;
}

async function harmlessFolder(layout: Layout): Promise<string> {
  const folder = path.join(layout.run, 'harmless');
  await mkdir(folder, { recursive: true });
  await Promise.all(HARMLESS.map((name) => writeFile(path.join(folder, name), '#!/bin/sh\nexit 0\n', { mode: 0o755 })));
  return folder;
}
