import type { LossReason, StageResult } from '../jobs/types';
import type { JobUse } from '../jobs/use';

/**
 * One line of the ledger: one job's instance, once, or its time as a spare machine before that.
 * Crash-safe: appended when the stack is gone, keyed by stack name.
 */
export interface LedgerEntry {
  readonly version: 1;
  /** The time of an instance as a spare machine, which is no job's. */
  readonly spare?: boolean | undefined;
  readonly stack: string;
  readonly executorId: string;
  readonly server: string;
  readonly jobId: number;
  readonly attempt: number;
  readonly project: string;
  /** Left out: written before ids were kept, or not known. */
  readonly projectId?: number | undefined;
  readonly ref: string;
  readonly jobName: string;
  /** `login (user 7)`: the number is GitLab's own; `login (unverified)` without one. */
  readonly userLogin: string;
  readonly profile: string;
  readonly instanceId: string;
  readonly instanceType: string;
  readonly zoneId: string;
  readonly market: 'spot' | 'on-demand';
  /** What its amounts are in; left out: yuan. */
  readonly currency?: string | undefined;
  /** The instance alone, an hour, at launch; `yuan` follows the market after that. */
  readonly priceYuanPerHour: number;
  readonly onDemandYuanPerHour: number;
  /** ISO times: billing begins and ends. */
  readonly from: string;
  readonly to: string;
  /**
   * ISO time of this line: later than `to`, by days where the host was down. Left out: written before
   * it was kept.
   */
  readonly recordedAt?: string | undefined;
  readonly seconds: number;
  /** Instance and disk; not public traffic, which only the cloud's bill knows. */
  readonly yuan: number;
  /** The disk's part of `yuan`; left out: written before disks were counted, or not known. */
  readonly diskYuan?: number | undefined;
  /**
   * The instance had a public address: what it sent is billed on top, at this list price for a GiB.
   * Left out: it had none, or written before this was kept.
   */
  readonly trafficYuanPerGiB?: number | undefined;
  /** From prepare's start to SSH answering. */
  readonly readySeconds: number | undefined;
  readonly result: 'success' | 'failed' | 'system-failure' | 'canceled' | 'unknown';
  /** The stage that the job failed in; left out: it did not, or not known. */
  readonly failedStage?: Pick<StageResult, 'stage' | 'exitCode'> | undefined;
  /** How its instance was lost; left out: it was not, or not known. */
  readonly loss?: LossReason | undefined;
  readonly interrupted: boolean;
  /**
   * The cloud itself has told of the loss; false: the instance did, or its silence. Left out:
   * nothing was lost, or not known.
   */
  readonly confirmed?: boolean | undefined;
  /**
   * What the job used of its machine, as that said, within the machine's size. Left out: not told,
   * or written before it was asked.
   */
  readonly use?: JobUse | undefined;
  /**
   * Project and ref are GitLab's own word (true), or what the job's variables say. Left out: not
   * known.
   */
  readonly verified?: boolean | undefined;
}
