/**
 * What all job stacks stand on: a VPC with a vSwitch in every zone that sells the wanted instance
 * types, a bucket for the jobs' cache and one for the stacks' state, and the role of the runner's
 * host. Made once, by `pulumi up --stack foundation` or `gitlab-spot init`.
 */
import * as alicloud from '@pulumi/alicloud';
import * as pulumi from '@pulumi/pulumi';
import { vSwitchCidr } from './cidr';
import { executorPolicy } from './ram-policy';
import { refuse } from './refusal';

export interface FoundationArgs {
  /** Prefix of all names. */
  readonly name: string;
  readonly region: string;
  /** Zones that sell none of these get no vSwitch. */
  readonly instanceTypes: readonly string[];
  readonly network: NetworkArgs;
  /**
   * Left out: no bucket. A name that is left out ends in the VPC's id: bucket names are shared by
   * all users of OSS.
   */
  readonly cache?: { readonly bucket?: string | undefined; readonly expireDays: number } | undefined;
  readonly state?:
    | {
        readonly bucket?: string | undefined;
        /**
         * Where the hosts reach OSS: within the region (default), or from elsewhere, which accounts
         * since March 2025 may not in mainland China.
         */
        readonly endpoint?: 'internal' | 'public' | undefined;
      }
    | undefined;
  /**
   * One group for all jobs, where a region's quota of groups is too small for one each
   * (docs/adr/0017); left out: each job makes its own.
   */
  readonly securityGroup?: { readonly executorCidr: readonly string[]; readonly sshPort: number } | undefined;
  /**
   * The role that the runner's host takes on; left out: none, the host then needs an access key.
   */
  readonly role?: { readonly images: boolean } | undefined;
}

export interface NetworkArgs {
  /** An existing VPC; left out: one is made. */
  readonly vpcId?: string | undefined;
  /**
   * Existing vSwitches by zone; where a wanted zone has none, one is made if `cidrBlock` is there
   * to carve it from.
   */
  readonly vSwitchIds?: Readonly<Record<string, string>> | undefined;
  /** A /16 of the VPC. Each zone gets its own /21 (2,044 instances). */
  readonly cidrBlock?: string | undefined;
  /** Only these zones. */
  readonly zones?: readonly string[] | undefined;
  /**
   * A way to the internet for instances without a public address; left out: none is made, for it
   * costs money by the hour.
   */
  readonly nat?: { readonly bandwidthMbps: number } | undefined;
}

export interface FoundationOutputs {
  readonly region: string;
  readonly vpcId: pulumi.Output<string>;
  /** By zone. */
  readonly vSwitchIds: Readonly<Record<string, pulumi.Output<string>>>;
  /** By which instances reach the internet. */
  readonly natAddress?: pulumi.Output<string>;
  /** GITLAB_SPOT_SECURITY_GROUP_ID. */
  readonly securityGroupId?: pulumi.Output<string>;
  readonly cacheBucket?: pulumi.Output<string>;
  readonly stateBucket?: pulumi.Output<string>;
  /** PULUMI_BACKEND_URL for the state bucket. */
  readonly backendUrl?: pulumi.Output<string>;
  /** For the runner's host: attach it to the instance, and set ALICLOUD_ECS_ROLE_NAME. */
  readonly roleName?: pulumi.Output<string>;
}

/**
 * Declares the foundation. Asks the cloud for its zones, so it is async.
 * @throws pulumi.RunError when the zones can't be listed, or none sells the wanted types
 */
export async function foundation(args: FoundationArgs): Promise<FoundationOutputs> {
  const provider = new alicloud.Provider('alicloud', { region: args.region });
  const options = { provider };
  const tags = { 'gitlab-spot': 'foundation' };

  const zones = await wantedZones(args, options);
  const network = declareNetwork(args, zones, tags, options);
  const natAddress = args.network.nat && declareNat(args, args.network.nat, network, tags, options);
  const bucket = (purpose: string, given: string | undefined) => given ?? bucketName(args.name, purpose, network.vpcId);
  const cacheBucket =
    args.cache && declareCache(bucket('cache', args.cache.bucket), args.cache.expireDays, tags, options);
  const stateBucket = args.state && declareState(bucket('state', args.state.bucket), tags, options);
  const securityGroupId =
    args.securityGroup && declareGroup(args.name, args.securityGroup, network.vpcId, tags, options);
  const roleName = args.role && declareRole(args, args.role, { cacheBucket, stateBucket }, options);
  // https://help.aliyun.com/en/oss/developer-reference/use-aws-sdks-to-access-oss
  const endpoint = `https://s3.oss-${args.region}${args.state?.endpoint === 'public' ? '' : '-internal'}.aliyuncs.com`;

  return {
    region: args.region,
    ...network,
    ...(natAddress && { natAddress }),
    ...(securityGroupId && { securityGroupId }),
    ...(cacheBucket && { cacheBucket }),
    ...(stateBucket && {
      stateBucket,
      backendUrl: pulumi.interpolate`s3://${stateBucket}?region=${args.region}&endpoint=${endpoint}`,
    }),
    ...(roleName && { roleName }),
  };
}

