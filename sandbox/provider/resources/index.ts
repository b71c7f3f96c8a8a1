/** The resource types that this stand-in knows: those that stacks/ declares. */
import { bucket } from './bucket';
import { eipAddress, eipAssociation } from './eip';
import { instance } from './instance';
import { keyPair } from './key-pair';
import { natGateway, snatEntry } from './nat';
import { network } from './network';
import { ramPolicy, ramRole, ramRolePolicyAttachment } from './ram';
import type { ResourceType } from './resource';
import { securityGroup } from './security-group';
import { securityGroupRule } from './security-group-rule';
import { vSwitch } from './switch';

const all: readonly ResourceType[] = [
  ...[securityGroup, securityGroupRule, keyPair, instance],
  ...[natGateway, snatEntry, eipAddress, eipAssociation],
  ...[network, vSwitch, bucket, ramRole, ramPolicy, ramRolePolicyAttachment],
];

const byToken = new Map(all.map((type) => [type.token, type]));

/** @throws Error that says which types there are */
export function resourceType(token: string): ResourceType {
  const found = byToken.get(token);
  if (found === undefined) {
    const known = all.map((type) => type.token).join(', ');
    throw new Error(
      `resource type ${token} is not among those that this stand-in of the alicloud provider knows: ${known}`,
    );
  }
  return found;
}
