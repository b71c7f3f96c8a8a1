/**
 * The ephemeral stack of one GitLab CI job: a security group (its own, unless a shared one is
 * named), a key pair, and the spot instance.
 *
 * The platform team may edit this file. It declares resources only; what differs from job to job
 * comes in as `JobStackArgs`. Try a change without a job: `pulumi preview --stack job-try` (see
 * index.ts and job.example.yaml).
 */
import * as alicloud from '@pulumi/alicloud';
import * as pulumi from '@pulumi/pulumi';

/** How the instance is billed. */
export interface JobSpotArgs {
  /**
   * SpotWithPriceLimit never pays more than `priceLimitYuanPerHour`; SpotAsPriceGo pays up to the
   * pay-as-you-go price; NoSpot is pay-as-you-go.
   */
  readonly strategy: 'SpotWithPriceLimit' | 'SpotAsPriceGo' | 'NoSpot';
  /** Three decimals at most. Used by SpotWithPriceLimit only. */
  readonly priceLimitYuanPerHour?: number | undefined;
  /**
   * 1: the cloud does not take the instance back in its first hour; 0: it may at any time, and is
   * about a tenth cheaper.
   */
  readonly durationHours: 0 | 1;
}

/** One way out of the instance. */
export interface JobEgressArgs {
  /** A network, such as `10.0.0.0/8`. */
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'all';
  /** `443/443`; `-1/-1`: all, of a protocol without ports. */
  readonly ports: string;
}

/** Everything that differs from job to job. */
export interface JobStackArgs {
  /** Also the name of the instance, the key pair and the security group. */
  readonly stackName: string;
  /**
   * Left out: the provider's own setting (ALICLOUD_REGION or `pulumi config set alicloud:region`).
   */
  readonly region?: string | undefined;
  readonly vpcId: string;
  readonly vSwitchId: string;
  /** The vSwitch decides the zone; when given, the cloud refuses a vSwitch of another one. */
  readonly zoneId?: string | undefined;
  readonly instanceType: string;
  readonly imageId: string;
  /**
   * required: the metadata service answers only those who ask for a token first; an image of kind
   * v1 then gets no user data.
   */
  readonly httpTokens?: 'required' | 'optional' | undefined;
  /** performanceLevel, of an ESSD: PL0 to PL3; left out, the API takes PL1. */
  readonly disk: {
    readonly category: string;
    readonly performanceLevel?: string | undefined;
    readonly sizeGiB: number;
  };
  readonly spot: JobSpotArgs;
  /** 0: no public address. */
  readonly internetBandwidthMbps: number;
  readonly sshPort: number;
  /**
   * The foundation's group, whose rule lets the executor in and outlives the jobs; left out: a
   * group and rules of the job's own.
   */
  readonly securityGroupId?: string | undefined;
  /**
   * Who may reach the SSH port, such as `['10.0.0.5/32']`; of a shared group its own rules say
   * that. Nobody else reaches anything.
   */
  readonly executorCidr: readonly string[];
  /**
   * What the instance may reach, beside name resolution and the metadata service; left out:
   * everything.
   */
  readonly egress?: readonly JobEgressArgs[] | undefined;
  /** OpenSSH line. The private half never comes here. */
  readonly publicKey: string;
  /**
   * Plain text, cloud-config or `#!` script. It carries the instance's host key: secret in the
   * state.
   */
  readonly userData: pulumi.Input<string>;
  readonly tags: Readonly<Record<string, string>>;
  /**
   * `yyyy-MM-ddTHH:mm:00Z`, at least 30 minutes ahead: the cloud releases the instance then,
   * whatever happens to us.
   */
  readonly autoReleaseTime: string;
}

/** The stack's outputs. `publicIp` is empty without internet bandwidth. */
export interface JobStackOutputs {
  readonly instanceId: pulumi.Output<string>;
  readonly privateIp: pulumi.Output<string>;
  readonly publicIp: pulumi.Output<string>;
}

