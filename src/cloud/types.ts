import type { Currency } from '../currency';
import type { Disk, HourlyPrice } from './list-prices';

/**
 * The few calls to ECS and VPC that we make ourselves, beside the stack. `src/cloud/client.ts`
 * implements it; tests hand in a fake.
 */
export interface Cloud {
  /** Every instance that carries these tags (all pages). */
  findInstances(tags: Readonly<Record<string, string>>): Promise<readonly CloudInstance[]>;
  /** Every instance of that name, also one whose tags are not found yet. */
  instancesNamed(name: string): Promise<readonly CloudInstance[]>;
  /** Undefined: gone. */
  describeInstance(instanceId: string): Promise<CloudInstance | undefined>;
  /**
   * When an instance was made, to the second (that of its system disk: DescribeInstances knows
   * minutes). Undefined: it doesn't say.
   */
  madeAt(instanceId: string): Promise<string | undefined>;
  /** What an instance boots from. Undefined: it is gone. */
  systemDisk(instanceId: string): Promise<Disk | undefined>;
  /** Adds or replaces these tags of an instance. Throws CloudRefused for one that is gone. */
  tagInstance(instanceId: string, tags: Readonly<Record<string, string>>): Promise<void>;
  /**
   * Moves the time at which the cloud releases it by itself (`yyyy-MM-ddTHH:mm:00Z`, half an hour
   * ahead at least).
   */
  setReleaseTime(instanceId: string, releaseAt: string): Promise<void>;
  /** Force; idempotent: one that is gone is no error. */
  deleteInstance(instanceId: string): Promise<void>;
  findSecurityGroups(
    tags: Readonly<Record<string, string>>,
  ): Promise<
    readonly { readonly id: string; readonly tags: Readonly<Record<string, string>>; readonly createdAt: string }[]
  >;
  deleteSecurityGroup(id: string): Promise<void>;
  findKeyPairs(
    tags: Readonly<Record<string, string>>,
  ): Promise<
    readonly { readonly name: string; readonly tags: Readonly<Record<string, string>>; readonly createdAt: string }[]
  >;
  deleteKeyPair(name: string): Promise<void>;
  vSwitches(vpcId: string): Promise<readonly VSwitch[]>;
  /**
   * Stock of a type by zone, with a system disk of that category. A zone that doesn't sell it is
   * left out.
   */
  stock(instanceType: string, market: 'spot' | 'on-demand', diskCategory: string): Promise<readonly Stock[]>;
  /**
   * The newest spot price of a type in each zone, with or without a protected hour (SpotDuration).
   */
  spotPrices(instanceType: string, durationHours: 0 | 1): Promise<readonly SpotPrice[]>;
  /**
   * How the spot price of a pool went from some hours before `from` until `to`: oldest first, each
   * holds until the next.
   */
  spotPriceHistory(
    pool: { readonly instanceType: string; readonly zoneId: string },
    durationHours: 0 | 1,
    time: { readonly from: Date; readonly to: Date },
  ): Promise<readonly PricePoint[]>;
  spotAdvice(instanceTypes: readonly string[]): Promise<readonly SpotAdvice[]>;
  /** What a disk costs; the same for every type, zone and market. */
  diskPrice(disk: Disk): Promise<HourlyPrice>;
  /** What the region sells of at least that size, and not much larger. */
  instanceTypes(least: InstanceSize): Promise<readonly InstanceType[]>;
  /**
   * The newest available image of that family or name, our own before the cloud's; any by its id.
   * Undefined: no such image.
   * @param architecture left out: of any
   */
  resolveImage(nameOrId: string, architecture?: InstanceSize['architecture']): Promise<CloudImage | undefined>;
}

export interface CloudImage {
  readonly imageId: string;
  /**
   * v2: its cloud-init can do with a metadata service that wants tokens; v1: it can't; undefined:
   * the cloud doesn't say.
   */
  readonly imdsSupport: 'v1' | 'v2' | undefined;
  /** Left out: the cloud doesn't say, or another one than we know. */
  readonly architecture?: InstanceSize['architecture'];
}

export interface CloudInstance {
  readonly instanceId: string;
  readonly status: 'Pending' | 'Starting' | 'Running' | 'Stopping' | 'Stopped';
  readonly instanceType: string;
  readonly zoneId: string;
  readonly privateAddress: string | undefined;
  readonly publicAddress: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly market: 'spot' | 'on-demand';
  /** Protected hours (SpotDuration). */
  readonly durationHours: 0 | 1;
  readonly autoReleaseTime: string | undefined;
  /** OperationLocks has LockReason Recycling: the cloud takes it back. */
  readonly recycling: boolean;
  /** Of its type; left out: the cloud did not say. */
  readonly size?: { readonly vcpu: number; readonly memoryMiB: number } | undefined;
}

export interface InstanceSize {
  readonly vcpu: number;
  readonly memoryGiB: number;
  readonly architecture: 'x86_64' | 'arm64';
  readonly gpus: number;
}

export interface InstanceType extends InstanceSize {
  /** `ecs.c7.xlarge` */
  readonly name: string;
  /**
   * The API's InstanceFamilyLevel: EntryLevel, EnterpriseLevel, CreditEntryLevel; '' where it says
   * none.
   */
  readonly level: string;
  readonly hasLocalDisk: boolean;
}

export interface SpotAdvice {
  readonly zoneId: string;
  readonly instanceType: string;
  /** Percent. */
  readonly interruptionRate: number;
  /** What spot costs on average, in percent of the pay-as-you-go price. */
  readonly averageShare: number;
}

export interface VSwitch {
  readonly vSwitchId: string;
  readonly zoneId: string;
  readonly cidrBlock: string;
  readonly freeAddresses: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Stock {
  readonly zoneId: string;
  readonly instanceType: string;
  readonly status: 'WithStock' | 'ClosedWithStock' | 'WithoutStock';
}

export interface PricePoint {
  /** ISO time since when. */
  readonly at: string;
  readonly yuanPerHour: number;
}

export interface SpotPrice {
  readonly zoneId: string;
  readonly spotYuanPerHour: number;
  readonly onDemandYuanPerHour: number;
  readonly currency: Currency;
  readonly at: string;
}
