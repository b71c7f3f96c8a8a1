import type { Account, QuotaValue } from '../cloud/account';
import { vcpuLimit } from '../placement/quota';
import { counted } from '../plural';
import type { Profile, ProfilesPage } from '../settings/types';
import { bad, good, warning, type Finding } from './finding';

export interface QuotaQuestion {
  readonly account: Pick<Account, 'quotas' | 'counts' | 'vcpus'>;
  readonly page: ProfilesPage;
  /** The types that each profile may take. */
  readonly typesOf: (profile: Profile) => readonly string[];
  /** All jobs are in one group: then the quota of groups is none of theirs. */
  readonly sharedGroup: boolean;
  /** Jobs at the same time; undefined: no runner configuration was found. */
  readonly concurrency: number | undefined;
}

const RAISE = 'Ask for more in the Quota Center of the console, or lower the runner’s concurrency.';
const GROUPS = 'security groups';
const SHARE = 'Or let all jobs share one: `gitlab-spot init --foundation --shared-group`.';

/** What the account may have, held against as many jobs as the runner takes. */
export async function quotas(question: QuotaQuestion): Promise<readonly Finding[]> {
  const { account, page, typesOf, sharedGroup, concurrency } = question;
  const profiles = Object.values(page.profiles);
  const types = [...new Set(profiles.flatMap(typesOf))];
  const [limits, counts, vcpus] = await Promise.all([
    account.quotas(),
    account.counts(),
    types.length === 0 ? new Map<string, number>() : account.vcpus(types),
  ]);
  return [
    ...profiles.flatMap((profile) => {
      const markets = [
        { name: 'spot', values: limits.spotVcpus, used: limits.usedSpotVcpus },
        ...(profile.spot.fallback === 'on-demand'
          ? [{ name: 'pay-as-you-go', values: limits.onDemandVcpus, used: limits.usedOnDemandVcpus }]
          : []),
      ];
      return markets.map((market) => vcpuQuota(profile, typesOf(profile), vcpus, market, concurrency));
    }),
    ...(sharedGroup ? [] : [countQuota(GROUPS, counts.securityGroups, limits.securityGroups, concurrency)]),
    countQuota('key pairs', counts.keyPairs, limits.keyPairs, concurrency),
  ];
}

interface Market {
  readonly name: string;
  readonly values: readonly QuotaValue[];
  readonly used: number | undefined;
}

/** By the type that has the most room: placement takes another one where a quota is used up. */
function vcpuQuota(
  profile: Profile,
  types: readonly string[],
  vcpus: ReadonlyMap<string, number>,
  { name, values, used = 0 }: Market,
  concurrency: number | undefined,
): Finding {
  const condition = `${name} vCPU quota of profile ${profile.name}`;
  const rooms = types.flatMap((type) => {
    const needed = vcpus.get(type);
    const limit = vcpuLimit(type, values);
    return needed === undefined || limit === undefined
      ? []
      : [{ type, needed, limit, jobs: Math.floor(limit / needed) }];
  });
  const best = rooms.sort((a, b) => b.jobs - a.jobs)[0];
  if (!best) return good(condition, 'the API does not tell it');
  const { type, needed, limit, jobs } = best;
  const detail = `${counted(limit, 'vCPU')}, ${used} in use; ${type} has ${needed}`;
  if (jobs === 0 || limit - used < needed)
    return bad(condition, `${detail}: ${jobs === 0 ? 'no' : 'no further'} job of the profile gets an instance`, RAISE);
  if (concurrency !== undefined && jobs < concurrency)
    return warning(
      condition,
      `${detail}: enough for ${counted(jobs, 'job')}, and the runner takes ${concurrency}`,
      RAISE,
    );
  return good(condition, detail);
}

/** Each job has one of its own. */
function countQuota(what: string, has: number, limit: number | undefined, concurrency: number | undefined): Finding {
  const condition = `quota of ${what}`;
  if (limit === undefined) return good(condition, `${has} are there; the API does not tell how many there may be`);
  const raise = what === GROUPS ? `${RAISE} ${SHARE}` : RAISE;
  const detail = `${has} of ${limit} are there`;
  if (has >= limit) return bad(condition, `${detail}: no job gets one`, `Remove ${what} that nobody uses. ${raise}`);
  if (concurrency !== undefined && limit - has < concurrency)
    return warning(condition, `${detail}, and the runner takes ${concurrency} jobs, each with one`, raise);
  return good(condition, detail);
}
