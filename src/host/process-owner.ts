import { readlinkSync } from 'node:fs';
import * as z from 'zod/mini';
import type { MarkerKind } from './marker';
import { textOf } from './text-of';

/**
 * Identifies the process that holds a lock, so that a dead holder is recognised however it died. A
 * pid alone is not enough: it is reused, soon after a reboot, and means another process in another
 * container. Linux only, like gitlab-runner's hosts.
 */
export interface ProcessOwner {
  readonly pid: number;
  /** Clock ticks from boot to the process's start (field 22 of /proc/PID/stat). */
  readonly startTicks: string;
  readonly bootId: string;
  readonly pidNamespace: string;
}

export const processOwnerSchema = z.object({
  pid: z.int(),
  startTicks: z.string(),
  bootId: z.string(),
  pidNamespace: z.string(),
});

/** Owners alone in a file, of which another process reads whether they are alive. */
export const ownerMarker: MarkerKind<ProcessOwner> = { version: 1, schema: processOwnerSchema };

let self: ProcessOwner | undefined;

export function thisProcess(): ProcessOwner {
  self ??= {
    pid: process.pid,
    startTicks: processStat(process.pid)?.startTicks ?? '',
    bootId: textOf('/proc/sys/kernel/random/boot_id').trim(),
    pidNamespace: link('/proc/self/ns/pid'),
  };
  return self;
}

export function isThisProcess({ pid, startTicks, bootId, pidNamespace }: ProcessOwner): boolean {
  const own = thisProcess();
  return pid === own.pid && startTicks === own.startTicks && bootId === own.bootId && pidNamespace === own.pidNamespace;
}

/** As an owner, for a child of ours. Undefined: it has ended. */
export function ownerOf(pid: number): ProcessOwner | undefined {
  const stat = processStat(pid);
  return stat && !stat.ended ? { ...thisProcess(), pid, startTicks: stat.startTicks } : undefined;
}

/**
 * `unknown`: it belongs to another container or another boot, whose processes can't be seen from
 * here.
 */
export function livenessOf(owner: ProcessOwner): 'alive' | 'dead' | 'unknown' {
  const here = thisProcess();
  if (owner.bootId !== here.bootId || owner.pidNamespace !== here.pidNamespace) return 'unknown';
  const stat = processStat(owner.pid);
  return stat && stat.startTicks === owner.startTicks && !stat.ended ? 'alive' : 'dead';
}

export interface ProcessStat {
  /**
   * It runs nothing any more: it waits for its parent (a zombie), or the kernel takes it apart, which
   * lets go of its locks before it is a zombie.
   */
  readonly ended: boolean;
  readonly parent: number;
  readonly session: number;
  readonly startTicks: string;
}

/**
 * Undefined: no such process. The name in parentheses may hold anything, so fields are counted from
 * its end.
 */
export function processStat(pid: number | 'self', proc = '/proc'): ProcessStat | undefined {
  const text = textOf(`${proc}/${pid}/stat`);
  if (text === '') return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    ended: fields[0] === 'Z' || (Number(fields[6]) & PF_EXITING) !== 0,
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTicks: fields[19]!,
  };
}

/** In a process's flags, from Linux's include/linux/sched.h. */
const PF_EXITING = 0x4;

/** Clock ticks a second, the same on every Linux that Node runs on. */
export const TICKS = 100;

/**
 * When a process was started, by the wall clock; exact to a second, and moved by each step of that
 * clock (boot-clock.ts is not).
 */
export function startedAtMs(startTicks: string, proc = '/proc'): number {
  const bootSeconds = Number(/^btime (\d+)$/m.exec(textOf(`${proc}/stat`))?.[1] ?? 0);
  return bootSeconds * 1000 + (Number(startTicks) / TICKS) * 1000;
}

/**
 * When the host was started, or the container that we are in, by the wall clock; exact to a second.
 * No process from before is alive. Process 1 tells: its PID namespace began with it.
 */
export function hostStartMs(proc = '/proc'): number {
  // Where a mount hides other users' processes (hidepid), at least the kernel's own start counts.
  return startedAtMs(processStat(1, proc)?.startTicks ?? '0', proc);
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
