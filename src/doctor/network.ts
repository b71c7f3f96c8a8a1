import type { Account } from '../cloud/account';
import { isNotFound } from '../cloud/errors';
import type { Cloud } from '../cloud/types';
import { counted } from '../plural';
import type { CloudSettings, ProfilesPage } from '../settings/types';
import { bad, good, warning, type Finding } from './finding';

const REGION = 'region and VPC';

/** Who the credentials are. @throws what the cloud refuses */
export async function credentials(
  { region: name }: Pick<CloudSettings, 'region'>,
  account: Pick<Account, 'identity' | 'regions'>,
): Promise<Finding> {
  let identity: Awaited<ReturnType<Account['identity']>>;
  try {
    identity = await account.identity();
  } catch (error) {
    // The key is good, or it would have been refused for that.
    if (isNotFound(error) && error.code.startsWith('InvalidRegionId')) return noRegion(name, account);
    throw error;
  }
  const { arn, isRoot } = identity;
  if (!isRoot) return good('credentials', arn);
  return warning(
    'credentials',
    `${arn}: the account's own key may do everything and can't be limited`,
    'Make a RAM user or role with the policy that `gitlab-spot ram-policy` prints.',
  );
}

/** The region exists, and the VPC is in it. */
export async function region(
  { region: name, vpcId }: Pick<CloudSettings, 'region' | 'vpcId'>,
  account: Pick<Account, 'regions' | 'vpcs'>,
): Promise<Finding> {
  const condition = REGION;
  try {
    const vpcs = await account.vpcs(name);
    const vpc = vpcs.find((one) => one.vpcId === vpcId);
    if (vpc) return good(condition, `${name}, ${vpcId} (${vpc.cidrBlock})`);
    return bad(
      condition,
      `there is no VPC ${vpcId} in ${name}`,
      vpcs.length === 0
        ? 'The region has none: set ALICLOUD_REGION to the region of that VPC, or make a network with `gitlab-spot init --foundation`.'
        : `Set GITLAB_SPOT_VPC_ID to one of ${vpcs.map((one) => one.vpcId).join(', ')}, or ALICLOUD_REGION to the region of that VPC.`,
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return noRegion(name, account);
  }
}

async function noRegion(name: string, account: Pick<Account, 'regions'>): Promise<Finding> {
  const regions = await account.regions().catch(() => []);
  return bad(
    REGION,
    `there is no region ${name} for this account`,
    `Set ALICLOUD_REGION to one of ${regions.join(', ') || 'the account’s regions'}.`,
  );
}

/** The vSwitches that jobs may be put into have addresses for all jobs at the same time. */
export async function vSwitches(
  { region: name, vpcId, vSwitchIds }: Pick<CloudSettings, 'region' | 'vpcId' | 'vSwitchIds'>,
  cloud: Pick<Cloud, 'vSwitches'>,
  concurrency: number | undefined,
): Promise<readonly Finding[]> {
  const condition = 'vSwitches';
  const all = await cloud.vSwitches(vpcId);
  const missing = vSwitchIds.filter((id) => !all.some(({ vSwitchId }) => vSwitchId === id));
  if (missing.length > 0)
    return [
      bad(
        condition,
        `${vpcId} has no vSwitch ${missing.join(', ')}`,
        `Set GITLAB_SPOT_VSWITCH_IDS to some of ${all.map(({ vSwitchId }) => vSwitchId).join(', ') || '(it has none)'}, or leave it out.`,
      ),
    ];
  const used = vSwitchIds.length === 0 ? all : all.filter(({ vSwitchId }) => vSwitchIds.includes(vSwitchId));
  if (used.length === 0)
    return [
      bad(
        condition,
        `${vpcId} has no vSwitch in ${name}: no instance can be in it`,
        'Make one in each zone that sells your types, or a network with `gitlab-spot init --foundation`.',
      ),
    ];
  const findings: Finding[] = [];
  const named = (list: typeof used): string =>
    list.map(({ vSwitchId, zoneId }) => `${vSwitchId} in ${zoneId}`).join(', ');
  const full = used.filter(({ freeAddresses }) => freeAddresses === 0);
  const free = used.reduce((sum, { freeAddresses }) => sum + freeAddresses, 0);
  const remedy = 'Free addresses there, or add a vSwitch.';
  if (free === 0) return [bad(condition, `no vSwitch has a free address: ${named(full)}`, remedy)];
  if (full.length > 0) findings.push(warning(condition, `${named(full)} has no free address`, remedy));
  if (concurrency !== undefined && free < concurrency)
    findings.push(
      warning(
        condition,
        `${counted(free, 'free address is', 'free addresses are')} too few for ${concurrency} jobs at the same time`,
        remedy,
      ),
    );
  if (new Set(used.map(({ zoneId }) => zoneId)).size === 1)
    findings.push(
      warning(
        condition,
        `all are in ${used[0]!.zoneId}: jobs wait whenever that zone is sold out`,
        'Add a vSwitch in another zone.',
      ),
    );
  if (findings.length > 0) return findings;
  return [
    good(
      condition,
      used
        .map(({ vSwitchId, zoneId, freeAddresses }) => `${vSwitchId} in ${zoneId} (${freeAddresses} free)`)
        .join(', '),
    ),
  ];
}

/** Zones that a profile names, but where no vSwitch is. */
export function zonesOf(page: ProfilesPage, zoneIds: readonly string[]): readonly Finding[] {
  return Object.values(page.profiles).flatMap(({ name, zones }) => {
    const missing = zones.filter((zone) => !zoneIds.includes(zone));
    if (missing.length === 0) return [];
    const all = missing.length === zones.length;
    return (all ? bad : warning)(
      `zones of profile ${name}`,
      `there is no vSwitch in ${missing.join(', ')}`,
      `Add a vSwitch there, or take the zone out of profiles.${name}.zones.`,
    );
  });
}
