import { CloudRefused, isForbidden } from './errors';
import type { Params, Rpc, Service } from './rpc';

/** An action that the credentials may not call. */
export interface MissingPermission {
  /** As a policy writes it: `ecs:RunInstances`. */
  readonly action: string;
  readonly refusal: CloudRefused;
}

/** Ids of things that never exist. */
const NO_INSTANCE = { InstanceId: 'i-00000000000000000000' };
const NO_GROUP = { SecurityGroupId: 'sg-00000000000000000000' };
const NO_VSWITCH = { VSwitchId: 'vsw-00000000000000000000' };
const SSH_RULE = { IpProtocol: 'tcp', PortRange: '22/22', SourceCidrIp: '127.0.0.1/32' };
const EGRESS_RULE = { IpProtocol: 'tcp', PortRange: '22/22', DestCidrIp: '127.0.0.1/32' };
const TYPE = { InstanceType: 'ecs.c7.xlarge' };
/** The tag without which the policy lets nothing be made. */
const TAGGED = { 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'job' };

/**
 * How each action is tried without changing anything: RAM decides before the API looks for what a
 * call is about, so a call for something that does not exist is refused as forbidden, or else as
 * not found. What would make something also has a value that the API does not take (or is a dry
 * run).
 */
const PROBES: Readonly<Record<string, Params>> = {
  'ecs:AuthorizeSecurityGroup': { ...NO_GROUP, ...SSH_RULE },
  'ecs:AuthorizeSecurityGroupEgress': { ...NO_GROUP, ...EGRESS_RULE },
  'ecs:CreateImage': { ...NO_INSTANCE, ImageName: 'gitlab-spot-doctor' },
  'ecs:CreateSecurityGroup': { VpcId: 'vpc-00000000000000000000', ...TAGGED },
  'ecs:DeleteImage': { ImageId: 'm-00000000000000000000' },
  'ecs:DeleteInstance': NO_INSTANCE,
  'ecs:DeleteKeyPairs': { KeyPairNames: '["gitlab-spot-doctor-none"]' },
  'ecs:DeleteSecurityGroup': NO_GROUP,
  'ecs:DeleteSnapshot': { SnapshotId: 's-00000000000000000000' },
  'ecs:DescribeAccountAttributes': { 'AttributeName.1': 'max-security-groups' },
  'ecs:DescribeAvailableResource': { DestinationResource: 'Zone' },
  'ecs:DescribeDisks': { PageSize: 1 },
  'ecs:DescribeImageFromFamily': { ImageFamily: 'gitlab-spot-doctor-none' },
  'ecs:DescribeImages': { ImageId: 'm-00000000000000000000' },
  'ecs:DescribeInstanceAttachmentAttributes': { InstanceIds: `["${NO_INSTANCE.InstanceId}"]` },
  'ecs:DescribeInstanceAttribute': NO_INSTANCE,
  'ecs:DescribeInstanceMaintenanceAttributes': { 'InstanceId.1': NO_INSTANCE.InstanceId },
  'ecs:DescribeInstanceRamRole': { InstanceIds: `["${NO_INSTANCE.InstanceId}"]` },
  'ecs:DescribeInstances': { InstanceIds: `["${NO_INSTANCE.InstanceId}"]` },
  'ecs:DescribeInstanceTypes': { 'InstanceTypes.1': TYPE.InstanceType },
  'ecs:DescribeKeyPairs': { PageSize: 1 },
  'ecs:DescribeNetworkInterfaces': { 'NetworkInterfaceId.1': 'eni-00000000000000000000' },
  'ecs:DescribePrice': { ResourceType: 'instance', ...TYPE, 'SystemDisk.Category': 'cloud_essd' },
  'ecs:DescribeRegions': {},
  'ecs:DescribeSecurityGroupAttribute': NO_GROUP,
  'ecs:DescribeSecurityGroups': { PageSize: 1 },
  'ecs:DescribeSnapshots': { PageSize: 1 },
  'ecs:DescribeSpotAdvice': { 'InstanceTypes.1': TYPE.InstanceType },
  'ecs:DescribeSpotPriceHistory': { NetworkType: 'vpc', ...TYPE },
  'ecs:DescribeUserData': NO_INSTANCE,
  'ecs:ImportKeyPair': { KeyPairName: 'gitlab-spot-doctor', PublicKeyBody: 'none', ...TAGGED },
  'ecs:ModifyInstanceAutoReleaseTime': NO_INSTANCE,
  'ecs:ModifyInstanceMetadataOptions': { ...NO_INSTANCE, HttpEndpoint: 'enabled', HttpTokens: 'required' },
  'ecs:ModifySecurityGroupPolicy': { ...NO_GROUP, InnerAccessPolicy: 'Drop' },
  'ecs:RevokeSecurityGroup': { ...NO_GROUP, ...SSH_RULE },
  'ecs:RevokeSecurityGroupEgress': { ...NO_GROUP, ...EGRESS_RULE },
  'ecs:RunInstances': {
    DryRun: true,
    ImageId: 'm-00000000000000000000',
    ...TYPE,
    ...NO_GROUP,
    ...NO_VSWITCH,
    ...TAGGED,
  },
  'ecs:StopInstance': NO_INSTANCE,
  'ecs:TagResources': { ResourceType: 'instance', 'ResourceId.1': NO_INSTANCE.InstanceId, ...TAGGED },
  'vpc:DescribeNatGateways': { PageSize: 1 },
  'vpc:DescribeSnatTableEntries': { NatGatewayId: 'ngw-00000000000000000000' },
  'vpc:DescribeVSwitchAttributes': NO_VSWITCH,
  'vpc:DescribeVSwitches': { PageSize: 1 },
  'vpc:DescribeVpcs': { PageSize: 1 },
};

/** Asked at the same time: the API throttles an account that asks for everything at once. */
const AT_ONCE = 4;

/** Whether it is known how to try this action. */
export function canProbe(action: string): boolean {
  return Object.hasOwn(PROBES, action);
}

/**
 * Tries each of these actions, in a way that changes nothing.
 * @throws CloudUnreachable, and CloudRefused where the credentials themselves are refused
 */
export async function missingPermissions(
  rpc: Pick<Rpc, 'call'>,
  actions: readonly string[],
): Promise<readonly MissingPermission[]> {
  const missing: MissingPermission[] = [];
  const left = actions.filter(canProbe);
  const worker = async (): Promise<void> => {
    for (let action = left.shift(); action !== undefined; action = left.shift()) {
      const [service, name] = action.split(':') as [Service, string];
      const refusal = await rpc.call(service, name, PROBES[action]!).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (isForbidden(refusal)) missing.push({ action, refusal });
      else if (refusal !== undefined && !(refusal instanceof CloudRefused)) throw refusal;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return missing.sort((a, b) => a.action.localeCompare(b.action));
}
