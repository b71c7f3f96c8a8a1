import { millionths } from './money';
import type { LedgerEntry } from './types';

/** Sums over some entries. Money in yuan. */
export interface CostRow {
  readonly key: string;
  readonly jobs: number;
  /** Of `yuan`: for the time in which spare machines waited for a job. */
  readonly spareYuan: number;
  readonly hours: number;
  /** All of it. */
  readonly yuan: number;
  /** The part of it that was for disks. */
  readonly diskYuan: number;
  /** The same seconds at the pay-as-you-go price, with the same disks. */
  readonly onDemandYuan: number;
  readonly interrupted: number;
  /** Without those that were interrupted. */
  readonly failed: number;
  /** Of `yuan`: runs that failed or were interrupted. */
  readonly wasteYuan: number;
  /** One run on average; undefined: there is none. */
  readonly yuanPerRun: number | undefined;
  /** Median seconds from the job's start to a ready instance. */
  readonly readySeconds: number | undefined;
  /** Nineteen of twenty were ready by then. */
  readonly readyP95Seconds: number | undefined;
}

/** Sums of entries that are added one by one, oldest first: each is looked at once. */
export class Tally {
  /** What was spent on each day on which anything was. */
  readonly spends: { readonly day: string; yuan: number }[] = [];
  newest: LedgerEntry | undefined;
  private jobs = 0;
  private interrupted = 0;
  private failed = 0;
  private spareYuan = 0;
  private seconds = 0;
  private yuan = 0;
  private diskYuan = 0;
  private onDemandYuan = 0;
  private wasteYuan = 0;
  private readonly ready: number[] = [];

  /** @param day that its billing began, `2026-11-24` */
  add(entry: LedgerEntry, day: string): void {
    const { yuan, seconds, diskYuan = 0, onDemandYuanPerHour, readySeconds } = entry;
    const last = this.spends.at(-1);
    if (last?.day === day) last.yuan += yuan;
    else this.spends.push({ day, yuan });
    this.newest = entry;
    if (entry.spare) this.spareYuan += yuan;
    else this.jobs += 1;
    this.seconds += seconds;
    this.yuan += yuan;
    this.diskYuan += diskYuan;
    this.onDemandYuan += (seconds * onDemandYuanPerHour) / 3600 + diskYuan;
    if (isWaste(entry)) this.wasteYuan += yuan;
    if (entry.interrupted) this.interrupted += 1;
    else if (hasFailed(entry)) this.failed += 1;
    if (readySeconds !== undefined) this.ready.push(readySeconds);
  }

  row(key: string): CostRow {
    const { jobs, interrupted, failed, seconds, yuan, spareYuan } = this;
    const ready = Float64Array.from(this.ready).sort();
    return {
      key,
      jobs,
      spareYuan: millionths(spareYuan),
      hours: millionths(seconds / 3600),
      yuan: millionths(yuan),
      diskYuan: millionths(this.diskYuan),
      onDemandYuan: millionths(this.onDemandYuan),
      interrupted,
      failed,
      wasteYuan: millionths(this.wasteYuan),
      yuanPerRun: jobs === 0 ? undefined : millionths((yuan - spareYuan) / jobs),
      readySeconds: median(ready),
      readyP95Seconds: ready[Math.ceil(ready.length * 0.95) - 1],
    };
  }
}

/** All entries as one row. */
export function total(key: string, entries: readonly LedgerEntry[]): CostRow {
  const tally = new Tally();
  for (const entry of entries) tally.add(entry, entry.from.slice(0, 10));
  return tally.row(key);
}

/** Failed by its own fault, the machine's or the cloud's, or taken back: paid for in vain. */
export function isWaste(entry: LedgerEntry): boolean {
  return entry.interrupted || hasFailed(entry);
}

function hasFailed({ result }: LedgerEntry): boolean {
  return result === 'failed' || result === 'system-failure';
}

function median(sorted: Float64Array): number | undefined {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : sorted.length === 0
      ? undefined
      : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
