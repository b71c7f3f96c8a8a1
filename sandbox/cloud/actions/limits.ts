/**
 * What Alibaba Cloud's documentation of a parameter allows, where the parameter's type does not say
 * it. `says` is the documentation's own text (npm `@alicloud/ecs20140526` 7.11.6 and
 * `@alicloud/vpc20160428` 7.3.2); a test looks it up there. The codes of the refusals are
 * documented for some parameters only; the others answer InvalidParameter.
 */
import { ApiError } from '../server/errors';
import type { Nested } from '../server/parameters';
import type { Service } from './action';

export interface Limit {
  readonly service: Service;
  readonly action: string;
  /** `SystemDisk.Size` is a parameter in a group. */
  readonly parameter: string;
  readonly says: string;
  readonly allows: (value: Nested) => boolean;
  readonly code: string;
  /** Values that stand on both sides of the limit. */
  readonly good: Nested;
  readonly bad: Nested;
}

type Rule = Pick<Limit, 'allows' | 'good' | 'bad'>;

/** A list of so many entries, numbered (`Name.1`), as JSON, or with commas. */
function atMost(most: number): Rule {
  const list = (count: number): string[] => Array.from({ length: count }, (_, index) => `i-${index}`);
  return { allows: (value) => listed(value).length <= most, good: list(most), bad: list(most + 1) };
}

function listed(value: Nested): readonly Nested[] {
  if (Array.isArray(value)) return value as readonly Nested[];
  if (typeof value !== 'string') return [value];
  if (!value.startsWith('[')) return value.split(',');
  try {
    return JSON.parse(value) as string[];
  } catch {
    // The action itself says what is wrong with it.
    return [value];
  }
}

function within(least: number, most: number): Rule {
  const allows = (value: Nested): boolean => Number(value) >= least && Number(value) <= most;
  return { allows, good: String(most), bad: String(most + 1) };
}

function matching(pattern: RegExp, good: string, bad: string): Rule {
  return { allows: (value) => typeof value === 'string' && pattern.test(value), good, bad };
}

/** Letters of any script, digits and `:_.-`, from a letter on. */
const NAME = matching(/^(?!https?:\/\/)\p{L}[\p{L}\d_:.-]{1,127}$/u, `n${'a'.repeat(127)}`, '1-starts-with-a-digit');
const DESCRIPTION = matching(/^(?!https?:\/\/)[^]{2,256}$/, 'd'.repeat(256), 'd');
const VPC_DESCRIPTION = matching(/^(?!https?:\/\/)[^]{1,256}$/, 'd', 'd'.repeat(257));
const VPC_NAME = matching(/^(?!https?:\/\/)[^]{1,128}$/, 'v', 'v'.repeat(129));
const TOKEN = matching(/^[\x20-\x7e]{1,64}$/, 't'.repeat(64), 't'.repeat(65));

type Row = readonly [action: string, parameter: string, says: string, rule: Rule, code?: string];

