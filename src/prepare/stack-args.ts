import type { Cloud, CloudImage } from '../cloud/types';
import type { JobStackArgs } from '../engine/types';
import { ConfigurationError } from '../errors';
import { executorCidrs } from '../host/own-addresses';
import type { Candidate } from '../placement/types';
import type { Profile, Settings } from '../settings/types';

export interface StackFacts {
  readonly stackName: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly profile: Profile;
  readonly image: CloudImage;
  readonly publicKey: string;
  readonly userData: string;
  /** The job's own timeout, and what SPOT_DEBUG_KEEP adds. */
  readonly lifeMs: number;
  readonly nowMs: number;
}

/** The stack of a job on that candidate. */
export function stackArgs(candidate: Candidate, facts: StackFacts, settings: Settings): JobStackArgs {
  const { profile, stackName, tags, image, publicKey, userData, lifeMs, nowMs } = facts;
  const { cloud, ssh, limits } = settings;
  if (profile.egress !== undefined && cloud.securityGroupId !== undefined)
    throw new ConfigurationError(`Profile ${profile.name} has egress rules, and all jobs share one security group`, {
      remedy:
        'Leave GITLAB_SPOT_SECURITY_GROUP_ID out, or write the rules into that group and take them out of the profile.',
    });
  return {
    stackName,
    tags,
    region: cloud.region,
    vpcId: cloud.vpcId,
    vSwitchId: candidate.vSwitchId,
    zoneId: candidate.zoneId,
    instanceType: candidate.instanceType,
    imageId: image.imageId,
    httpTokens: httpTokensOf(profile, image),
    disk: profile.disk,
    spot: spotOf(candidate, profile),
    internetBandwidthMbps: profile.internetBandwidthMbps,
    sshPort: ssh.port,
    ...(cloud.securityGroupId === undefined ? {} : { securityGroupId: cloud.securityGroupId }),
    executorCidr: cloud.securityGroupId === undefined ? executorCidrs(cloud) : [],
    egress: profile.egress,
    publicKey,
    userData,
    autoReleaseTime: releaseTime(nowMs, lifeMs + limits.releaseMarginMs),
  };
}

function spotOf(candidate: Candidate, profile: Profile): JobStackArgs['spot'] {
  if (candidate.market === 'on-demand') return { strategy: 'NoSpot', durationHours: 0 };
  const cap = profile.spot.maxPriceYuanPerHour;
  const durationHours = candidate.durationHours;
  if (!Number.isFinite(cap)) return { strategy: 'SpotAsPriceGo', durationHours };
  // The API takes three decimals; rounding up would be above the cap, and 2.01 * 1000 is 2009.99….
  return { strategy: 'SpotWithPriceLimit', priceLimitYuanPerHour: Math.floor(cap * 1000 + 1e-6) / 1000, durationHours };
}

/**
 * The API wants at least half an hour when it accepts the instance: the provider asks for up to ten
 * minutes where it is throttled, and makes group and key pair first.
 */
const SHORTEST_LIFE_MS = 45 * 60_000;
const MINUTE_MS = 60_000;

/**
 * `yyyy-MM-ddTHH:mm:00Z`: the cloud sets the seconds to 00, which must not bring it below the half
 * hour.
 */
export function releaseTime(nowMs: number, lifeMs: number): string {
  const at = Math.ceil((nowMs + Math.max(lifeMs, SHORTEST_LIFE_MS)) / MINUTE_MS) * MINUTE_MS;
  return new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/**
 * Hardened-only metadata takes user data and keys away from an image whose cloud-init is older than
 * 23.1 (v1), and guards little: our instances have no RAM role. So it is asked for where the image
 * says that it can, or the profile insists.
 */
export function httpTokensOf({ metadata }: Profile, { imdsSupport }: CloudImage): 'required' | 'optional' {
  return (metadata ?? (imdsSupport === 'v2' ? 'hardened' : 'optional')) === 'hardened' ? 'required' : 'optional';
}

/** The profile's image. @throws ConfigurationError when there is none. */
export async function imageOf(profile: Profile, cloud: Pick<Cloud, 'resolveImage'>): Promise<CloudImage> {
  const architecture = 'types' in profile.instances ? undefined : profile.instances.architecture;
  const image = await cloud.resolveImage(profile.image, architecture);
  if (image !== undefined) return image;
  const kind = architecture === undefined ? '' : ` of ${architecture}`;
  throw new ConfigurationError(
    `There is no image ${profile.image}${kind} in this region (profiles.${profile.name}.image)`,
    {
      remedy: `Build it with \`gitlab-spot image build ${profile.image}\`, or name another one in instances.yaml.`,
    },
  );
}