type Options = { readonly provider: alicloud.Provider };
type Tags = Readonly<Record<string, string>>;

/** Zones that sell at least one wanted type as a spot instance. */
async function wantedZones({ instanceTypes, network, region }: FoundationArgs, options: Options): Promise<string[]> {
  const { zones } = await alicloud
    .getZones({ instanceChargeType: 'PostPaid', spotStrategy: 'SpotAsPriceGo', enableDetails: true }, options)
    .catch((error: Error) => refuse(error.message));
  const selling = zones
    .filter(({ availableInstanceTypes }) => instanceTypes.some((type) => availableInstanceTypes.includes(type)))
    .map(({ id }) => id)
    .filter((zone) => network.zones === undefined || network.zones.includes(zone));
  if (selling.length === 0) {
    const among = network.zones === undefined ? '' : ` among ${network.zones.join(', ')}`;
    refuse(
      `no zone of ${region}${among} sells ${instanceTypes.join(', ')} as spot instances: name other types or another region`,
    );
  }
  return selling.sort();
}

function declareNetwork({ name, network }: FoundationArgs, zones: readonly string[], tags: Tags, options: Options) {
  const cidrBlock = network.cidrBlock ?? (network.vpcId === undefined ? DEFAULT_CIDR : undefined);
  const vpcId =
    network.vpcId === undefined
      ? new alicloud.vpc.Network('vpc', { vpcName: name, cidrBlock: cidrBlock ?? DEFAULT_CIDR, tags }, options).id
      : pulumi.output(network.vpcId);
  const vSwitchIds: Record<string, pulumi.Output<string>> = {};
  for (const zoneId of zones) {
    const existing = network.vSwitchIds?.[zoneId];
    if (existing !== undefined) vSwitchIds[zoneId] = pulumi.output(existing);
    else if (cidrBlock !== undefined) {
      vSwitchIds[zoneId] = new alicloud.vpc.Switch(
        zoneId,
        { vswitchName: `${name}-${zoneId}`, vpcId, zoneId, cidrBlock: vSwitchCidr(cidrBlock, zoneId), tags },
        options,
      ).id;
    }
  }
  if (Object.keys(vSwitchIds).length === 0) {
    refuse(
      `network.vpcId is set, but no vSwitch of it is in a zone that sells the wanted types (${zones.join(', ')}): ` +
        'name them in network.vSwitchIds, or give a free /16 of the VPC in network.cidrBlock',
    );
  }
  return { vpcId, vSwitchIds };
}

/**
 * One NAT gateway and one public address for all vSwitches: 0.034 USD an hour (some 180 yuan a
 * month), and traffic.
 */
function declareNat(
  { name }: FoundationArgs,
  { bandwidthMbps }: NonNullable<NetworkArgs['nat']>,
  { vpcId, vSwitchIds }: { vpcId: pulumi.Output<string>; vSwitchIds: Readonly<Record<string, pulumi.Output<string>>> },
  tags: Tags,
  options: Options,
): pulumi.Output<string> {
  const zones = Object.entries(vSwitchIds);
  const gateway = new alicloud.vpc.NatGateway(
    'nat',
    {
      natGatewayName: name,
      vpcId,
      vswitchId: zones[0]![1],
      natType: 'Enhanced',
      paymentType: 'PayAsYouGo',
      internetChargeType: 'PayByLcu',
      tags,
    },
    options,
  );
  const address = new alicloud.ecs.EipAddress(
    'nat',
    {
      addressName: name,
      bandwidth: String(bandwidthMbps),
      internetChargeType: 'PayByTraffic',
      paymentType: 'PayAsYouGo',
      tags,
    },
    options,
  );
  const bound = new alicloud.ecs.EipAssociation(
    'nat',
    { allocationId: address.id, instanceId: gateway.id, instanceType: 'Nat' },
    options,
  );
  for (const [zoneId, sourceVswitchId] of zones)
    new alicloud.vpc.SnatEntry(
      zoneId,
      { snatTableId: gateway.snatTableIds, sourceVswitchId, snatIp: address.ipAddress },
      // An entry is refused while its address is not bound, and holds it there until the entry is
      // gone.
      { ...options, dependsOn: [bound] },
    );
  return address.ipAddress;
}

