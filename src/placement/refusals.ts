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

/** No pool mends it. */
const stop = (meaning: string, remedy: string): Refusal => ({ scope: 'stop', meaning, remedy, holdMs: 0 });

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
const noAddress: Refusal = {
  scope: 'zone',
  meaning: 'the vSwitch has no free address',
  remedy: 'Free addresses, or add a vSwitch.',
  holdMs: 10 * MINUTE_MS,
};
const noMoney = stop(
  'the account has not enough balance',
  'Top the account up (spot instances need at least 100 yuan).',
);
const noSpot = stop(
  'the account is not authorised for spot instances',
  'Ask the account owner to enable spot instances.',
);
const noVSwitch = stop('the vSwitch does not exist', 'Fix GITLAB_SPOT_VSWITCH_IDS or run `gitlab-spot doctor`.');
const mayNotBuy = stop('the account may not buy instances now', 'Look at the account’s status in the console.');
/** The API's own page on it says no more. */
const cloudsFault = stop('the cloud can’t make instances now', 'Run the job again later.');

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
  'InvalidVSwitchId.IpNotEnough': noAddress,
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
  'QuotaExceeded.PrivateIpAddress': noAddress,
  InvalidSpotAuthorized: noSpot,
  InvalidSpotAliUid: noSpot,
  'InvalidAccount.NotSupportSpot': noSpot,
  RealNameAuthenticationError: mayNotBuy,
  InvalidPayMethod: mayNotBuy,
  PaymentMethodNotFound: mayNotBuy,
  'Forbidden.RiskControl': mayNotBuy,
  'InvalidImageId.NotFound': stop(
    'the image does not exist in this region',
    "Fix the profile's image in instances.yaml.",
  ),
  'InvalidSecurityGroupId.NotFound': stop('the security group is gone', 'Run the job again.'),
  'InvalidVSwitchId.NotFound': noVSwitch,
  'InvalidVSwitchId.NotExist': noVSwitch,
  'OperationDenied.ResourceControl': cloudsFault,
  InternalError: cloudsFault,
  ServiceUnavailable: cloudsFault,
  'Forbidden.RAM': stop('the credentials lack a permission', 'Grant what `gitlab-spot ram-policy` prints.'),
  'InvalidAccessKeyId.NotFound': stop(
    'the access key does not exist',
    'Set a valid ALICLOUD_ACCESS_KEY in the env file.',
  ),
  SignatureDoesNotMatch: stop('the access key secret is wrong', 'Set the right ALICLOUD_SECRET_KEY in the env file.'),
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
    stop('the image or the kind of disk wants another size', "Change the profile's disk.sizeGiB in instances.yaml."),
  ],
  ['OperationDenied.ZoneSystemCategoryNotMatch', noSuchDisk],
  ['OperationDenied.ZoneNotAllowed', byCode['Zone.NotOpen']!],
  ['InvalidVpcZone.NotSupported', byCode['Zone.NotOnSale']!],
  ['ResourceNotAvailable', byCode['OperationDenied.NoStock']!],
  ['NodeControllerUnavailable', byCode['OperationDenied.NoStock']!],
  [
    'QuotaExceed',
    stop('a quota of the account is used up', 'Raise the quota in the console, or lower the runner’s concurrency.'),
  ],
  ['OperationDenied.NoStock', byCode['OperationDenied.NoStock']!],
  ['InvalidAccountStatus', mayNotBuy],
  [
    'Throttling',
    stop(
      'the account sends too many requests',
      'Run the job again later; lower GITLAB_SPOT_CONCURRENT_UPS if it happens often.',
    ),
  ],
  // The API spells it in three ways.
  ...['Forbidden', 'Forbbiden', 'Forbedden'].map((prefix) => [prefix, byCode['Forbidden.RAM']!] as const),
];

const unknown = stop('the cloud refused', '');

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
