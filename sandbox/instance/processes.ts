/**
 * Which processes belong to a machine, and how they end. A process may leave its session, its
 * parent and its environment behind, but not its resource limits: every process of a machine
 * inherits a value of RLIMIT_LOCKS (unused by Linux since 2.4.25) that no other machine has. The
 * same number stands in the environment, for kernels that don't show that limit.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A number that marks all processes of one machine: the same in each life of its directory. */
export type Marker = number;

const VARIABLE = 'SANDBOX_MACHINE';
const KILL_LIMIT_MS = 10_000;
const RESCAN_MS = 5;

/** The marker of the machine that lives in this directory, which must exist. */
export function markerOf(directory: string): Marker {
  const digest = createHash('sha256').update(realpathSync(directory)).digest();
  return 2 ** 48 + digest.readUIntBE(0, 6);
}

/** Environment that goes with the marker. */
export function markedEnvironment(marker: Marker): Record<string, string> {
  return { [VARIABLE]: String(marker) };
}

/**
 * The command line that runs `argv` with the marker, in a folder, or in `/` where that has gone. It
 * keeps pid, arguments and streams. dash and busybox name the limit -w, bash -x.
 */
export function markedCommand(marker: Marker, argv: readonly string[], folder = '/'): readonly [string, ...string[]] {
  const script = `ulimit -w ${marker} 2>/dev/null || ulimit -x ${marker} 2>/dev/null; cd "$0" 2>/dev/null || cd /; exec "$@"`;
  return ['/bin/sh', '-c', script, folder, ...argv];
}

/** Process ids that carry the marker; zombies, which nobody can end, are left out. */
export function markedProcesses(marker: Marker): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isMarked(pid, marker));
}

function isMarked(pid: number, marker: Marker): boolean {
  const limits = read(`/proc/${pid}/limits`);
  const limit = /^Max file locks\s+(\S+)/m.exec(limits)?.[1];
  const marked =
    limit === String(marker) ||
    (!/^\d+$/.test(limit ?? '') && read(`/proc/${pid}/environ`).split('\0').includes(`${VARIABLE}=${marker}`));
  return marked && !/^\d+ \(.*\) Z/s.test(read(`/proc/${pid}/stat`));
}

/** A process may end, or belong to somebody else, while we look at it. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/**
 * Ends every process with the marker (SIGKILL) and returns when there is none. Twice none, since a
 * parent may have ended just before it was looked at, and its child may have begun after the list
 * was read.
 * @throws Error when some can't be ended within 10 s
 */
export async function killMarked(marker: Marker): Promise<void> {
  const deadline = Date.now() + KILL_LIMIT_MS;
  for (let clean = 0; clean < 2;) {
    const pids = markedProcesses(marker);
    clean = pids.length === 0 ? clean + 1 : 0;
    for (const pid of pids) kill(pid);
    if (Date.now() > deadline) throw new Error(`processes ${pids.join(', ')} of the machine don't end after SIGKILL`);
    if (pids.length > 0) await delay(RESCAN_MS);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone by itself, or another user's: the next look tells.
  }
}