/** Its members don't reach each other; the executor reaches all of them, at the SSH port alone. */
function declareGroup(
  name: string,
  { executorCidr, sshPort }: NonNullable<FoundationArgs['securityGroup']>,
  vpcId: pulumi.Input<string>,
  tags: Tags,
  options: Options,
): pulumi.Output<string> {
  const group = new alicloud.ecs.SecurityGroup(
    'jobs',
    { securityGroupName: `${name}-jobs`, vpcId, innerAccessPolicy: 'Drop', tags },
    options,
  );
  for (const cidrIp of executorCidr) {
    new alicloud.ecs.SecurityGroupRule(
      `ssh-${cidrIp}`,
      {
        securityGroupId: group.id,
        type: 'ingress',
        ipProtocol: 'tcp',
        portRange: `${sshPort}/${sshPort}`,
        cidrIp,
        nicType: 'intranet',
        policy: 'accept',
        priority: 1,
      },
      options,
    );
  }
  return group.id;
}

const DEFAULT_CIDR = '10.86.0.0/16';

function declareCache(bucket: pulumi.Input<string>, days: number, tags: Tags, options: Options): pulumi.Output<string> {
  const expire = {
    id: 'expire',
    enabled: true,
    prefix: '',
    expirations: [{ days }],
    abortMultipartUploads: [{ days: 1 }],
  };
  // A cache can be lost.
  return new alicloud.oss.Bucket('cache', { bucket, lifecycleRules: [expire], forceDestroy: true, tags }, options).id;
}

function declareState(bucket: pulumi.Input<string>, tags: Tags, options: Options): pulumi.Output<string> {
  return new alicloud.oss.Bucket(
    'state',
    {
      bucket,
      versioning: { status: 'Enabled' },
      serverSideEncryptionRule: { sseAlgorithm: 'AES256' },
      lifecycleRules: [
        {
          id: 'old-versions',
          enabled: true,
          prefix: '',
          // A checkpoint that was written over stays for a month.
          noncurrentVersionExpirations: [{ days: 30 }],
          // What was deleted leaves a marker, which each listing of the stacks would have to skip.
          expirations: [{ expiredObjectDeleteMarker: true }],
        },
      ],
      tags,
    },
    options,
  ).id;
}

/** Names are shared by all users of OSS; a VPC's id belongs to nobody else. */
function bucketName(name: string, purpose: string, vpcId: pulumi.Output<string>): pulumi.Output<string> {
  return vpcId.apply((id) => `${name}-${purpose}-${id.replace(/^vpc-/, '')}`);
}

function declareRole(
  { name }: FoundationArgs,
  { images }: NonNullable<FoundationArgs['role']>,
  buckets: {
    readonly cacheBucket: pulumi.Output<string> | undefined;
    readonly stateBucket: pulumi.Output<string> | undefined;
  },
  options: Options,
): pulumi.Output<string> {
  const role = new alicloud.ram.Role(
    'executor',
    {
      roleName: `${name}-executor`,
      description: 'Taken on by the host of gitlab-runner: creates and deletes job instances',
      assumeRolePolicyDocument: JSON.stringify({
        Version: '1',
        Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: ['ecs.aliyuncs.com'] } }],
      }),
    },
    options,
  );
  const policy = new alicloud.ram.Policy(
    'executor',
    {
      policyName: `${name}-executor`,
      description: 'The least that gitlab-spot can work with',
      policyDocument: pulumi.output(buckets).apply((scope) => JSON.stringify(executorPolicy({ ...scope, images }))),
    },
    options,
  );
  new alicloud.ram.RolePolicyAttachment(
    'executor',
    { roleName: role.roleName, policyName: policy.policyName, policyType: 'Custom' },
    options,
  );
  return role.roleName;
}
