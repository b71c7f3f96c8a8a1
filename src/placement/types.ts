import type { Currency } from '../currency';
import type { Pool } from '../jobs/types';
import type { Profile } from '../settings/types';

/** What a pool costs an hour, in yuan, or what the account is billed in. */
export interface PoolPrice {
  /**
   * The instance alone: the spot price now, or pay-as-you-go; undefined where it could not be
   * asked.
   */
  readonly priceYuanPerHour: number | undefined;
  readonly onDemandYuanPerHour: number | undefined;
  /** The profile's disk on top; undefined where nobody knows. */
  readonly diskYuanPerHour: number | undefined;
  readonly currency: Currency;
}

/** A pool with what is known of it now. */
export interface Candidate extends Pool, PoolPrice {
  /** Percent. */
  readonly interruptionRate: number | undefined;
  readonly stock: StockLevel;
  /** Protected hours to ask for (SpotDuration). */
  readonly durationHours: 0 | 1;
  /** Why it stands where it stands, for the log and `gitlab-spot price`. */
  readonly reason: string;
}

export type StockLevel = 'WithStock' | 'ClosedWithStock' | 'WithoutStock' | 'unknown';

/** A pool that is not taken, and why: above the cap, sold out, zone not allowed. */
export interface Rejected extends Pool, PoolPrice {
  readonly interruptionRate: number | undefined;
  readonly stock: StockLevel;
  readonly reason: string;
}

export interface Ranking {
  /** Best first. */
  readonly candidates: readonly Candidate[];
  readonly rejected: readonly Rejected[];
  /** For the job's log, each once. */
  readonly warnings: readonly string[];
}

export interface Placement {
  /**
   * Best first; forbidden and too expensive ones left out. Never throws for a price or stock API
   * that can't be asked: warns.
   */
  candidates(request: PlacementRequest): Promise<Ranking>;
  /**
   * Remembered for a while, shared by all jobs of the host. `code`: the cloud's, or
   * `VanishedWhilePending`, `BootTimeout`, `Interrupted`.
   */
  reportFailure(pool: Pool, code: string): Promise<void>;
  /**
   * Remembered for the next try of the same job (its key: the job's name in its pipeline).
   * `confirmed`: the cloud itself has said that it took the instance, so other jobs avoid the pool
   * too; an instance's own word is a claim.
   */
  reportLoss(jobKey: string, pool: Pool, confirmed: boolean): Promise<void>;
}

export interface PlacementRequest {
  readonly profile: Profile;
  /** The job's own timeout, milliseconds. */
  readonly timeoutMs: number;
  /**
   * Names the job across GitLab's retries, which have ids of their own: server, pipeline and job
   * name.
   */
  readonly jobKey: string;
}

/** What the market says of one pool. */
export interface Quote {
  readonly zoneId: string;
  readonly instanceType: string;
  readonly spotYuanPerHour: number | undefined;
  readonly onDemandYuanPerHour: number | undefined;
  readonly interruptionRate: number | undefined;
  readonly spotStock: StockLevel;
  readonly onDemandStock: StockLevel;
}

export interface Zone {
  readonly zoneId: string;
  readonly vSwitchId: string;
  readonly freeAddresses: number;
}

/** A failure of the near past, or a loss of this job's earlier tries. */
export interface Failure {
  readonly pool: Pool;
  readonly code: string;
  readonly atMs: number;
  /**
   * The one before it, of an interruption: two in a short time say that a zone is being emptied.
   */
  readonly previousMs?: number | undefined;
}
