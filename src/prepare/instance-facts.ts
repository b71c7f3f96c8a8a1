import { publicTrafficPrice } from '../cloud/list-prices';
import type { InstanceFacts } from '../jobs/types';
import { moneyOf } from '../billing/found-instance';
import type { Candidate } from '../placement';
import type { Profile, Settings } from '../settings/types';
import type { Launched } from './launch';

export interface FactsFrom {
  readonly candidate: Candidate;
  readonly answering: Pick<Launched, 'instanceId' | 'since' | 'address' | 'size'>;
  readonly profile: Profile;
  readonly settings: Pick<Settings, 'ssh'>;
  readonly hostPublicKey: string;
  readonly nowMs: number;
}

/** What the record keeps of an instance: where it is, whose key it has, and what it costs. */
export function instanceFacts(from: FactsFrom): InstanceFacts {
  const { candidate, answering, profile, settings, hostPublicKey, nowMs } = from;
  const { zoneId, vSwitchId, instanceType, market, durationHours, currency } = candidate;
  const cap = profile.spot.maxPriceYuanPerHour;
  const price = candidate.priceYuanPerHour ?? (Number.isFinite(cap) ? cap : 0);
  const trafficYuanPerGiB = publicTrafficPrice(profile.internetBandwidthMbps, currency);
  return {
    instanceId: answering.instanceId,
    address: answering.address,
    sshPort: settings.ssh.port,
    sshUser: settings.ssh.user,
    hostPublicKey,
    pool: { zoneId, vSwitchId, instanceType, market },
    priceYuanPerHour: price,
    onDemandYuanPerHour: candidate.onDemandYuanPerHour ?? price,
    ...(candidate.diskYuanPerHour === undefined ? {} : { diskYuanPerHour: candidate.diskYuanPerHour }),
    ...(trafficYuanPerGiB === undefined ? {} : { trafficYuanPerGiB }),
    ...moneyOf(currency),
    durationHours,
    ...(answering.size && { size: { ...answering.size, diskGiB: profile.disk.sizeGiB } }),
    createdAt: answering.since.toISOString(),
    readyAt: new Date(nowMs).toISOString(),
  };
}
