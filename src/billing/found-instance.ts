import type { Cloud, CloudInstance } from '../cloud/types';
import { TAG, type InstanceFacts } from '../jobs/types';

/** The instance that the cloud has under a stack's tag: its creator died before it could write down what it had made. */
export async function findInstance(
  stackName: string,
  cloud: Pick<Cloud, 'findInstances' | 'spotPrices' | 'madeAt'>,
): Promise<InstanceFacts | undefined> {
  return factsOf((await cloud.findInstances({ [TAG.stack]: stackName }))[0], cloud);
}

/** For the ledger: an instance that no record knows was paid for all the same, at today's price of its pool. */
export async function factsOf(
  instance: CloudInstance | undefined,
  cloud: Pick<Cloud, 'spotPrices' | 'madeAt'>,
): Promise<InstanceFacts | undefined> {
  if (!instance) return undefined;
  const { instanceId, instanceType, zoneId, market, durationHours } = instance;
  const [prices, madeAt] = await Promise.all([
    cloud.spotPrices(instanceType, durationHours).catch(() => []),
    cloud.madeAt(instanceId).catch(() => undefined),
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
    durationHours,
    createdAt,
    readyAt: createdAt,
  };
}
