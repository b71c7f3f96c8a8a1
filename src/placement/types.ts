import type { Pool } from '../job/types';
import type { Profile } from '../settings/types';

/** A pool with what is known of it now. Prices in yuan an hour. */
export interface Candidate extends Pool {
  /** What it would cost: the spot price now, or pay-as-you-go; undefined where it could not be asked. */
  readonly priceYuanPerHour: number | undefined;
  readonly onDemandYuanPerHour: number | undefined;
  /** Percent. */
  readonly interruptionRate: number | undefined;
  readonly stock: 'WithStock' | 'ClosedWithStock' | 'WithoutStock' | 'unknown';
  /** Why it stands where it stands, for the log and `gitlab-spot price`. */
  readonly reason: string;
}

export interface Placement {
  /** Best first; forbidden and too expensive ones left out. Never throws for a price or stock API that can't be asked: warns once. */
  candidates(
    request: PlacementRequest,
  ): Promise<{ readonly candidates: readonly Candidate[]; readonly warnings: readonly string[] }>;
  /** Remembered for a while, shared by all jobs of the host. */
  reportFailure(pool: Pool, code: string): Promise<void>;
}

export interface PlacementRequest {
  readonly profile: Profile;
  readonly timeoutMs: number;
  /** Pools this job already lost or failed on: last in the order; on-demand after the second loss. */
  readonly avoid: readonly Pool[];
  readonly losses: number;
}
