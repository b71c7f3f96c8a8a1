/**
 * What a refusal of the cloud means for the next step. Source: Alibaba Cloud's documentation of
 * RunInstances' error codes.
 */
export interface Refusal {
  /**
   * `pool`: another type or zone may do; `zone`: another zone; `price`: the price rose above the
   * limit; `stop`: no pool mends it.
   */
  readonly scope: 'pool' | 'zone' | 'price' | 'stop';
  /** In one sentence, for the job's log. */
  readonly meaning: string;
  /** What to do, a sentence; '' where the next candidate is the remedy, or the code says more. */
  readonly remedy: string;
  /** How long the pool is held back after it, milliseconds. */
  readonly holdMs: number;
}

/** The cloud took an instance back. Ours, not one of its codes. */
export const INTERRUPTED = 'Interrupted';
const MINUTE_MS = 60_000;

const noSuchDisk: Refusal = {
  scope: 'pool',
  meaning: 'the zone or the type does not take this kind of disk',
  remedy: "Change the profile's disk in instances.yaml: its category, or its performanceLevel.",
  holdMs: 60 * MINUTE_MS,
};
const notSold: Refusal = {
  scope: 'pool',
  meaning: 'the zone does not sell this type',
  remedy: '',
  holdMs: 60 * MINUTE_MS,
};
const unfit: Refusal = {
  scope: 'pool',
  meaning: 'the instance type does not fit the image or the disk',
  remedy: "Fix the profile's types, image or disk category in instances.yaml.",
  holdMs: 60 * MINUTE_MS,
};
const noMoney: Refusal = {
  scope: 'stop',
  meaning: 'the account has not enough balance',
  remedy: 'Top the account up (spot instances need at least 100 yuan).',
  holdMs: 0,
};
const noSpot: Refusal = {
  scope: 'stop',
  meaning: 'the account is not authorised for spot instances',
  remedy: 'Ask the account owner to enable spot instances.',
  holdMs: 0,
};
const noVSwitch: Refusal = {
  scope: 'stop',
  meaning: 'the vSwitch does not exist',
  remedy: 'Fix GITLAB_SPOT_VSWITCH_IDS or run `gitlab-spot doctor`.',
  holdMs: 0,
};
const mayNotBuy: Refusal = {
  scope: 'stop',
  meaning: 'the account may not buy instances now',
  remedy: 'Look at the account’s status in the console.',
  holdMs: 0,
};
/** The API's own page on it says no more. */
const cloudsFault: Refusal = {
  scope: 'stop',
  meaning: 'the cloud can’t make instances now',
  remedy: 'Run the job again later.',
  holdMs: 0,
};

const byCode: Readonly<Record<string, Refusal>> = {
  'OperationDenied.NoStock': { scope: 'pool', meaning: 'out of stock', remedy: '', holdMs: 10 * MINUTE_MS },
  'Zone.NotOnSale': { scope: 'zone', meaning: 'the zone sells nothing now', remedy: '', holdMs: 60 * MINUTE_MS },
  'Zone.NotOpen': {
    scope: 'zone',
    meaning: 'the zone is not open to this account',
    remedy: '',
    holdMs: 60 * MINUTE_MS,
  },
  'InstanceType.Offline': { scope: 'pool', meaning: 'the type is no longer sold', remedy: '', holdMs: 60 * MINUTE_MS },
  'InvalidResourceType.NotSupported': notSold,
  // Other codes begin so; this one: "The specified instanceType or zone is not available or not
  // authorized."
  OperationDenied: notSold,
  'InvalidVSwitchId.IpNotEnough': {
    scope: 'zone',
    meaning: 'the vSwitch has no free address',
    remedy: 'Free addresses, or add a vSwitch.',
    holdMs: 10 * MINUTE_MS,
  },
  'InvalidSpotPriceLimit.LowerThanPublicPrice': {
    scope: 'price',
    meaning: 'the price rose above the limit',
    remedy: '',
    holdMs: 5 * MINUTE_MS,
  },
  VanishedWhilePending: {
    scope: 'pool',
    meaning: 'the instance disappeared while it was pending: a late shortage',
    remedy: '',
    holdMs: 10 * MINUTE_MS,
  },
  [INTERRUPTED]: { scope: 'pool', meaning: 'the cloud took the instance back', remedy: '', holdMs: 60 * MINUTE_MS },
  BootTimeout: { scope: 'pool', meaning: 'the instance did not answer in time', remedy: '', holdMs: 10 * MINUTE_MS },
  'InvalidAccountStatus.NotEnoughBalance': noMoney,
  InsufficientBalance: noMoney,
  'Account.Arrearage': noMoney,
  'InvalidInstanceType.NotSupported': unfit,
  ImageNotSupportInstanceType: unfit,
  'InvalidInstanceType.NotSupportDiskCategory': noSuchDisk,
  'InvalidDiskCategory.NotSupported': noSuchDisk,
  'InvalidSystemDiskCategory.ValueNotSupported': noSuchDisk,
  // "The current ZoneId or InstanceType does not support PL0 of cloud_essd."
  'InvalidPerformanceLevel.ValueNotSupported': noSuchDisk,
  CategoryNotSupported: noSuchDisk,
  'OperationDenied.CloudSSDNotSupported': noSuchDisk,
  // With a protected hour.
  'OperationDenied.FlavorNotSupported': notSold,
  'OperationDenied.PaygNotAvailable': notSold,
  'QuotaExceed.DiskCapacity': {
    scope: 'zone',
    meaning: 'the quota of this kind of disk in the zone is used up',
    remedy: 'Raise the quota in Quota Center.',
    holdMs: 10 * MINUTE_MS,
  },
  IncorrectVSwitchStatus: {
    scope: 'zone',
    meaning: 'the vSwitch takes nothing now',
    remedy: '',
    holdMs: 10 * MINUTE_MS,
  },
  'QuotaExceeded.PrivateIpAddress': {
    scope: 'zone',
    meaning: 'the vSwitch has no free address',
    remedy: 'Free addresses, or add a vSwitch.',
    holdMs: 10 * MINUTE_MS,
  },
  InvalidSpotAuthorized: noSpot,
  InvalidSpotAliUid: noSpot,
  'InvalidAccount.NotSupportSpot': noSpot,
  RealNameAuthenticationError: mayNotBuy,
  InvalidPayMethod: mayNotBuy,
  PaymentMethodNotFound: mayNotBuy,
  'Forbidden.RiskControl': mayNotBuy,
  'InvalidImageId.NotFound': {
    scope: 'stop',
    meaning: 'the image does not exist in this region',
    remedy: "Fix the profile's image in instances.yaml.",
    holdMs: 0,
  },
  'InvalidSecurityGroupId.NotFound': {
    scope: 'stop',
    meaning: 'the security group is gone',
    remedy: 'Run the job again.',
    holdMs: 0,
  },
  'InvalidVSwitchId.NotFound': noVSwitch,
  'InvalidVSwitchId.NotExist': noVSwitch,
  'OperationDenied.ResourceControl': cloudsFault,
  InternalError: cloudsFault,
  ServiceUnavailable: cloudsFault,
  'Forbidden.RAM': {
    scope: 'stop',
    meaning: 'the credentials lack a permission',
    remedy: 'Grant what `gitlab-spot ram-policy` prints.',
    holdMs: 0,
  },
  'InvalidAccessKeyId.NotFound': {
    scope: 'stop',
    meaning: 'the access key does not exist',
    remedy: 'Set a valid ALICLOUD_ACCESS_KEY in the env file.',
    holdMs: 0,
  },
  SignatureDoesNotMatch: {
    scope: 'stop',
    meaning: 'the access key secret is wrong',
    remedy: 'Set the right ALICLOUD_SECRET_KEY in the env file.',
    holdMs: 0,
  },
};

