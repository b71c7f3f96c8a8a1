import { sizeOf } from './machine-size';
import type { LedgerEntry } from './types';

/** A machine that is bought by the year. */
export interface YearlyMachine {
  readonly vcpu: number;
  readonly memoryGiB: number;
  readonly yuanPerYear: number;
}

export interface YearlyComparison {
  /** The machine, for these days. */
  readonly machineYuan: number;
  /** Runs that it could have done when they came. */
  readonly runs: number;
  readonly ofRuns: number;
  /** What these cost here. */
  readonly yuan: number;
}

/**
 * What one machine by the year could have done of these jobs: those that fit beside what it ran at
 * that moment, in vCPUs and memory. None with a GPU, and none whose size is not known. Nothing
 * waits: a job that does not fit when it comes is not its job.
 * @param entries oldest first
 */
export function yearlyComparison(
  entries: readonly LedgerEntry[],
  machine: YearlyMachine,
  days: number,
): YearlyComparison {
  const jobs = entries.filter(({ spare }) => !spare);
  let running: { readonly endMs: number; readonly vcpu: number; readonly memoryGiB: number }[] = [];
  let runs = 0;
  let yuan = 0;
  for (const entry of jobs) {
    const size = sizeOf(entry);
    if (!size || size.gpu || size.vcpu > machine.vcpu || size.memoryGiB > machine.memoryGiB) continue;
    const startMs = Date.parse(entry.from);
    running = running.filter(({ endMs }) => endMs > startMs);
    const vcpu = running.reduce((sum, one) => sum + one.vcpu, size.vcpu);
    const memoryGiB = running.reduce((sum, one) => sum + one.memoryGiB, size.memoryGiB);
    if (vcpu > machine.vcpu || memoryGiB > machine.memoryGiB) continue;
    running.push({ endMs: startMs + entry.seconds * 1000, vcpu: size.vcpu, memoryGiB: size.memoryGiB });
    runs += 1;
    yuan += entry.yuan;
  }
  return { machineYuan: (machine.yuanPerYear / 365) * days, runs, ofRuns: jobs.length, yuan };
}
