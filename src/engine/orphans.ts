import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { processStat } from '../host/process-owner';
import { kill } from './cli';

/**
 * Ends the provider processes whose CLI was killed: each holds 250 MB for ever (docs/pulumi.md).
 * One is known by its name, by a parent that is no CLI any more, and by our own backend in its
 * environment, so that nobody else's is touched.
 *
 * @returns how many there were
 */
export function endOrphanedPlugins(backendUrl: string): number {
  const orphans = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isPlugin(pid) && isOrphan(pid) && belongsTo(pid, backendUrl));
  orphans.forEach((pid) => kill(pid, 'SIGKILL'));
  return orphans.length;
}

function isPlugin(pid: number): boolean {
  return programsOf(pid).some((name) => name.startsWith('pulumi-resource-'));
}

/** Whoever inherits a process from a dead CLI, init or another, is no CLI. */
function isOrphan(pid: number): boolean {
  const parent = processStat(pid)?.parent;
  return parent !== undefined && !isCli(parent);
}

function isCli(pid: number): boolean {
  return programsOf(pid).some((name) => /^pulumi(\.\w+)?$/.test(name));
}

/** Whether that process is a CLI that was started for this stack. */
export function worksOn(pid: number, stackName: string): boolean {
  return isCli(pid) && zeroSeparated(`/proc/${pid}/cmdline`).includes(stackName);
}

/** The program itself, or an interpreter and what it runs. */
function programsOf(pid: number): string[] {
  return zeroSeparated(`/proc/${pid}/cmdline`)
    .slice(0, 2)
    .map((argument) => path.basename(argument));
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
