/**
 * What the cloud remembers: plain records, kept in state.json. Times are milliseconds since 1970.
 */
import type { CloudDelays, Currency, Fault, Pool, Quotas, RamPolicy } from '../types';

export type Tags = Record<string, string>;

export interface Vpc {
  readonly vpcId: string;
  name: string;
  description: string;
  readonly cidrBlock: string;
  readonly isDefault: boolean;
  readonly routeTableId: string;
  readonly routerId: string;
  readonly createdAt: number;
  tags: Tags;
}

export interface VSwitch {
  readonly vSwitchId: string;
  readonly vpcId: string;
  readonly zoneId: string;
  name: string;
  description: string;
  readonly cidrBlock: string;
  readonly isDefault: boolean;
  readonly createdAt: number;
  /** Addresses taken by things that aren't simulated: a test's way to make a vSwitch full. */
  foreignAddresses: number;
  tags: Tags;
}

export interface NatGateway {
  readonly natGatewayId: string;
  readonly vpcId: string;
  readonly vSwitchId: string;
  readonly name: string;
  readonly description: string;
  readonly snatTableId: string;
  readonly forwardTableId: string;
  readonly createdAt: number;
  tags: Tags;
}

/** Whose traffic goes out by which address: a vSwitch's or a block's, the other is ''. */
export interface SnatEntry {
  readonly snatEntryId: string;
  readonly snatTableId: string;
  name: string;
  snatIp: string;
  readonly sourceVSwitchId: string;
  readonly sourceCidr: string;
}

export interface PublicAddress {
  readonly allocationId: string;
  readonly ipAddress: string;
  bandwidthMbps: number;
  readonly internetChargeType: string;
  name: string;
  description: string;
  /** A NAT gateway; '' for none. */
  boundTo: string;
  readonly createdAt: number;
  tags: Tags;
}

export interface SecurityGroupRule {
  readonly ruleId: string;
  readonly direction: 'ingress' | 'egress';
  readonly protocol: string;
  readonly portRange: string;
  readonly cidr: string;
  readonly ipv6Cidr: string;
  readonly groupId: string;
  readonly prefixListId: string;
  readonly policy: 'Accept' | 'Drop';
  readonly nicType: string;
  readonly priority: string;
  readonly description: string;
  readonly createdAt: number;
}

export interface SecurityGroup {
  readonly securityGroupId: string;
  readonly vpcId: string;
  name: string;
  description: string;
  readonly type: 'normal' | 'enterprise';
  innerAccess: 'Accept' | 'Drop';
  rules: SecurityGroupRule[];
  readonly createdAt: number;
  readonly resourceGroupId: string;
  tags: Tags;
}

export interface KeyPair {
  readonly name: string;
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly createdAt: number;
  readonly resourceGroupId: string;
  tags: Tags;
}

export interface Image {
  readonly imageId: string;
  name: string;
  description: string;
  family: string;
  /**
   * `system`: the cloud's own; `self`: made by this account; `others`: shared with it by another.
   */
  readonly owner: 'system' | 'self' | 'others';
  /** v1: its cloud-init reads the metadata service without tokens only. */
  imdsSupport: 'v1' | 'v2';
  readonly architecture: 'x86_64' | 'arm64';
  readonly osName: string;
  readonly platform: string;
  readonly sizeGiB: number;
  readonly createdAt: number;
  /** When CreateImage ends; in the past for all others. */
  readonly availableAt: number;
  readonly snapshotId: string;
  readonly sourceInstanceId: string;
  tags: Tags;
}

/**
 * What an image's disk is made from. Deleting the image leaves it, and it goes on costing money.
 */
export interface Snapshot {
  readonly snapshotId: string;
  readonly name: string;
  readonly sourceDiskId: string;
  readonly sizeGiB: number;
  readonly createdAt: number;
  readonly availableAt: number;
  tags: Tags;
}

export interface Disk {
  readonly diskId: string;
  name: string;
  readonly type: 'system' | 'data';
  readonly category: string;
  readonly performanceLevel: string;
  readonly sizeGiB: number;
  readonly device: string;
  tags: Tags;
}

export type InstanceStatus = 'Pending' | 'Starting' | 'Running' | 'Stopping' | 'Stopped';

export interface Instance {
  readonly instanceId: string;
  name: string;
  readonly hostName: string;
  description: string;
  readonly imageId: string;
  readonly instanceType: string;
  readonly zoneId: string;
  readonly vpcId: string;
  readonly vSwitchId: string;
  securityGroupIds: string[];
  readonly keyPairName: string;
  /** As sent: base64, '' for none. */
  userData: string;
  readonly chargeType: 'PostPaid' | 'PrePaid';
  readonly spotStrategy: 'NoSpot' | 'SpotWithPriceLimit' | 'SpotAsPriceGo';
  readonly spotPriceLimit: number;
  readonly spotDuration: number;
  readonly spotInterruptionBehavior: 'Terminate' | 'Stop';
  /** Yuan an hour, at launch. */
  readonly priceYuanPerHour: number;
  readonly internetMaxBandwidthOut: number;
  readonly internetChargeType: string;
  ramRoleName: string;
  deletionProtection: boolean;
  metadata: { httpEndpoint: string; httpTokens: string; hopLimit: number };
  readonly disks: Disk[];
  readonly networkInterfaceId: string;
  readonly macAddress: string;
  /** The machine's loopback address. */
  readonly address: string;
  readonly resourceGroupId: string;
  readonly createdAt: number;
  tags: Tags;
  networkInterfaceTags: Tags;