const ECS: readonly Row[] = [
  ['DescribeInstanceTypes', 'InstanceTypes', 'Array length: 1 to 10', atMost(10)],
  ['DescribeInstanceTypes', 'InstanceTypeFamilies', 'Array length: 1 to 10', atMost(10)],
  ['DescribeInstanceTypes', 'MaxResults', 'Maximum value: 1600', within(1, 1600)],
  ['DescribeSpotAdvice', 'InstanceTypes', 'up to 10 instance types', atMost(10)],
  ['DescribeAccountAttributes', 'AttributeName', 'Valid values of N: 1 to 8', atMost(8)],
  ['DescribeInstances', 'InstanceIds', 'up to 100 instance IDs', atMost(100)],
  ['DescribeInstances', 'PrivateIpAddresses', 'up to 100 IP addresses', atMost(100)],
  ['DescribeInstanceStatus', 'InstanceId', 'Array length: 1 to 100', atMost(100)],
  ['DescribeInstanceStatus', 'PageSize', 'Valid values: 1 to 50', within(1, 50)],
  ['DescribeInstanceRamRole', 'InstanceIds', 'up to 50 instances', atMost(50)],
  ['DescribeInstanceMaintenanceAttributes', 'InstanceId', 'up to 100 instance IDs', atMost(100)],
  ['DescribeInstanceAttachmentAttributes', 'InstanceIds', 'up to 100 instance IDs', atMost(100)],
  ['DescribeDisks', 'DiskIds', 'up to 100 IDs', atMost(100)],
  ['DescribeNetworkInterfaces', 'NetworkInterfaceId', 'Valid values of N: 1 to 100', atMost(100)],
  ['DescribeKeyPairs', 'PageSize', 'Maximum value: 50', within(1, 50)],
  ['DescribeImages', 'PageSize', 'Maximum value: 100', within(1, 100)],
  ['DescribeSecurityGroups', 'SecurityGroupIds', 'up to 100 security group IDs', atMost(100)],
  ['DescribeSnapshots', 'SnapshotIds', 'up to 100 snapshot IDs', atMost(100)],
  ['DeleteKeyPairs', 'KeyPairNames', 'up to 100 SSH key pairs', atMost(100)],
  ['DeleteInstances', 'InstanceId', 'Array length: 1 to 100', atMost(100)],
  ['StopInstances', 'InstanceId', 'Array length: 1 to 100', atMost(100)],
  ['StartInstances', 'InstanceId', 'array length: 1 to 100', atMost(100)],
  ['TagResources', 'ResourceId', 'Array length: 1 to 50', atMost(50)],
  ['UntagResources', 'TagKey', 'up to 20 tag keys', atMost(20)],
  ['AuthorizeSecurityGroup', 'Permissions', 'Array length: 1 to 100', atMost(100)],
  ['RevokeSecurityGroup', 'Permissions', 'Array length: 0 to 100', atMost(100)],
  ['RunInstances', 'Amount', 'Valid values: 1 to 100', within(1, 100)],
  ['RunInstances', 'InternetMaxBandwidthOut', 'Valid values: 0 to 100', within(0, 100)],
  ['RunInstances', 'ClientToken', 'cannot exceed 64 characters', TOKEN],
  [
    'RunInstances',
    'SpotPriceLimit',
    'supports up to three decimal places',
    matching(/^\d+(\.\d{1,3})?$/, '0.125', '0.1255'),
    'InvalidSpotPriceLimit.FormatError',
  ],
  ['RunInstances', 'Description', 'must be 2 to 256 characters', DESCRIPTION],
  [
    'RunInstances',
    'InstanceName',
    'must be 2 to 128 characters',
    matching(/^(?!https?:\/\/)[\p{L}\d_:.[\],-]{2,128}$/u, 'job.1', 'a job'),
    'InvalidInstanceName.Malformed',
  ],
  ['CreateSecurityGroup', 'SecurityGroupName', 'must be 2 to 128 characters', NAME],
  ['CreateSecurityGroup', 'Description', 'must be 2 to 256 characters', DESCRIPTION],
  ['ImportKeyPair', 'KeyPairName', 'must be 2 to 128 characters', NAME, 'InvalidKeyPairName.Malformed'],
  ['CreateImage', 'ImageName', 'must be 2 to 128 characters', NAME, 'InvalidImageName.Malformed'],
  [
    'CreateImage',
    'ImageFamily',
    'cannot start with aliyun',
    matching(/^(?!aliyun|acs:|https?:)\p{L}[\p{L}\d_:.-]{1,127}$/u, 'ours', 'aliyun-ours'),
  ],
  ['CreateImage', 'Description', 'must be 2 to 256 characters', DESCRIPTION],
  ['DescribePrice', 'Amount', 'Valid values: 1 to 1000', within(1, 1000)],
];

const VPC: readonly Row[] = [
  ['DescribeVpcs', 'PageSize', 'Maximum value: **50**', within(1, 50)],
  ['DescribeVpcs', 'VpcId', 'up to 20 VPC IDs', atMost(20)],
  ['DescribeVSwitches', 'PageSize', 'Maximum value: **50**', within(1, 50)],
  ['DescribeNatGateways', 'PageSize', 'Maximum value: **50**', within(1, 50)],
  ['DescribeSnatTableEntries', 'PageSize', 'Maximum value: **50**', within(1, 50)],
  ['DescribeEipAddresses', 'PageSize', 'Maximum value: **100**', within(1, 100)],
  ['CreateVpc', 'VpcName', 'must be 1 to 128 characters', VPC_NAME],
  ['CreateVpc', 'Description', 'must be 1 to 256 characters', VPC_DESCRIPTION],
  ['CreateVSwitch', 'VSwitchName', 'must be 1 to 128 characters', VPC_NAME],
  ['TagResources', 'ResourceId', 'up to 50 resource IDs', atMost(50)],
];

const rows = (service: Service, all: readonly Row[]): Limit[] =>
  all.map(([action, parameter, says, rule, code = 'InvalidParameter']) => ({
    ...{ service, action, parameter, says, code },
    ...rule,
  }));

export const LIMITS: readonly Limit[] = [...rows('ecs', ECS), ...rows('vpc', VPC)];

/** Throws `ApiError` for the first parameter that is beyond what the documentation allows. */
export function checkLimits(service: Service, action: string, parameters: { readonly [name: string]: Nested }): void {
  for (const limit of LIMITS) {
    if (limit.service !== service || limit.action !== action) continue;
    const value = parameters[limit.parameter];
    if (value !== undefined && !limit.allows(value)) {
      const message = `The specified parameter "${limit.parameter}" is not valid: ${limit.says}.`;
      throw new ApiError(400, limit.code, message);
    }
  }
}
