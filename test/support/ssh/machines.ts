import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What an instance's image may offer to the supervisor. */
export interface Userland {
  readonly name: string;
  /** For the machine's environment; empty: as this machine is. */
  readonly environment: Record<string, string>;
}

const TOOLS =
  'bash cat mkdir mkfifo mv rm head tail wc tr grep sleep dd env id seq ls kill ps touch date dirname chmod perl'.split(
    ' ',
  );

/** This machine's (GNU), busybox alone (no bash, no GNU), and one with bash as sh and no setsid but perl. */
export function userlands(): readonly Userland[] {
  return [{ name: 'GNU userland', environment: {} }, ...busybox(), ...withoutSetsid()];
}

function busybox(): readonly Userland[] {
  const binary = which('busybox');
  if (binary === undefined) return [];
  const folder = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-busybox-'));
  execFileSync(binary, ['--install', '-s', folder]);
  return [{ name: 'busybox', environment: { PATH: folder, SHELL: path.join(folder, 'sh') } }];
}

function withoutSetsid(): readonly Userland[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-tools-'));
  for (const tool of TOOLS) {
    const binary = which(tool);
    if (binary !== undefined) symlinkSync(binary, path.join(folder, tool));
  }
  symlinkSync(which('bash') ?? '/bin/bash', path.join(folder, 'sh'));
  return [{ name: 'bash as sh without setsid', environment: { PATH: folder } }];
}

function which(tool: string): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v "$0"', tool], { encoding: 'utf8' }).stdout.trim();
  return found.startsWith('/') ? found : undefined;
}
