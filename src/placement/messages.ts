import { unitOf } from '../currency';
import { ConfigurationError } from '../errors';
import type { Candidate, Rejected } from './types';
import type { Profile } from '../settings/types';

/** The profile's types, zones and price leave nothing now. */
class NoPool extends ConfigurationError {}

/** Says for each pool why it is not available. */
export function noCandidate(profile: Profile, rejected: readonly Rejected[]): NoPool {
  const reasons = rejected
    .slice(0, 6)
    .map((one) => `${one.instanceType} in ${one.zoneId} (${one.market}): ${one.reason}`);
  const more = rejected.length > 6 ? ` and ${rejected.length - 6} more` : '';
  return new NoPool(`No pool is available now for profile ${profile.name}: ${reasons.join('; ')}${more}`, {
    remedy: 'Run it again later, or give the profile more types or a higher maxPrice in instances.yaml.',
    retryable: true,
  });
}

/** A candidate as the job's log names it. */
export function described({
  instanceType,
  zoneId,
  market,
  priceYuanPerHour,
  onDemandYuanPerHour,
  diskYuanPerHour,
  currency,
  durationHours,
  reason,
}: Candidate): string {
  const disk = diskYuanPerHour === undefined ? '' : ` and ${diskYuanPerHour} for its disk`;
  const price = priceYuanPerHour === undefined ? 'price unknown' : `${priceYuanPerHour} ${unitOf(currency)}/h${disk}`;
  const beside = market === 'spot' && onDemandYuanPerHour !== undefined ? `, pay-as-you-go ${onDemandYuanPerHour}` : '';
  const kind = market === 'spot' ? `spot${durationHours === 1 ? ' with a protected hour' : ''}` : 'pay-as-you-go';
  return `${instanceType} in ${zoneId}, ${kind}, ${price}${beside} (${reason})`;
}
