import { digest } from '../placement/digest';
import type { Profile, Settings } from '../settings/types';

/**
 * All that page and settings say of how an instance is made, as a digest: a spare machine of
 * another shape is of another page. The image stands in it by its name; which one is the newest of
 * that name is asked apart.
 */
export function shapeOf(
  { instances, image, disk, spot, metadata, internetBandwidthMbps, zones, egress }: Profile,
  { cloud, ssh }: Pick<Settings, 'cloud' | 'ssh'>,
): string {
  const { region, vpcId, vSwitchIds, executorCidrs, usePublicAddress, securityGroupId } = cloud;
  const ofPage = { instances, image, disk, metadata, internetBandwidthMbps, zones, egress };
  const ofPrice = { cap: String(spot.maxPriceYuanPerHour), protectedHour: spot.protectedHour };
  const ofHost = {
    region,
    vpcId,
    vSwitchIds,
    executorCidrs,
    usePublicAddress,
    securityGroupId,
    port: ssh.port,
    user: ssh.user,
  };
  return digest(JSON.stringify({ ...ofPage, ...ofPrice, ...ofHost }));
}
