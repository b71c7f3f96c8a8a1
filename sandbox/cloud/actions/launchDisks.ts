/**
 * The disks of an instance to be launched: what is left out, and what its type and image don't
 * take.
 */
import { leastSizeGiB, type DiskShape } from '../catalog/disks';
import type { InstanceType } from '../catalog/instanceTypes';
import type { Image } from '../model/records';
import { ApiError } from '../server/errors';
import type { LaunchRequest } from './launchRequest';

type DiskRequest = LaunchRequest['SystemDisk'];

/** The system disk first. Throws `ApiError` with the codes of RunInstances. */
export function disksFor(asked: LaunchRequest, type: InstanceType, image: Image): DiskShape[] {
  const system = shapeOf(asked.SystemDisk, type, Math.max(40, image.sizeGiB));
  if (system.sizeGiB < Math.max(leastSizeGiB(system), image.sizeGiB)) {
    throw new ApiError(
      400,
      'InvalidSystemDiskSize.LessThanImageSize',
      'The specified parameter SystemDisk.Size is less than the image size.',
    );
  }
  return [system, ...asked.DataDisk.map((disk) => shapeOf(disk, type, 40))];
}

/**
 * Since January 2026 the China site's default is an ESSD of PL0 where the type takes nothing older;
 * a named ESSD is PL1.
 */
function shapeOf({ Category, PerformanceLevel, Size }: DiskRequest, type: InstanceType, size: number): DiskShape {
  const takesUltra = type.disks.includes('cloud_efficiency');
  const category = Category ?? (takesUltra ? 'cloud_efficiency' : 'cloud_essd');
  if (!type.disks.some((one) => one === category)) {
    throw new ApiError(
      403,
      'InvalidSystemDiskCategory.ValueNotSupported',
      `The specified parameter "SystemDisk.Category" is not valid: ${type.name} does not take ${category}.`,
    );
  }
  const level = PerformanceLevel ?? (Category === undefined ? 'PL0' : 'PL1');
  return { category, performanceLevel: category === 'cloud_essd' ? level : '', sizeGiB: Size ?? size };
}
