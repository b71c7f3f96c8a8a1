import type { Quotas, QuotaValue } from '../cloud/account';
import type { Candidate, Ranking, Rejected } from './types';

/** What the account may have in the region, and has. */
export interface QuotaFacts {
  readonly limits: Quotas;
  readonly counts: { readonly securityGroups: number; readonly keyPairs: number };
  /** Of each type; one that is not known is left out. */
  readonly vcpus: ReadonlyMap<string, number>;
  /** All jobs are in one security group: none needs one of its own. */
  readonly sharedGroup: boolean;
}

/**
 * A ranking without the pools that the account's vCPU quota has no room for: the cloud would refuse
 * each of them, and a job would go on to the next.
 */
export function withinQuota({ candidates, rejected, ...rest }: Ranking, facts: QuotaFacts): Ranking {
  const left: Candidate[] = [];
  const refused: Rejected[] = [];
  for (const candidate of candidates) {
    const reason = noRoom(candidate, facts);
    if (reason === undefined) left.push(candidate);
    else refused.push({ ...candidate, reason });
  }
  return { ...rest, candidates: left, rejected: [...refused, ...rejected] };
}

/** Why no job of any profile would start: each needs a key pair and mostly a security group. */
export function quotaProblem({ limits, counts, sharedGroup }: QuotaFacts): string | undefined {
  const full = (what: string, has: number, limit: number | undefined): string | undefined =>
    limit !== undefined && has >= limit ? `the quota of ${what} is used up (${has} of ${limit} are there)` : undefined;
  const groups = sharedGroup ? undefined : full('security groups', counts.securityGroups, limits.securityGroups);
  return groups ?? full('key pairs', counts.keyPairs, limits.keyPairs);
}

function noRoom({ instanceType, zoneId, market }: Candidate, { limits, vcpus }: QuotaFacts): string | undefined {
  const [values, used = 0] =
    market === 'spot' ? [limits.spotVcpus, limits.usedSpotVcpus] : [limits.onDemandVcpus, limits.usedOnDemandVcpus];
  const needed = vcpus.get(instanceType);
  const limit = vcpuLimit(instanceType, values, zoneId);
  // A limit that the API does not tell is no obstacle.
  if (needed === undefined || limit === undefined || limit - used >= needed) return undefined;
  return `vCPU quota: ${used} of ${limit} in use`;
}

/**
 * A value for the type or its family counts before one for all; of several zones the best.
 * @param zoneId left out: of any zone
 */
export function vcpuLimit(instanceType: string, all: readonly QuotaValue[], zoneId?: string): number | undefined {
  const family = instanceType.split('.').slice(0, 2).join('.');
  const values = all.filter((one) => zoneId === undefined || one.zoneId === '' || one.zoneId === zoneId);
  const own = values.filter((one) => one.instanceType === instanceType || one.instanceType === family);
  const any = values.filter((one) => one.instanceType === '');
  const best = (own.length > 0 ? own : any).map(({ value }) => value);
  return best.length === 0 ? undefined : Math.max(...best);
}
