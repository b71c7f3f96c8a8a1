/** What RunInstances looks at before it says yes, in the order in which the cloud refuses. */
import { spotPrice, stockOf } from '../catalog/pools';
import type { DiskShape } from '../catalog/disks';
import { INSTANCE_TYPES, type InstanceType } from '../catalog/instanceTypes';
import { poolAt } from '../model/pools';
import type { Image, Instance, VSwitch } from '../model/records';
import { ApiError, missingParameter, notFound } from '../server/errors';
import type { Context } from './action';
import { disksFor } from './launchDisks';
import type { LaunchRequest } from './launchRequest';

const SHORTEST_RELEASE_MS = 30 * 60_000;
const LONGEST_RELEASE_MS = 3 * 365 * 24 * 3600_000;
const LARGEST_USER_DATA_BYTES = 32 * 1024;

/** What the checks found out, for making the instances. */
export interface LaunchPlan {
  readonly type: InstanceType;
  readonly image: Image;
  readonly vSwitch: VSwitch;
  readonly securityGroupIds: readonly string[];
  /** The system disk, then the others. */
  readonly disks: readonly DiskShape[];
  readonly priceYuanPerHour: number;
  readonly autoReleaseAt: number | undefined;
}

/** Throws `ApiError` with the code that the real RunInstances gives. */
export function checkLaunch(context: Context, asked: LaunchRequest): LaunchPlan {
  if (!context.state.balanceEnough) {
    throw new ApiError(403, 'InvalidAccountStatus.NotEnoughBalance', 'Your account does not have enough balance.');
  }
  const type = typeOf(asked);
  const image = imageOf(context, asked, type);
  const vSwitch = vSwitchOf(context, asked);
  const securityGroupIds = securityGroupsOf(context, asked, vSwitch);
  checkKeyPair(context, asked);
  checkUserData(asked.UserData);
  checkSpotParameters(asked);
  const disks = disksFor(asked, type, image);
  const autoReleaseAt = autoReleaseOf(asked.AutoReleaseTime, context.clock.now());
  const priceYuanPerHour = checkMarket(context, asked, vSwitch);
  checkQuota(context, asked, type);
  checkAddresses(context, asked, vSwitch);
  return { type, image, vSwitch, securityGroupIds, disks, priceYuanPerHour, autoReleaseAt };
}

function typeOf(asked: LaunchRequest): InstanceType {
  const type = INSTANCE_TYPES.get(asked.InstanceType);
  if (!type) {
    throw new ApiError(
      400,
      'InvalidInstanceType.ValueNotSupported',
      'The specified InstanceType does not exist or beyond the permitted range.',
    );
  }
  return type;
}

function imageOf(context: Context, asked: LaunchRequest, type: InstanceType): Image {
  if (!asked.ImageId && !asked.ImageFamily) throw missingParameter('ImageId');
  const now = context.clock.now();
  const image = asked.ImageId
    ? context.region.images.get(asked.ImageId)
    : newestOfFamily(context.region.images.values(), asked.ImageFamily ?? '', now);
  if (!image) throw notFound('InvalidImageId.NotFound', 'ImageId');
  if (image.availableAt > now) {
    throw new ApiError(400, 'IncorrectImageStatus', 'The specified image is not in the available status.');
  }
  if ((image.architecture === 'arm64') !== (type.architecture === 'ARM')) {
    throw new ApiError(
      400,
      'InvalidInstanceType.NotSupportedImage',
      'The specified image does not support the specified instance type.',
    );
  }
  return image;
}

/** The newest available image of a family, as ImageFamily and DescribeImageFromFamily choose. */
export function newestOfFamily(images: Iterable<Image>, family: string, now: number): Image | undefined {
  return [...images]
    .filter((image) => image.family === family && image.availableAt <= now)
    .sort((a, b) => b.createdAt - a.createdAt)[0];
}

function vSwitchOf(context: Context, asked: LaunchRequest): VSwitch {
  if (!asked.VSwitchId) throw missingParameter('VSwitchId');
  const vSwitch = context.region.vSwitches.get(asked.VSwitchId);
  if (!vSwitch) throw notFound('InvalidVSwitchId.NotFound', 'VSwitchId');
  if (asked.ZoneId !== undefined && asked.ZoneId !== vSwitch.zoneId) {
    throw new ApiError(400, 'InvalidParameter.Mismatch', 'The specified vSwitch is not in the specified zone.');
  }
  return vSwitch;
}

function securityGroupsOf(context: Context, asked: LaunchRequest, vSwitch: VSwitch): string[] {
  const ids = [...(asked.SecurityGroupId ? [asked.SecurityGroupId] : []), ...asked.SecurityGroupIds];
  if (ids.length === 0) throw missingParameter('SecurityGroupId');
  for (const id of ids) {
    const group = context.region.securityGroups.get(id);
    if (!group) throw notFound('InvalidSecurityGroupId.NotFound', 'SecurityGroupId');
    if (group.vpcId !== vSwitch.vpcId) {
      throw new ApiError(
        403,
        'InvalidSecurityGroup.VPCMismatch',
        'The specified security group and vSwitch are not in the same VPC.',
      );
    }
  }
  return ids;
}

