import { listPriceOf, type HourlyPrice } from '../cloud/list-prices';
import type { Cloud, CloudInstance } from '../cloud/types';
import { CNY, type Currency } from '../currency';
import { TAG, type InstanceFacts, type SpareOrigin } from '../jobs/types';

type PriceQuestions = Pick<Cloud, 'spotPrices' | 'madeAt' | 'systemDisk' | 'diskPrice'>;

export interface FoundInstance {
  readonly instance: InstanceFacts;
  /** It was made before the job. */
  readonly spare: SpareOrigin | undefined;
}

/**
 * The instance that the cloud has for a job: its creator died before it could write down what it
 * had made, or the disk was lost.
 */
export async function findInstance(
  stackName: string,
  cloud: Pick<Cloud, 'findInstances'> & PriceQuestions,
): Promise<FoundInstance | undefined> {
  const [own] = await cloud.findInstances({ [TAG.stack]: stackName });
  const found = own ?? (await cloud.findInstances({ [TAG.holder]: stackName }))[0];
  const instance = await factsOf(found, cloud);
  return instance && { instance, spare: found && spareOf(found) };
}

/** What the tags of an instance tell of its time as a spare machine. */
export function spareOf({ tags }: Pick<CloudInstance, 'tags'>): SpareOrigin | undefined {
  const { [TAG.stack]: stackName, [TAG.holder]: holder, [TAG.claimedAt]: claimedAt = '' } = tags;
  if (stackName === undefined || holder === undefined || Number.isNaN(Date.parse(claimedAt))) return undefined;
  return { stackName, claimedAt };
}

async function diskPriceOf(instanceId: string, cloud: PriceQuestions): Promise<HourlyPrice | undefined> {
  const disk = await cloud.systemDisk(instanceId);
  return disk && cloud.diskPrice(disk).catch(() => listPriceOf(disk));
}

/** What records and ledger say of the currency: nothing where it is yuan. */
export function moneyOf(currency: Currency | undefined): { readonly currency?: Currency } {
  return currency === undefined || currency === CNY ? {} : { currency };
}

/**
 * For the ledger: an instance that no record knows was paid for all the same, at today's price of
 * its pool.
 */
export async function factsOf(
  instance: CloudInstance | undefined,
  cloud: PriceQuestions,
): Promise<InstanceFacts | undefined> {
  if (!instance) return undefined;
  const { instanceId, instanceType, zoneId, market, durationHours } = instance;
  const [prices, madeAt, disk] = await Promise.all([
    cloud.spotPrices(instanceType, durationHours).catch(() => []),
    cloud.madeAt(instanceId).catch(() => undefined),
    diskPriceOf(instanceId, cloud).catch(() => undefined),
  ]);
  const price = prices.find((one) => one.zoneId === zoneId);
  const onDemandYuanPerHour = price?.onDemandYuanPerHour ?? 0;
  // Answers without the time must not keep the instance from being deleted.
  const createdAt = new Date(madeAt || instance.createdAt || Date.now()).toISOString();
  return {
    instanceId,
    address: '',
    sshPort: 0,
    sshUser: '',
    hostPublicKey: '',
    pool: { zoneId, vSwitchId: '', instanceType, market },
    priceYuanPerHour: market === 'spot' ? (price?.spotYuanPerHour ?? 0) : onDemandYuanPerHour,
    onDemandYuanPerHour,
    ...(disk && disk.currency === (price?.currency ?? disk.currency) ? { diskYuanPerHour: disk.yuanPerHour } : {}),
    ...moneyOf(price?.currency ?? disk?.currency),
    durationHours,
    createdAt,
    readyAt: createdAt,
  };
}
