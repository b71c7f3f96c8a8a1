import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { processStat } from '../host/process-owner';
import { kill } from './cli';

/**
 * Ends the provider processes whose CLI was killed: each holds 250 MB for ever (pulumi.md). One is known by its name, by a session whose
 * leader, the CLI, has ended, and by our own backend in its environment, so that nobody else's is touched.
 *
 * @returns how many there were
 */
export function endOrphanedPlugins(backendUrl: string): number {
  const orphans = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isPlugin(pid) && leaderIsGone(pid) && belongsTo(pid, backendUrl));
  orphans.forEach((pid) => kill(pid, 'SIGKILL'));
  return orphans.length;
}

/** The program itself, or an interpreter that runs it. */
function isPlugin(pid: number): boolean {
  return zeroSeparated(`/proc/${pid}/cmdline`)
    .slice(0, 2)
    .some((argument) => path.basename(argument).startsWith('pulumi-resource-'));
}

function leaderIsGone(pid: number): boolean {
  const session = processStat(pid)?.session;
  if (session === undefined || session === pid) return false;
  const leader = processStat(session);
  return leader === undefined || leader.state === 'Z';
}

function belongsTo(pid: number, backendUrl: string): boolean {
  return zeroSeparated(`/proc/${pid}/environ`).includes(`PULUMI_BACKEND_URL=${backendUrl}`);
}

/** Empty for a process of somebody else, or one that has ended. */
function zeroSeparated(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\0');
  } catch {
    return [];
  }
}
