/**
 * What the simulated cloud offers besides the ECS and VPC API: its start, and a control API for
 * tests, demo and bench.
 */
import type { MachineKind } from '../instance/machine';

/**
 * Milliseconds an instance or the API takes; all default to small values that keep a demo quick.
 */
export interface CloudDelays {
  /** Each API call. */
  readonly apiMs: number;
  /** RunInstances accepted until Starting. */
  readonly pendingMs: number;
  /** Starting until Running. */
  readonly startingMs: number;
  /** Running until the SSH port answers. */
  readonly bootMs: number;
  /** DeleteInstance accepted until the instance is gone. */
  readonly stoppingMs: number;
  /** CreateImage accepted until the image is Available. */
  readonly imageMs: number;
}

export interface CloudOptions {
  /** Where state.json, the CA, the instances' folders and the log of calls live. */
  readonly directory: string;
  /** 0 or left out: a free port; after a restart the port of before. */
  readonly port?: number;
  readonly region?: string;
  readonly sshPort?: number;
  readonly machineKind?: MachineKind;
  /** Folders of this machine that every instance may write to, beside its own. */
  readonly sharedFolders?: readonly string[];
  readonly delays?: Partial<CloudDelays>;
  /** Instance types that a new cloud's region sells: 22 or more; left out: 320. */
  readonly types?: number;
}

/** Limits of the account in the region; a call above one fails with QuotaExceed.*. */
export interface Quotas {
  /** Counted for the whole region. A new account has 100. */
  readonly securityGroups: number;
  readonly keyPairs: number;
  /** vCPUs of all spot instances together. */
  readonly spotVcpus: number;
  /** vCPUs of all pay-as-you-go instances together. */
  readonly postPaidVcpus: number;
}

export type Currency = 'CNY' | 'USD';

export type StockStatus = 'WithStock' | 'ClosedWithStock' | 'WithoutStock';

/** One pool: an instance type in a zone. Prices in yuan an hour. */
export interface Pool {
  readonly zoneId: string;
  readonly instanceType: string;
  /** For spot, and for pay-as-you-go too unless `onDemandStock` says otherwise. */
  readonly stock: StockStatus;
  readonly onDemandStock?: StockStatus;
  readonly onDemandYuanPerHour: number;
  /**
   * Without protection (SpotDuration 0); with the protected hour (SpotDuration 1) a ninth more,
   * rounded to 0.001.
   */
  readonly spotYuanPerHour: number;
  /** Percent, as DescribeSpotAdvice has it (0 to 100). */
  readonly interruptionRate: number;
}

/**
 * A fault at the API. Each matches calls by action and parameters, and is used up after `times`.
 */
export interface Fault {
  readonly action: string;
  /** Only calls whose parameters have these values. */
  readonly match?: Readonly<Record<string, string>>;
  /**
   * The error answered; or a late fault of RunInstances: the instance is accepted and then vanishes
   * while Pending.
   */
  readonly error?: { readonly status: number; readonly code: string; readonly message: string };
  readonly vanishWhilePending?: boolean;
  /** How long it is there before it vanishes; left out: 2 s. With 0 nobody sees it. */
  readonly vanishAfterMs?: number;
  /** Extra delay before the answer. */
  readonly delayMs?: number;
  /**
   * Cut the connection without an answer, after (true) or before (false) the action took effect.
   */
  readonly dropConnection?: 'before' | 'after';
  /** How often; left out: until cleared. */
  readonly times?: number;
  /** 0 to 1; left out: always. Drawn from the cloud's seeded generator. */
  readonly probability?: number;
}

export interface InstanceView {
  readonly instanceId: string;
  readonly status: 'Pending' | 'Starting' | 'Running' | 'Stopping' | 'Stopped';
  readonly instanceType: string;
  readonly zoneId: string;
  readonly address: string;
  readonly keyPairName: string;
  readonly securityGroupIds: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly spotStrategy: string;
  readonly priceYuanPerHour: number;
  readonly autoReleaseTime: string | undefined;
  readonly createdAt: string;
}

/**
 * A line of the cloud's own bill: per second (whole seconds of the clock), from the instance's
 * creation until it is gone (or Stopped). Spot: at the market price of each moment; with a
 * protected hour (SpotDuration 1) the first hour at the price of its launch.
 * https://www.alibabacloud.com/help/en/ecs/spot-instance. `yuan` is rounded to 0.000001. An
 * instance that never ran costs nothing.
 */
export interface BillLine {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly zoneId: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly from: string;
  /** Undefined while it runs. */
  readonly to: string | undefined;
  readonly seconds: number;
  /** At launch. */
  readonly priceYuanPerHour: number;
  readonly yuan: number;
}

/**
 * What an instance cost in all: its own time, its disks from their making until they are gone, and
 * the traffic that was billed.
 */