/** By prefix; the first that fits decides. */
const byFamily: readonly (readonly [prefix: string, Refusal])[] = [
  [
    'QuotaExceed.ElasticQuota',
    {
      scope: 'pool',
      meaning: 'the quota of this instance type, or of vCPUs in the zone, is used up',
      remedy: 'Raise the quota in Quota Center, or name more types.',
      holdMs: 10 * MINUTE_MS,
    },
  ],
  // Its value, its zone, or an account that may not have it.
  ['InvalidInstanceType', notSold],
  [
    'InvalidSystemDiskSize',
    {
      scope: 'stop',
      meaning: 'the image or the kind of disk wants another size',
      remedy: "Change the profile's disk.sizeGiB in instances.yaml.",
      holdMs: 0,
    },
  ],
  ['OperationDenied.ZoneSystemCategoryNotMatch', noSuchDisk],
  ['OperationDenied.ZoneNotAllowed', byCode['Zone.NotOpen']!],
  ['InvalidVpcZone.NotSupported', byCode['Zone.NotOnSale']!],
  ['ResourceNotAvailable', byCode['OperationDenied.NoStock']!],
  ['NodeControllerUnavailable', byCode['OperationDenied.NoStock']!],
  [
    'QuotaExceed',
    {
      scope: 'stop',
      meaning: 'a quota of the account is used up',
      remedy: 'Raise the quota in the console, or lower the runner’s concurrency.',
      holdMs: 0,
    },
  ],
  ['OperationDenied.NoStock', byCode['OperationDenied.NoStock']!],
  ['InvalidAccountStatus', mayNotBuy],
  [
    'Throttling',
    {
      scope: 'stop',
      meaning: 'the account sends too many requests',
      remedy: 'Run the job again later; lower GITLAB_SPOT_CONCURRENT_UPS if it happens often.',
      holdMs: 0,
    },
  ],
  // The API spells it in three ways.
  ...['Forbidden', 'Forbbiden', 'Forbedden'].map((prefix) => [prefix, byCode['Forbidden.RAM']!] as const),
];

const unknown: Refusal = {
  scope: 'stop',
  meaning: 'the cloud refused',
  remedy: '',
  holdMs: 0,
};

/**
 * What the code of a refused RunInstances (or our own word for a late failure) means. Unknown codes
 * stop: repeating them elsewhere hides them.
 */
export function refusalOf(code: string): Refusal {
  const known = Object.hasOwn(byCode, code) ? byCode[code] : undefined;
  return known ?? byFamily.find(([prefix]) => code.startsWith(prefix))?.[1] ?? unknown;
}

/** Whether another candidate of the same profile may do. */
export function anotherPoolMayDo(code: string): boolean {
  return refusalOf(code).scope !== 'stop';
}
