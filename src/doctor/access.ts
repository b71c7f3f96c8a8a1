import { lstatSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { bad, good, type Finding } from './finding';

/** Who a process runs as. */
export interface ProcessUser {
  readonly pid: number;
  readonly uid: number;
  readonly groups: readonly number[];
}

/** Where a gitlab-runner that was started without `--config` looks, as root. */
const DEFAULT_CONFIG = '/etc/gitlab-runner/config.toml';

/**
 * The gitlab-runner that runs here with this configuration: its hooks run as the same user.
 * Undefined: none does, or not in sight.
 */
export function runningRunner(configFile: string | undefined, proc = '/proc'): ProcessUser | undefined {
  for (const entry of readdirSync(proc)) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const words = readFileSync(path.join(proc, entry, 'cmdline'), 'utf8').split('\0');
      if (!/^gitlab-runner/.test(path.basename(words[0] ?? '')) || !words.includes('run')) continue;
      if ((configOf(words) ?? configIn(path.join(proc, entry, 'environ'))) !== configFile) continue;
      const status = readFileSync(path.join(proc, entry, 'status'), 'utf8');
      const numbers = (name: string): number[] =>
        (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').trim().split(/\s+/).filter(Boolean).map(Number);
      // Real, effective, saved, file system.
      const uid = numbers('Uid')[1];
      if (uid === undefined) continue;
      return { pid: Number(entry), uid, groups: [...numbers('Gid').slice(1, 2), ...numbers('Groups')] };
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

/** `--config FILE`, `-c FILE`, or both as one word with `=`. */
function configOf(words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => /^(--?config|-c)(=|$)/.test(word));
  return at < 0 ? undefined : words[at]!.includes('=') ? words[at]!.replace(/^[^=]*=/, '') : words[at + 1];
}

/** What a process's environment names, which another user can't read. */
function configIn(file: string): string {
  try {
    return /(?:^|\0)CONFIG_FILE=([^\0]+)/.exec(readFileSync(file, 'utf8'))?.[1] ?? DEFAULT_CONFIG;
  } catch {
    return DEFAULT_CONFIG;
  }
}

export interface Needed {
  readonly file: string;
  readonly access: 'read' | 'write';
}

/** `search` is a folder's own `x`. */
const BIT = { read: 4, write: 2, search: 1 } as const;

/**
 * Whether the runner's user gets at all that its hooks need.
 * @param me the user who asks, for words
 */
export function accessOf(runner: ProcessUser | undefined, needed: readonly Needed[], me: number): Finding {
  const condition = "the runner's user";
  if (!runner) return good(condition, 'no gitlab-runner of this host runs now; this command gets at all it needs');
  const who = `uid ${runner.uid} (gitlab-runner, pid ${runner.pid})`;
  const denied = needed.flatMap((one) => deniedAt(one, runner) ?? []);
  if (denied.length === 0)
    return good(
      condition,
      `${who} gets at settings, state, profiles and hooks${runner.uid === me ? '' : ', as you do'}`,
    );
  return bad(
    condition,
    `${who} can't ${denied.map(({ access, file }) => `${access} ${file}`).join(', ')}`,
    `Give them to that user (\`chown\`), or run \`gitlab-spot init\` and \`gitlab-spot doctor\` as it.`,
  );
}

/**
 * The first thing on the way to a file that the user may not pass. A file that is not there is
 * another condition's matter.
 */
function deniedAt({ file, access }: Needed, user: ProcessUser): { access: string; file: string } | undefined {
  if (user.uid === 0) return undefined;
  const parts = path.resolve(file).split(path.sep).slice(1);
  let at: string = path.sep;
  for (const part of parts) {
    const stats = statOf(at);
    if (!stats) return undefined;
    if (!may(stats, user, 'search')) return { access: 'search', file: at };
    at = path.join(at, part);
  }
  const stats = statOf(at);
  if (!stats || may(stats, user, access)) return undefined;
  return { access, file: at };
}

/**
 * Files in a folder that belong to another user, so that the folder's owner can't use them: a
 * command run as root has left them. Paths below the folder; a foreign folder is named without its
 * content.
 */
export function foreignIn(folder: string): readonly string[] {
  const { uid, gid } = statSync(folder);
  const owner = { uid, groups: [gid] };
  const foreign = (below: string): string[] =>
    namesIn(path.join(folder, below)).flatMap((name) => {
      const one = path.join(below, name);
      const stats = lstatSync(path.join(folder, one), { throwIfNoEntry: false });
      if (!stats) return [];
      const rights = stats.isDirectory() ? (['read', 'write', 'search'] as const) : (['read'] as const);
      if (stats.uid !== uid && !rights.every((right) => may(stats, owner, right))) return [one];
      return stats.isDirectory() ? foreign(one) : [];
    });
  return uid === 0 ? [] : foreign('');
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    // It has gone meanwhile, or is not for the eyes of who asks.
    return [];
  }
}

function may({ uid, gid, mode }: Stats, user: Pick<ProcessUser, 'uid' | 'groups'>, access: keyof typeof BIT): boolean {
  const shift = uid === user.uid ? 6 : user.groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & BIT[access]) !== 0;
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}
