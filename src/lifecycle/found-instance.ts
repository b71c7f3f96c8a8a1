import type { Cloud, CloudInstance } from '../cloud/types';
import { TAG, type InstanceFacts } from '../job/types';

/** The instance that the cloud has under a stack's tag: its creator died before it could write down what it had made. */
export async function findInstance(
  stackName: string,
  cloud: Pick<Cloud, 'findInstances' | 'spotPrices'>,
): Promise<InstanceFacts | undefined> {
  return factsOf((await cloud.findInstances({ [TAG.stack]: stackName }))[0], cloud);
}

/** For the ledger: an instance that no record knows was paid for all the same, at today's price of its pool. */
export async function factsOf(
  instance: CloudInstance | undefined,
  cloud: Pick<Cloud, 'spotPrices'>,
): Promise<InstanceFacts | undefined> {
  if (!instance) return undefined;
  const prices = await cloud.spotPrices(instance.instanceType, 0).catch(() => []);
  const price = prices.find(({ zoneId }) => zoneId === instance.zoneId);
  return {
    instanceId: instance.instanceId,
    address: '',
    sshPort: 0,
    sshUser: '',
    hostPublicKey: '',
    pool: { zoneId: instance.zoneId, vSwitchId: '', instanceType: instance.instanceType, market: 'spot' },
    priceYuanPerHour: price?.spotYuanPerHour ?? 0,
    onDemandYuanPerHour: price?.onDemandYuanPerHour ?? 0,
    createdAt: new Date(instance.createdAt).toISOString(),
    readyAt: new Date(instance.createdAt).toISOString(),
  };
}
