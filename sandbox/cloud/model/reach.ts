/**
 * Who may open a connection to whom, as security groups say it:
 * https://help.aliyun.com/zh/ecs/user-guide/overview-44. Members of a group reach each other unless
 * its inner access policy drops that; everything else needs a rule. Nothing here keeps loopback
 * addresses of the simulated instances apart: this tells what the real cloud would.
 */
import type { Instance, RegionState, SecurityGroup, SecurityGroupRule } from './records';

/** An address outside, or an instance. */
type Source = string;

export function reaches(region: RegionState, from: Source, toInstanceId: string, port: number): boolean {
  const target = region.instances.get(toInstanceId);
  if (!target) return false;
  const source = region.instances.get(from);
  const groups = target.securityGroupIds.flatMap((id) => region.securityGroups.get(id) ?? []);
  return groups.some((group) => isInside(group, source) || decide(group, source, from, port));
}

function isInside(group: SecurityGroup, source: Instance | undefined): boolean {
  return group.innerAccess === 'Accept' && (source?.securityGroupIds.includes(group.securityGroupId) ?? false);
}

/** The most important rule that speaks of it; of equals, one that drops. */
function decide(group: SecurityGroup, source: Instance | undefined, address: string, port: number): boolean {
  const [first] = group.rules
    .filter((rule) => rule.direction === 'ingress' && coversPort(rule, port) && isFrom(rule, source, address))
    .sort(
      (a, b) =>
        Number(a.priority) - Number(b.priority) || Number(a.policy === 'Accept') - Number(b.policy === 'Accept'),
    );
  return first?.policy === 'Accept';
}

function coversPort({ protocol, portRange }: SecurityGroupRule, port: number): boolean {
  if (protocol !== 'TCP' && protocol !== 'ALL') return false;
  const [from = 0, to = 0] = portRange.split('/').map(Number);
  return from === -1 || (from <= port && port <= to);
}

function isFrom(rule: SecurityGroupRule, source: Instance | undefined, address: string): boolean {
  if (rule.groupId !== '') return source?.securityGroupIds.includes(rule.groupId) ?? false;
  return holds(rule.cidr, source?.address ?? address);
}

function holds(cidr: string, address: string): boolean {
  const [network = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const number = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return network !== '' && Math.floor(number(network) / size) === Math.floor(number(address) / size);
}