/** Declares the stack. Call it inside a Pulumi program (inline or stacks/index.ts). */
export function jobStack(args: JobStackArgs): JobStackOutputs {
  const { stackName, tags } = args;
  // A provider of the stack's own writes the region into the state: whoever destroys it later needs
  // no setting for that.
  const options: pulumi.CustomResourceOptions =
    args.region === undefined ? {} : { provider: new alicloud.Provider('alicloud', { region: args.region }) };

  // Of a shared group nothing is declared here: a rule that jobs share would go with the first of
  // them to end.
  const groupId = args.securityGroupId ?? ownGroup(args, options);

  const key = new alicloud.ecs.KeyPair('job', { keyPairName: stackName, publicKey: args.publicKey, tags }, options);

  // Needs the group and the key, but not the rule: that is made while the instance boots.
  const instance = new alicloud.ecs.Instance(
    'job',
    {
      instanceName: stackName,
      instanceType: args.instanceType,
      imageId: args.imageId,
      vswitchId: args.vSwitchId,
      ...(args.zoneId === undefined ? {} : { availabilityZone: args.zoneId }),
      securityGroups: [groupId],
      keyName: key.keyPairName,
      systemDiskCategory: args.disk.category,
      ...(args.disk.performanceLevel === undefined ? {} : { systemDiskPerformanceLevel: args.disk.performanceLevel }),
      systemDiskSize: args.disk.sizeGiB,
      ...billing(args),
      internetMaxBandwidthOut: args.internetBandwidthMbps,
      // No RAM role: the metadata service has no credentials to find.
      httpTokens: args.httpTokens ?? 'optional',
      userData: pulumi.secret(args.userData).apply((text) => Buffer.from(text, 'utf8').toString('base64')),
      tags,
    },
    { ...options, additionalSecretOutputs: ['userData'], customTimeouts: { create: '5m' } },
  );

  return { instanceId: instance.id, privateIp: instance.privateIp, publicIp: instance.publicIp };
}

/** A group for each job: nobody else's end takes its rule away, and no other job is in it. */
function ownGroup(args: JobStackArgs, options: pulumi.CustomResourceOptions): pulumi.Output<string> {
  const group = new alicloud.ecs.SecurityGroup(
    'job',
    { securityGroupName: args.stackName, vpcId: args.vpcId, innerAccessPolicy: 'Drop', tags: args.tags },
    // The cloud refuses to delete a group until its instance is gone for good; the provider would
    // wait 10 minutes for that.
    { ...options, customTimeouts: { delete: '3m' } },
  );

  for (const cidrIp of args.executorCidr) {
    new alicloud.ecs.SecurityGroupRule(
      `ssh-${cidrIp}`,
      {
        securityGroupId: group.id,
        type: 'ingress',
        ipProtocol: 'tcp',
        portRange: `${args.sshPort}/${args.sshPort}`,
        cidrIp,
        nicType: 'intranet',
        policy: 'accept',
        priority: 1,
      },
      options,
    );
  }
  restrictEgress(group, args.egress, options);
  return group.id;
}

/**
 * Every instance needs these: name servers of the VPC, and the metadata service, which also tells
 * of an interruption.
 */
const ALWAYS: readonly JobEgressArgs[] = [
  { to: '100.100.2.136/32', protocol: 'udp', ports: '53/53' },
  { to: '100.100.2.138/32', protocol: 'udp', ports: '53/53' },
  { to: '100.100.2.136/32', protocol: 'tcp', ports: '53/53' },
  { to: '100.100.2.138/32', protocol: 'tcp', ports: '53/53' },
  { to: '100.100.100.200/32', protocol: 'tcp', ports: '80/80' },
];

/**
 * A group lets everything out by itself; a rule that drops, behind all others, makes the others
 * count. Answers go out in any case.
 */
function restrictEgress(
  group: alicloud.ecs.SecurityGroup,
  egress: JobStackArgs['egress'],
  options: pulumi.CustomResourceOptions,
): void {
  if (egress === undefined) return;
  const rule = (name: string, to: string, policy: 'accept' | 'drop', more: { ipProtocol: string; portRange: string }) =>
    new alicloud.ecs.SecurityGroupRule(
      // Two colons would end a name.
      `out-${name}`.replaceAll(':', '_'),
      {
        securityGroupId: group.id,
        type: 'egress',
        nicType: 'intranet',
        policy,
        priority: policy === 'accept' ? 1 : 100,
        ...(to.includes(':') ? { ipv6CidrIp: to } : { cidrIp: to }),
        ...more,
      },
      options,
    );
  const allowed = new Map([...ALWAYS, ...egress].map((one) => [`${one.protocol}-${one.ports}-${one.to}`, one]));
  for (const [name, { to, protocol, ports }] of allowed)
    rule(name, to, 'accept', { ipProtocol: protocol, portRange: ports });
  for (const everywhere of ['0.0.0.0/0', '::/0'])
    rule(`nothing-${everywhere}`, everywhere, 'drop', { ipProtocol: 'all', portRange: '-1/-1' });
}

function billing({ spot, autoReleaseTime }: JobStackArgs) {
  const payAsYouGo = { instanceChargeType: 'PostPaid', autoReleaseTime, spotStrategy: spot.strategy };
  switch (spot.strategy) {
    case 'NoSpot':
      return payAsYouGo;
    case 'SpotAsPriceGo':
      return { ...payAsYouGo, spotDuration: spot.durationHours };
    case 'SpotWithPriceLimit':
      return {
        ...payAsYouGo,
        spotDuration: spot.durationHours,
        ...(spot.priceLimitYuanPerHour === undefined ? {} : { spotPriceLimit: spot.priceLimitYuanPerHour }),
      };
  }
}
