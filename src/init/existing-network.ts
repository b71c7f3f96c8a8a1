import type { NetworkArgs } from '../../stacks/foundation';
import { freeSixteen, sixteenAround } from '../../stacks/cidr';
import type { Vpc } from '../cloud/account';
import type { VSwitch } from '../cloud/types';
import { ConfigurationError } from '../errors';

/** As stacks/foundation.ts tags what it makes. */
export const isFoundation = (tags: Readonly<Record<string, string>>): boolean => tags['gitlab-spot'] === 'foundation';

/**
 * What the foundation uses of an existing VPC: its vSwitches, and an address range for one in each
 * zone that has none. vSwitches that the foundation made itself are left out: the stack must go on
 * declaring them, or it would delete them.
 * @throws ConfigurationError
 */
export function existingNetwork(vpc: Vpc, vSwitches: readonly VSwitch[]): NetworkArgs {
  if (isFoundation(vpc.tags))
    throw new ConfigurationError(`${vpc.vpcId} was made by a foundation`, {
      remedy: 'Pass --foundation without --vpc to bring it up to date, or --vpc alone to use it as it is.',
    });
  const own = vSwitches.find(({ tags }) => isFoundation(tags));
  const others = vSwitches.filter(({ tags }) => !isFoundation(tags));
  const cidrBlock = own
    ? sixteenAround(own.cidrBlock)
    : freeSixteen(
        vpc.cidrBlock,
        others.map((one) => one.cidrBlock),
      );
  if (cidrBlock === undefined && others.length === 0)
    throw new ConfigurationError(
      `${vpc.vpcId} (${vpc.cidrBlock}) has no vSwitch, and no free /16 for one in each zone`,
      {
        remedy: 'Make a vSwitch in the console, or leave --vpc out to have a VPC made.',
      },
    );
  return {
    vpcId: vpc.vpcId,
    vSwitchIds: Object.fromEntries(others.map((one) => [one.zoneId, one.vSwitchId])),
    cidrBlock,
  };
}
