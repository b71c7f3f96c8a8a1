import type { HostPlace } from '../cloud/host-place';
import type { VSwitch } from '../cloud/types';
import { isForbidden } from '../cloud/errors';
import type { CloudSettings, Profile } from '../settings/types';
import { good, warning, type Finding } from './finding';

const HOST = 'host and VPC';
const OUT = 'way out';

/**
 * Does this host reach instances by their private addresses? `place`: undefined: this host is no
 * instance of Alibaba Cloud.
 */
export function hostInVpc(
  place: HostPlace | undefined,
  { vpcId, region, usePublicAddress }: Pick<CloudSettings, 'vpcId' | 'region' | 'usePublicAddress'>,
): Finding {
  if (usePublicAddress) return good(HOST, 'instances are reached by public address (GITLAB_SPOT_PUBLIC_ADDRESS)');
  if (place === undefined)
    return warning(
      HOST,
      `this host is no instance of Alibaba Cloud, or its metadata service can't be asked: the private addresses of ${vpcId} must lead there (VPN or Express Connect)`,
      '`gitlab-spot doctor --instance` shows whether they do; otherwise set GITLAB_SPOT_PUBLIC_ADDRESS=true and GITLAB_SPOT_EXECUTOR_CIDR.',
    );
  if (place.vpcId === vpcId) return good(HOST, `this host is in ${vpcId}`);
  return warning(
    HOST,
    `this host is in ${place.vpcId} (${place.regionId}), and instances are made in ${vpcId} (${region}): they reach each other only where these two are connected`,
    `Set GITLAB_SPOT_VPC_ID=${place.vpcId} (\`gitlab-spot init --vpc ${place.vpcId}\`), or connect them (VPC peering or CEN).`,
  );
}

export interface WayOutFacts {
  readonly vpcId: string;
  /** Those that jobs may be put into. */
  readonly vSwitches: readonly VSwitch[];
  readonly profiles: readonly Pick<Profile, 'name' | 'internetBandwidthMbps'>[];
  /** By vSwitch: the address of a NAT gateway's SNAT entry. @throws what the cloud refuses */
  readonly waysOut: () => Promise<ReadonlyMap<string, string>>;
}

/** Can instances reach the internet, and if not, what will not work? */
export async function wayOut({ vpcId, vSwitches, profiles, waysOut }: WayOutFacts): Promise<Finding> {
  const inside = profiles.filter(({ internetBandwidthMbps }) => internetBandwidthMbps === 0);
  if (inside.length === 0) return good(OUT, 'each profile gives its instances a public address');
  let ways: ReadonlyMap<string, string>;
  try {
    ways = await waysOut();
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return warning(OUT, 'the NAT gateways may not be looked at, so it is unknown', error.remedy);
  }
  const closed = vSwitches.filter(({ vSwitchId }) => !ways.has(vSwitchId));
  if (closed.length === 0) return good(OUT, `through ${[...new Set(ways.values())].join(', ')} (NAT gateway)`);
  const where = closed.length === vSwitches.length ? vpcId : closed.map(({ vSwitchId }) => vSwitchId).join(', ');
  return warning(
    OUT,
    `no NAT gateway has a SNAT entry for ${where}, and ${inside.map(({ name }) => name).join(', ')} give${inside.length === 1 ? 's' : ''} no public address: ` +
      'instances there reach neither docker.io, github.com nor package servers of the internet; GitLab, OSS and the mirrors inside the VPC work',
    '`gitlab-spot init --foundation --nat` makes a way out (some 180 yuan a month, and traffic); or set internetBandwidthMbps in the profile, or use a proxy and mirrors inside the VPC.',
  );
}
