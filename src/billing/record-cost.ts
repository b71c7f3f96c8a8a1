import { entriesOf, goneMs } from './cost';
import type { Ledger } from './ledger';
import type { Cloud, PricePoint } from '../cloud/types';
import type { JobRecord } from '../jobs/types';

export interface RecordCostDependencies {
  readonly ledger: Ledger;
  readonly cloud: Pick<Cloud, 'spotPriceHistory'>;
}

/**
 * When billing of the job's instance ended. The process that deleted it may have died before it saw
 * it go. An instance that was gone before anybody deleted it ended when it was lost, or at its
 * release time; at the latest now.
 */
export function goneAt(record: JobRecord): Date {
  if (record.phase === 'destroying' && record.goneAt === undefined && record.deletedAt !== undefined)
    return new Date(record.deletedAt);
  return new Date(goneMs(record) ?? Math.min(Date.now(), Date.parse(record.releaseAt ?? '') || Infinity));
}

/**
 * Writes what an instance cost into the ledger, at the prices that the cloud's own history has for
 * its life; where that can't be asked, at the price of its launch. Idempotent.
 */
export async function recordCost(
  record: JobRecord,
  end: Date,
  { ledger, cloud }: RecordCostDependencies,
): Promise<void> {
  if (record.phase === 'preparing' || record.instance === undefined) return;
  const { pool, durationHours = 1, createdAt } = record.instance;
  const time = { from: new Date(createdAt), to: end };
  const prices: readonly PricePoint[] =
    pool.market === 'spot' ? await cloud.spotPriceHistory(pool, durationHours, time).catch(() => []) : [];
  for (const entry of entriesOf(record, end, prices))
    await ledger.put({ ...entry, recordedAt: new Date().toISOString() });
}