  status: InstanceStatus;
  /** When the present status ends by itself; undefined: it stays. */
  statusEndsAt: number | undefined;
  /** What Stopping leads to. */
  stopsFor: 'release' | 'stop';
  /** A late shortage: the instance disappears instead of Starting. */
  readonly vanishesWhilePending: boolean;
  /** When the SSH port is to answer; undefined: it does, or the instance doesn't run. */
  machineStartsAt: number | undefined;
  runningAt: number | undefined;
  autoReleaseAt: number | undefined;
  /** The cloud takes it back: since when it says so, and when the instance goes. */
  interruption: { readonly noticedAt: number; readonly releaseAt: number } | undefined;
}

/** One stretch of an instance's life that costs money. */
export interface Charge {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly zoneId: string;
  readonly tags: Tags;
  readonly from: number;
  to: number | undefined;
  readonly spot: boolean;
  readonly spotDuration: number;
  /** At launch. */
  readonly priceYuanPerHour: number;
}

/** A disk's life, from its instance's creation until it is gone. */
export interface DiskCharge {
  readonly instanceId: string;
  readonly yuanPerHour: number;
  readonly from: number;
  to: number | undefined;
}

/** Traffic to the internet that was billed. */
export interface TrafficCharge {
  readonly instanceId: string;
  readonly gib: number;
}

/** From then on a pool costs this, without a protected hour. */
export interface SpotPriceChange {
  readonly zoneId: string;
  readonly instanceType: string;
  readonly at: number;
  readonly spotYuanPerHour: number;
}

export interface AccessKey {
  readonly secret: string;
  /** Set for temporary credentials: every call must carry it. */
  readonly securityToken?: string;
  /** From then on it is refused. */
  readonly endsAt?: number;
  /** Undefined: the account itself, which may do all. */
  readonly policy?: RamPolicy;
  readonly userName: string;
}

export interface Role {
  readonly roleId: string;
  readonly name: string;
  description: string;
  /** Who may take it on, as a policy document. */
  trustDocument: string;
  maxSessionSeconds: number;
  policies: { readonly name: string; readonly type: 'System' | 'Custom' }[];
  readonly createdAt: number;
  tags: Tags;
}

export interface ManagedPolicy {
  readonly name: string;
  description: string;
  readonly createdAt: number;
  versions: { readonly id: string; readonly document: string; readonly createdAt: number }[];
  defaultVersion: string;
  tags: Tags;
}

/** Everything within one region. */
export interface RegionState {
  readonly vpcs: Map<string, Vpc>;
  readonly vSwitches: Map<string, VSwitch>;
  readonly natGateways: Map<string, NatGateway>;
  readonly snatEntries: Map<string, SnatEntry>;
  /** By allocation id. */
  readonly addresses: Map<string, PublicAddress>;
  readonly securityGroups: Map<string, SecurityGroup>;
  readonly keyPairs: Map<string, KeyPair>;
  readonly images: Map<string, Image>;
  readonly snapshots: Map<string, Snapshot>;
  readonly instances: Map<string, Instance>;
  /** How many instance types it sells; 0 in regions that are not simulated. */
  readonly catalog: { readonly regionId: string; readonly types: number };
  /** Those that differ from the catalog, by `zone/type`. */
  readonly pools: Map<string, Pool>;
  /** RunInstances by ClientToken: what was asked, and what was answered. */
  readonly launches: Map<
    string,
    { readonly token: string; readonly request: string; readonly instanceIds: readonly string[]; readonly at: number }
  >;
}

export interface CloudState {
  readonly region: string;
  readonly accountId: string;
  port: number;
  readonly sshPort: number;
  /** First three numbers of the instances' addresses, `127.A.B`. */
  readonly addressBlock: string;
  randomState: number;
  delays: CloudDelays;
  quotas: Quotas;
  /**
   * Calls that each action may have a minute, in each region; one that is not named is never
   * throttled.
   */
  callsPerMinute: Readonly<Record<string, number>>;
  balanceEnough: boolean;
  /** What prices are told in: CNY on the China site, USD on the international one. */
  currency: Currency;
  /**
   * What is answered for a type that no region sells; undefined: each action as it is believed to.
   */
  unknownTypes: 'refuse' | 'empty' | undefined;
  faults: Fault[];
  readonly accessKeys: Map<string, AccessKey & { readonly id: string }>;
  readonly rootAccessKeyId: string;
  readonly defaultVpcId: string;
  readonly charges: Charge[];
  readonly diskCharges: DiskCharge[];
  readonly trafficCharges: TrafficCharge[];
  readonly spotPriceChanges: SpotPriceChange[];
  readonly ram: { readonly roles: Map<string, Role>; readonly policies: Map<string, ManagedPolicy> };
  readonly home: RegionState;
}
