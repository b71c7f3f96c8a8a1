import { isForbidden } from '../cloud/errors';
import type { HostPlace } from '../cloud/host-place';
import type { VSwitch } from '../cloud/types';

/** Whether this host will reach the instances by private address. */
export function tellHowReached(
  place: HostPlace | 'unknown' | undefined,
  vpcId: string,
  say: (line: string) => void,
): void {
  if (place === 'unknown') return;
  if (place === undefined)
    return say(
      `Network: this host is no instance of Alibaba Cloud: the addresses of ${vpcId} must lead there (VPN), or set GITLAB_SPOT_PUBLIC_ADDRESS=true`,
    );
  say(
    place.vpcId === vpcId
      ? `Network: this host is in ${vpcId} too`
      : `Network: this host is in ${place.vpcId}: it reaches instances only where that is connected with ${vpcId} (VPC peering or CEN)`,
  );
}

/** Whether instances will reach the internet. */
export async function tellWayOut(
  waysOut: () => Promise<ReadonlyMap<string, string>>,
  vSwitches: readonly VSwitch[],
  say: (line: string) => void,
): Promise<void> {
  const ways = await waysOut().catch((error: unknown) => {
    // Whoever may make jobs need not be allowed to look at this.
    if (isForbidden(error)) return undefined;
    throw error;
  });
  if (ways === undefined || vSwitches.every(({ vSwitchId }) => ways.has(vSwitchId))) return;
  say(
    'Network: instances without a public address have no way to the internet there (no NAT gateway with a SNAT entry); ' +
      'see internetBandwidthMbps in docs/profiles.md, or run init with --foundation --nat',
  );
}
