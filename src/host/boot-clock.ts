import * as z from 'zod/mini';
import { processStat, TICKS } from './process-owner';
import { textOf } from './text-of';

/**
 * A moment on the kernel's own clock: no step of the wall clock moves it, and no other boot has it.
 */
export interface BootTime {
  readonly bootId: string;
  /** Milliseconds since the kernel's start, exact to a hundredth of a second. */
  readonly upMs: number;
}

export const bootTimeSchema = z.object({ bootId: z.string(), upMs: z.number() });

/**
 * Now. Undefined where the kernel does not tell, or tells a container's own time (lxcfs), in which
 * other processes' starts are in the future.
 */
export function bootTime(proc = '/proc'): BootTime | undefined {
  const upMs = Math.round(Number(textOf(`${proc}/uptime`).split(' ')[0] || NaN) * 1000);
  const bootId = textOf(`${proc}/sys/kernel/random/boot_id`).trim();
  const startedMs = upMsOf(processStat('self', proc)?.startTicks);
  return bootId !== '' && startedMs !== undefined && startedMs <= upMs + 10 ? { bootId, upMs } : undefined;
}

/** When a process was started, on the same clock. Undefined: there is none. */
export function upMsOf(startTicks: string | undefined): number | undefined {
  return startTicks === undefined ? undefined : (Number(startTicks) / TICKS) * 1000;
}

/**
 * What became since of the processes of a moment: `before-boot`: the host, or the container that we
 * are in, was restarted, so none of them is alive. Process 1 tells: its PID namespace began with
 * it.
 */
export function idleSince(then: BootTime, now: BootTime, proc = '/proc'): { readonly ms: number } | 'before-boot' {
  // Where a mount hides other users' processes (hidepid), at least the kernel's own start counts.
  const firstMs = upMsOf(processStat(1, proc)?.startTicks) ?? 0;
  if (then.bootId !== now.bootId || then.upMs < firstMs) return 'before-boot';
  return { ms: Math.max(0, now.upMs - then.upMs) };
}