export interface CostLine {
  readonly instanceId: string;
  readonly tags: Readonly<Record<string, string>>;
  /** As the instance's lines of the bill add up. */
  readonly instanceYuan: number;
  readonly diskYuan: number;
  readonly trafficYuan: number;
  readonly yuan: number;
}

/** Everything the cloud holds, for "nothing left" checks. */
export interface Leftovers {
  readonly instances: readonly InstanceView[];
  readonly securityGroupIds: readonly string[];
  readonly keyPairNames: readonly string[];
}

/** A RAM policy document, the part that is simulated. */
export interface RamPolicy {
  readonly Version: '1';
  readonly Statement: readonly {
    readonly Effect: 'Allow' | 'Deny';
    readonly Action: string | readonly string[];
    readonly Resource: string | readonly string[];
    readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  }[];
}

/** One API call. */
export interface Call {
  readonly action: string;
  /** Without signature; user data and other secrets by their length only. */
  readonly params: Readonly<Record<string, string>>;
  /** HTTP status; 0 when the connection was cut. */
  readonly status: number;
  readonly code?: string;
  readonly atMs: number;
}

/** Client of the control API (`http://127.0.0.1:PORT/-/control/…`), in sandbox/cloud/control.ts. */
export interface CloudControl {
  leftovers(): Promise<Leftovers>;
  setDelays(delays: Partial<CloudDelays>): Promise<void>;
  setQuotas(quotas: Partial<Quotas>): Promise<void>;
  /**
   * Calls that each named action may have a minute: Throttling.User above, until the next minute.
   * Others are never throttled.
   */
  setCallsPerMinute(limits: Readonly<Record<string, number>>): Promise<void>;
  /** false: RunInstances answers InvalidAccountStatus.NotEnoughBalance. */
  setBalanceEnough(enough: boolean): Promise<void>;
  /** What prices are told in: CNY (the default) on the China site, USD on the international one. */
  setCurrency(currency: Currency): Promise<void>;
  /** What calls answer that ask about a type which nobody sells: the documentation doesn't say. */
  setUnknownTypes(answer: 'refuse' | 'empty'): Promise<void>;
  /**
   * So many addresses of the vSwitch are taken by others: InvalidVSwitchId.IpNotEnough when none is
   * left.
   */
  setForeignAddresses(vSwitchId: string, addresses: number): Promise<void>;
  pools(): Promise<readonly Pool[]>;
  /** Changes the pools that match zone and type (either may be left out: all of them). */
  setPool(where: { zoneId?: string; instanceType?: string }, change: Partial<Pool>): Promise<void>;
  inject(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
  /**
   * The cloud takes the instance back: OperationLocks Recycling and the metadata notice now,
   * released after noticeMs.
   */
  interrupt(instanceId: string, noticeMs: number): Promise<void>;
  /** The instance is gone at once, without notice. */
  vanish(instanceId: string): Promise<void>;
  /** As a person does in the console: Stopping, then gone. */
  deleteInstance(instanceId: string): Promise<void>;
  disconnect(instanceId: string): Promise<void>;
  reconnect(instanceId: string): Promise<void>;
  dropConnections(instanceId: string): Promise<number>;
  /** The instances' own time. */
  bill(): Promise<readonly BillLine[]>;
  /** The whole cost of each instance that ever ran. */
  costs(): Promise<readonly CostLine[]>;
  /**
   * The instance has sent so much to the internet; billed where it has a public address that pays
   * by traffic.
   */
  addTraffic(instanceId: string, gib: number): Promise<void>;
  /** Whether the security groups let it through: from an instance, or an address outside. */
  reaches(from: string, toInstanceId: string, port: number): Promise<boolean>;
  /** API calls so far, oldest first: action, parameters without signature, status, error code. */
  calls(): Promise<readonly Call[]>;
  /**
   * RAM: an access key whose policy allows only these actions (`ecs:RunInstances`, `vpc:*`);
   * returns its secret.
   */
  addAccessKey(accessKeyId: string, allowedActions: readonly string[]): Promise<{ secret: string }>;
  /**
   * The same with a whole policy document; with a security token these are temporary credentials.
   */
  addAccessKeyWithPolicy(accessKeyId: string, policy: RamPolicy, securityToken?: string): Promise<{ secret: string }>;
  /**
   * From now on InvalidAccessKeyId.Inactive, or InvalidSecurityToken.Expired for temporary
   * credentials.
   */
  disableAccessKey(accessKeyId: string): Promise<void>;
}

/** What `startCloud` and a running simulator's `cloud.json` tell. */
export interface CloudInfo {
  /** `127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly region: string;
  readonly caFile: string;
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly vpcId: string;
  /** By zone. */
  readonly vSwitchIds: Readonly<Record<string, string>>;
  readonly imageIds: readonly string[];
  readonly sshPort: number;
  readonly sshUser: string;
}
