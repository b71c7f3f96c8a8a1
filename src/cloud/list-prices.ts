import { CNY, type Currency } from '../currency';

/**
 * List prices of what the cloud bills beside the instance, in yuan, for mainland regions of the
 * China site. They stand in where the account's own price can't be asked, and for estimates.
 * Sources, seen in November 2026 unless they say otherwise:
 *
 * - Disks, pay-as-you-go: an ESSD of PL1 is 0.0021 a GiB and hour (1 yuan a month); PL0, PL2 and
 *   PL3 are 0.5, 2 and 4 times that, as they
 *   count against storage capacity units (https://www.alibabacloud.com/help/en/scu/offset-rules-for-ebs). AutoPL without provisioned
 *   performance performs as PL1 and is taken at its price; ESSD Entry and ultra disks are 0.35 yuan a GiB and month.
 * - Outbound public traffic 0.8 a GiB; standard snapshots 0.12 a GiB and month (custom images are
 *   kept as snapshots); OSS standard storage
 *   0.12 a GB and month; a NAT gateway 0.245 an hour for the gateway alone (0.034 dollars).
 */

export interface Disk {
  /** `cloud_essd` … */
  readonly category: string;
  /** PL0 to PL3, of an ESSD; left out: PL1, as the API has it. */
  readonly performanceLevel?: string | undefined;
  readonly sizeGiB: number;
}

export interface HourlyPrice {
  readonly yuanPerHour: number;
  readonly currency: Currency;
}

const ESSD: Readonly<Record<string, number>> = { PL0: 0.00105, PL1: 0.0021, PL2: 0.0042, PL3: 0.0084 };
const OTHERS: Readonly<Record<string, number>> = {
  cloud_auto: 0.0021,
  cloud_essd_entry: 0.00049,
  cloud_efficiency: 0.00049,
  cloud_ssd: 0.0014,
};

/** Undefined: a kind that is not on the list. */
export function listPriceOf({ category, performanceLevel = 'PL1', sizeGiB }: Disk): HourlyPrice | undefined {
  const perGiB = category === 'cloud_essd' ? ESSD[performanceLevel] : OTHERS[category];
  return perGiB === undefined ? undefined : { yuanPerHour: Math.round(perGiB * sizeGiB * 1e6) / 1e6, currency: CNY };
}

const TRAFFIC_YUAN_PER_GIB = 0.8;
/**
 * What a GiB costs that an instance sends to the internet, yuan. Undefined: it has no public
 * address, or pays in another currency.
 */
export function publicTrafficPrice(internetBandwidthMbps: number, currency: Currency): number | undefined {
  return internetBandwidthMbps > 0 && currency === CNY ? TRAFFIC_YUAN_PER_GIB : undefined;
}

export const SNAPSHOT_YUAN_PER_GIB_MONTH = 0.12;
export const OBJECTS_YUAN_PER_GIB_MONTH = 0.12;
export const NAT_GATEWAY_YUAN_PER_HOUR = 0.245;
