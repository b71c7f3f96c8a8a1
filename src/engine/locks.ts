import { hostname } from 'node:os';
import { processStat, startedAtMs } from '../host/process-owner';
import { worksOn } from './orphans';

/**
 * A lock of the DIY backend, as the CLI names it when it refuses: `created by root@vm (pid 13228)
 * at 2026-11-24T13:14:21Z`.
 */
export interface StackLock {
  readonly host: string;
  readonly pid: number;
  readonly at: Date;
}

export function locksIn(text: string): StackLock[] {
  return [...text.matchAll(/created by \S*?@(\S+) \(pid (\d+)\) at (\S+)/g)].map((match) => ({
    host: match[1]!,
    pid: Number(match[2]),
    at: new Date(match[3]!),
  }));
}

/**
 * When a lock of another host counts as stale, since that host's processes can't be seen. No update
 * of a job's stack takes that long, the provider's own limits included.
 */
const FOREIGN_LIMIT_MS = 60 * 60_000;

/**
 * Whether the lock's owner is gone for certain: its process has ended, or its pid is another,
 * younger process by now.
 */
export function isStale(lock: StackLock, stackName: string, nowMs: number, host = hostname()): boolean {
  if (lock.host !== host) return nowMs - lock.at.getTime() > FOREIGN_LIMIT_MS;
  const stat = processStat(lock.pid);
  if (!stat || stat.ended) return true;
  // The wall clock is all that a lock tells, and a step of it makes its owner look younger than it
  // is.
  if (worksOn(lock.pid, stackName)) return false;
  // The lock's time is the CLI's clock; two seconds cover the rounding of boot time and ticks.
  return startedAtMs(stat.startTicks) > lock.at.getTime() + 2_000;
}
