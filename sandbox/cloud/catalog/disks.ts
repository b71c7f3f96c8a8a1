/**
 * Disks: what a GiB costs an hour, pay-as-you-go, in mainland regions of the China site, in yuan.
 * PL1: 0.0021 (with 1 yuan a month by subscription), as a user of 2020 copied it from the console;
 * Alibaba's ClickHouse page of 2025 tells 0.00064 US dollars for two replicas, which is the same.
 * PL0, PL2 and PL3 are 0.5, 2 and 4 times PL1: so they count against storage capacity units
 * (https://www.alibabacloud.com/help/en/scu/offset-rules-for-ebs, June 2025) and so PolarDB prices
 * them. AutoPL without provisioned performance performs as PL1 does: ESTIMATED at its price. SSD
 * 0.0014: the same user of 2020. Ultra disks and ESSD Entry: ESTIMATED from 0.35 yuan a month.
 * `gitlab-spot price` asks the account's own prices.
 */

export type DiskCategory = 'cloud_essd' | 'cloud_essd_entry' | 'cloud_auto' | 'cloud_efficiency' | 'cloud_ssd';

export const DISK_CATEGORIES: readonly DiskCategory[] = [
  'cloud_essd',
  'cloud_auto',
  'cloud_essd_entry',
  'cloud_efficiency',
  'cloud_ssd',
];

const ESSD: Readonly<Record<string, number>> = { PL0: 0.00105, PL1: 0.0021, PL2: 0.0042, PL3: 0.0084 };
const OTHERS: Readonly<Record<string, number>> = {
  cloud_auto: 0.0021,
  cloud_essd_entry: 0.00049,
  cloud_efficiency: 0.00049,
  cloud_ssd: 0.0014,
};

/**
 * Yuan a GiB, outbound, by traffic; mainland regions (told beside the prices of 2020; AWAITS a look
 * at an account).
 */
export const TRAFFIC_YUAN_PER_GIB = 0.8;

export interface DiskShape {
  readonly category: string;
  /** Of an ESSD; the API's own default is PL1. */
  readonly performanceLevel: string;
  readonly sizeGiB: number;
}

/** Yuan an hour. */
export function diskYuanPerHour({ category, performanceLevel, sizeGiB }: DiskShape): number {
  const perGiB = category === 'cloud_essd' ? (ESSD[performanceLevel || 'PL1'] ?? 0) : (OTHERS[category] ?? 0);
  return perGiB * sizeGiB;
}

/**
 * The least size of a system disk, GiB. https://help.aliyun.com/document_detail/2679677.html
 * (RunInstances)
 */
export function leastSizeGiB({ category, performanceLevel }: Omit<DiskShape, 'sizeGiB'>): number {
  if (category === 'cloud_auto') return 1;
  if (category !== 'cloud_essd') return 20;
  return { PL0: 1, PL1: 20, PL2: 461, PL3: 1261 }[performanceLevel || 'PL1'] ?? 1;
}