function checkKeyPair(context: Context, asked: LaunchRequest): void {
  if (asked.KeyPairName && !context.region.keyPairs.has(asked.KeyPairName)) {
    throw notFound('InvalidKeyPair.NotFound', 'KeyPairName');
  }
}

function checkUserData(userData: string): void {
  if (userData === '') return;
  if (!/^[A-Za-z0-9+/\r\n]*={0,2}\s*$/.test(userData)) {
    throw new ApiError(
      400,
      'InvalidUserData.Base64FormatInvalid',
      'The specified parameter UserData must be base64 encoded.',
    );
  }
  if (Buffer.from(userData, 'base64').length > LARGEST_USER_DATA_BYTES) {
    throw new ApiError(400, 'InvalidUserData.SizeExceeded', 'The specified parameter UserData exceeds the size.');
  }
}

function checkSpotParameters(asked: LaunchRequest): void {
  if (asked.SpotStrategy === 'SpotWithPriceLimit' && asked.SpotPriceLimit === undefined)
    throw missingParameter('SpotPriceLimit');
  if (asked.SpotStrategy !== 'NoSpot' && asked.InstanceChargeType === 'PrePaid') {
    throw new ApiError(400, 'InvalidSpotStrategy', 'Spot instances are only for the PostPaid charge type.');
  }
}

/**
 * AutoReleaseTime in milliseconds, seconds cut off. Throws when it is malformed, too near or too
 * far.
 */
export function autoReleaseOf(time: string | undefined, now: number): number | undefined {
  if (time === undefined) return undefined;
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(time)
    ? Date.parse(time.length === 17 ? time.replace('Z', ':00Z') : time)
    : NaN;
  if (Number.isNaN(at)) {
    throw new ApiError(
      400,
      'InvalidAutoReleaseTime.Malformed',
      'The specified AutoReleaseTime is not well formatted: yyyy-MM-ddTHH:mm:ssZ.',
    );
  }
  if (at < now + SHORTEST_RELEASE_MS || at > now + LONGEST_RELEASE_MS) {
    throw new ApiError(
      400,
      'InvalidAutoReleaseTime.Malformed',
      'The specified AutoReleaseTime must be at least 30 minutes and at most 3 years ahead.',
    );
  }
  return at - (at % 60_000);
}

/** Stock and price of the pool; returns what an hour costs. */
function checkMarket(context: Context, asked: LaunchRequest, vSwitch: VSwitch): number {
  const pool = poolAt(context.region, vSwitch.zoneId, asked.InstanceType);
  if (!pool) {
    throw new ApiError(
      403,
      'InvalidResourceType.NotSupported',
      'This resource type is not supported in the specified zone; try other resource types or zones.',
    );
  }
  if (stockOf(pool, asked.SpotStrategy !== 'NoSpot') === 'WithoutStock') {
    throw new ApiError(
      403,
      'OperationDenied.NoStock',
      'The requested resource is sold out in the specified zone; try other types of resources or other regions and zones.',
    );
  }
  if (asked.SpotStrategy === 'NoSpot') return pool.onDemandYuanPerHour;
  const price = spotPrice(pool, asked.SpotDuration);
  if (asked.SpotStrategy === 'SpotWithPriceLimit' && (asked.SpotPriceLimit ?? 0) < price) {
    throw new ApiError(
      400,
      'InvalidSpotPriceLimit.LowerThanPublicPrice',
      'The specified parameter "SpotPriceLimit" can\'t be lower than current public price.',
    );
  }
  return price;
}

function checkQuota(context: Context, asked: LaunchRequest, type: InstanceType): void {
  const spot = asked.SpotStrategy !== 'NoSpot';
  const limit = spot ? context.state.quotas.spotVcpus : context.state.quotas.postPaidVcpus;
  const used = usedVcpus(context.region.instances.values(), spot);
  if (used + asked.Amount * type.vcpus > limit) {
    throw new ApiError(
      403,
      'QuotaExceed.ElasticQuota',
      `The number of vCPUs of ${spot ? 'spot' : 'pay-as-you-go'} instances would exceed the quota (used ${used}, asked ${asked.Amount * type.vcpus}, quota ${limit}).`,
    );
  }
}

/** vCPUs of the spot instances, or of the others. */
export function usedVcpus(instances: Iterable<Instance>, spot: boolean): number {
  let used = 0;
  for (const instance of instances) {
    if ((instance.spotStrategy !== 'NoSpot') === spot) used += INSTANCE_TYPES.get(instance.instanceType)?.vcpus ?? 0;
  }
  return used;
}

function checkAddresses(context: Context, asked: LaunchRequest, vSwitch: VSwitch): void {
  if (freeAddressesOf(context, vSwitch) < asked.Amount) {
    throw new ApiError(
      400,
      'InvalidVSwitchId.IpNotEnough',
      'The number of available IP addresses in the specified vSwitch is not enough.',
    );
  }
}

/**
 * Addresses of the vSwitch's block that nothing has: the cloud keeps four (first one and last
 * three) for itself.
 */
export function freeAddressesOf(context: Context, vSwitch: VSwitch): number {
  const size = 2 ** (32 - Number(vSwitch.cidrBlock.split('/')[1]));
  let taken = 4 + vSwitch.foreignAddresses;
  for (const instance of context.region.instances.values()) if (instance.vSwitchId === vSwitch.vSwitchId) taken++;
  return Math.max(0, size - taken);
}
