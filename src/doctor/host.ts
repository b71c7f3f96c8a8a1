import { randomUUID } from 'node:crypto';
import { readFileSync, statfsSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { findProgram } from '../host/find-program';
import { makePrivate } from '../host/private-folder';
import { counted, plural } from '../plural';
import type { Settings } from '../settings/types';
import { foreignIn } from './access';
import { bad, good, warning, type Finding } from './finding';

/** What is asked of the host; tests hand in another one. */
export interface Host {
  readonly space: (folder: string) => Space;
  /** Writes a small file there and removes it. @throws the system's error */
  readonly tryToWrite: (folder: string) => void;
  readonly memoryBytes: () => number;
  /** The program's file, if PATH has it. */
  readonly find: (program: string) => string | undefined;
  readonly nodeVersion: string;
}

export interface Space {
  readonly freeBytes: number;
  /** Files that can still be made; undefined: the file system does not count them. */
  readonly freeFiles: number | undefined;
}

const MIB = 1024 * 1024;
/** A job's record and logs are small, but Pulumi's state and a runner's downloads come on top. */
const FEW_BYTES = 500 * MIB;
/** With less the next record may not fit. */
const HARDLY_ANY_BYTES = 20 * MIB;
const FEW_FILES = 10_000;
const HARDLY_ANY_FILES = 100;
/** One `up` with the real engine: node, CLI and provider (docs/adr/0010). */
const UP_BYTES = 480 * MIB;
/** Of one that only waits, beside others: what it does not share with them (docs/pulumi.md). */
const ACCEPTED_UP_BYTES = 175 * MIB;

export function realHost(searchPath: string): Host {
  return {
    space(folder) {
      const { bavail, bsize, ffree, files } = statfsSync(folder);
      return { freeBytes: bavail * bsize, freeFiles: files > 0 ? ffree : undefined };
    },
    tryToWrite(folder) {
      const file = path.join(folder, `.gitlab-spot-doctor-${randomUUID()}`);
      try {
        writeFileSync(file, Buffer.alloc(4096), { flag: 'wx', mode: 0o600 });
      } finally {
        try {
          unlinkSync(file);
        } catch {
          // It could not be made.
        }
      }
    },
    memoryBytes: memoryLimit,
    find: (program) => findProgram(program, searchPath),
    nodeVersion: process.versions.node,
  };
}

/** The container's limit, where there is one below the machine's memory. */
function memoryLimit(): number {
  try {
    const limit = Number(readFileSync('/sys/fs/cgroup/memory.max', 'utf8'));
    return Number.isFinite(limit) ? Math.min(limit, totalmem()) : totalmem();
  } catch {
    return totalmem();
  }
}

/** The state folder: there, ours with all that is in it, private, writable, with room. */
export function stateFolder({ stateDir }: Pick<Settings, 'stateDir'>, host: Host): Finding {
  const condition = 'state folder';
  try {
    makePrivate(stateDir);
  } catch (error) {
    return bad(
      condition,
      `${stateDir} can't be made (${codeOf(error)})`,
      'Make it for the user that gitlab-runner runs as, or set GITLAB_SPOT_STATE_DIR to another folder.',
    );
  }
  const space = spaceIn(condition, stateDir, host);
  if (space.state === 'bad') return space;
  const { mode, uid, gid } = statSync(stateDir);
  if ((mode & 0o077) !== 0)
    return warning(
      condition,
      `others may look into ${stateDir} (mode 0${(mode & 0o777).toString(8)})`,
      `Run \`chmod 700 ${stateDir}\`.`,
    );
  const foreign = foreignIn(stateDir);
  if (space.state === 'good' && foreign.length > 0)
    return warning(
      condition,
      `${foreign.slice(0, 3).join(', ')}${foreign.length > 3 ? ` and ${foreign.length - 3} more` : ''} in ${stateDir} can't be used by its owner (uid ${uid}): jobs fail, or make anew what is there`,
      `Run \`chown -RhH ${uid}:${gid} ${stateDir}\`, as root; the services of \`install.sh\` do so when they start.`,
    );
  return space;
}

/** Where the runner and Node put what lives for a moment. */
export function temporaryFolder(host: Host, folder = tmpdir()): Finding {
  return spaceIn('temporary folder', folder, host);
}

function spaceIn(condition: string, folder: string, host: Host): Finding {
  try {
    host.tryToWrite(folder);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOSPC' || code === 'EDQUOT')
      return bad(condition, `${folder} is full (${code})`, 'Free space or files in its file system.');
    return bad(
      condition,
      `nothing can be written to ${folder} (${code})`,
      'Give it to the user that gitlab-runner runs as (owner, mode, a file system that is not read-only).',
    );
  }
  const { freeBytes, freeFiles } = host.space(folder);
  const few = [
    ...(freeBytes < FEW_BYTES ? [`${Math.round(freeBytes / MIB)} MiB`] : []),
    ...(freeFiles !== undefined && freeFiles < FEW_FILES ? [counted(freeFiles, 'file (inode)', 'files (inodes)')] : []),
  ];
  if (few.length > 0) {
    const hardlyAny = freeBytes < HARDLY_ANY_BYTES || (freeFiles ?? Infinity) < HARDLY_ANY_FILES;
    const detail = `${folder} has only ${few.join(' and ')} free`;
    return (hardlyAny ? bad : warning)(condition, detail, 'Free some space in its file system.');
  }
  return good(condition, `${path.resolve(folder)}, ${(freeBytes / 1024 / MIB).toFixed(1)} GiB free`);
}

/** What the hooks, `gitlab-spot ssh` and the instances' helper need of this host, beside Pulumi. */
export function programs(settings: Pick<Settings, 'runnerHelper'>, host: Host): readonly Finding[] {
  const findings: Finding[] = [];
  const major = Number(host.nodeVersion.split('.')[0]);
  findings.push(
    major >= 22
      ? good('node', host.nodeVersion)
      : warning(
          'node',
          `${host.nodeVersion} works; Pulumi's SDK names 22 as its floor, and hooks start faster with it`,
          'Install Node.js 22 or newer when you can, then run `gitlab-spot register` again.',
        ),
  );
  const ssh = host.find('ssh');
  findings.push(
    ssh
      ? good('ssh client', ssh)
      : warning(
          'ssh client',
          'there is no `ssh` on PATH: jobs run without it, `gitlab-spot ssh` does not',
          'Install the OpenSSH client.',
        ),
  );
  if (settings.runnerHelper === 'host') {
    const runner = host.find('gitlab-runner');
    findings.push(
      runner
        ? good('gitlab-runner', runner)
        : warning(
            'gitlab-runner',
            'there is no gitlab-runner on PATH, so an image without one can have none from this host (GITLAB_SPOT_RUNNER_HELPER)',
            'Put it on PATH, or into the image that the profiles name.',
          ),
    );
  }
  return findings;
}

/**
 * Every instance that is being created holds memory of this host, and for a few seconds more one that
 * the cloud has accepted.
 */
export function memory({ limits }: Pick<Settings, 'limits'>, host: Host): Finding {
  const has = host.memoryBytes();
  const creating = limits.concurrentUps * UP_BYTES;
  const all = creating + limits.acceptedUps * ACCEPTED_UP_BYTES;
  const gib = (bytes: number): string => `${(bytes / 1024 / MIB).toFixed(1)} GiB`;
  const detail = `${gib(has)}; ${counted(limits.concurrentUps, 'instance')} created at a time ${plural(limits.concurrentUps, 'takes', 'take')} ${gib(creating)}, with ${counted(limits.acceptedUps, 'accepted one')} ${gib(all)}`;
  if (creating <= has / 2 && all <= has) return good('memory', detail);
  const setting = creating <= has / 2 ? 'GITLAB_SPOT_ACCEPTED_UPS' : 'GITLAB_SPOT_CONCURRENT_UPS';
  return warning('memory', detail, `Lower ${setting}: jobs then wait for a slot instead of memory.`);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
