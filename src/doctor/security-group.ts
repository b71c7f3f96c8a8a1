import { isNotFound } from '../cloud/errors';
import type { Account, IngressRule } from '../cloud/account';
import { bad, good, warning, type Finding } from './finding';

export interface SharedGroup {
  readonly securityGroupId: string;
  readonly vpcId: string;
  /** Who is to get in. */
  readonly executorCidrs: readonly string[];
  readonly sshPort: number;
}

const REMEDY =
  '`gitlab-spot init --foundation --shared-group` makes one as it should be; without GITLAB_SPOT_SECURITY_GROUP_ID each job makes its own.';

/**
 * The one group of all jobs: jobs must not reach each other in it, this host must reach them, and
 * nobody else should.
 */
export async function securityGroup(
  { securityGroupId: id, vpcId, executorCidrs, sshPort }: SharedGroup,
  account: Pick<Account, 'securityGroup'>,
): Promise<readonly Finding[]> {
  const condition = 'security group';
  const group = await account.securityGroup(id).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  if (!group)
    return [bad(condition, `there is no security group ${id} in this region: no instance can be made`, REMEDY)];
  if (group.vpcId !== vpcId) return [bad(condition, `${id} is in ${group.vpcId}, and jobs are in ${vpcId}`, REMEDY)];
  const letsIn = ({ protocol, portRange, policy }: IngressRule): boolean =>
    policy === 'accept' && (protocol === 'ALL' || (protocol === 'TCP' && holds(portRange, sshPort)));
  const missing = executorCidrs.filter(
    (cidr) => !group.ingress.some((rule) => letsIn(rule) && covers(rule.cidr, cidr)),
  );
  const others = group.ingress.filter((rule) => rule.policy === 'accept' && !executorCidrs.includes(rule.cidr));
  const findings = [
    ...(group.innerAccess === 'drop'
      ? []
      : [
          bad(
            condition,
            `members of ${id} reach each other: a job reaches the others' instances`,
            `Set its inner access policy to Drop. ${REMEDY}`,
          ),
        ]),
    ...(missing.length === 0
      ? []
      : [
          bad(
            condition,
            `${id} has no rule that lets ${missing.join(', ')} in at port ${sshPort}: SSH would time out`,
            `Add the rule, or set GITLAB_SPOT_EXECUTOR_CIDR. ${REMEDY}`,
          ),
        ]),
    ...(others.length === 0
      ? []
      : [
          warning(
            condition,
            `${id} also lets in ${others.map(named).join(', ')}`,
            'Remove rules that jobs do not need.',
          ),
        ]),
  ];
  return findings.length > 0 ? findings : [good(condition, `${id}, of all jobs: they don't reach each other`)];
}

function named({ cidr, portRange, protocol }: IngressRule): string {
  return `${cidr === '' ? 'another group' : cidr} (${protocol} ${portRange})`;
}

/** `1/65535` is from the first to the second, -1/-1 every port. */
function holds(portRange: string, port: number): boolean {
  const [first = NaN, last = NaN] = portRange.split('/').map(Number);
  return portRange === '-1/-1' || (first <= port && port <= last);
}

/** IPv4 only: that of a rule within which the other lies. */
function covers(rule: string, wanted: string): boolean {
  if (rule === wanted) return true;
  const [outer, inner] = [rangeOf(rule), rangeOf(wanted)];
  return outer !== undefined && inner !== undefined && outer.first <= inner.first && inner.last <= outer.last;
}

function rangeOf(cidr: string): { readonly first: number; readonly last: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(cidr);
  if (!match) return undefined;
  const address = match.slice(1, 5).reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(match[5] ?? 32));
  const first = address - (address % size);
  return { first, last: first + size - 1 };
}
