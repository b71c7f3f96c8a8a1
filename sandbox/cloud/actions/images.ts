import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { Image } from '../model/records';
import { ApiError, notFound, refuseDryRun } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { instanceOf } from './describeInstances';
import { flag, hasTags, matchesPattern, newTags, page, paging, tagFilter, tagSet, text } from './fields';
import { newestOfFamily } from './launchChecks';
import { addSnapshot } from './snapshots';

function imageOf(context: Context, imageId: string): Image {
  const image = context.region.images.get(imageId);
  if (!image) throw notFound('InvalidImageId.NotFound', 'ImageId');
  return image;
}

function progress(image: Image, now: number): number {
  if (image.availableAt <= now) return 100;
  return Math.min(99, Math.floor(((now - image.createdAt) / (image.availableAt - image.createdAt)) * 100));
}

/** What DescribeImages and DescribeImageFromFamily both tell. */
function inFamily(context: Context, image: Image) {
  const done = progress(image, context.clock.now());
  const disk = { SnapshotId: image.snapshotId, Type: 'system', Size: String(image.sizeGiB), Device: '/dev/xvda' };
  return {
    ImageId: image.imageId,
    ImageName: image.name,
    ImageFamily: image.family,
    ImageOwnerAlias: image.owner,
    ImageVersion: '',
    Description: image.description,
    Architecture: image.architecture,
    OSName: image.osName,
    OSType: 'linux',
    Platform: image.platform,
    Size: image.sizeGiB,
    Status: done === 100 ? 'Available' : 'Creating',
    Progress: `${done}%`,
    Usage: [...context.region.instances.values()].some((one) => one.imageId === image.imageId) ? 'instance' : 'none',
    IsSupportCloudinit: true,
    IsSupportIoOptimized: true,
    IsSubscribed: false,
    IsCopied: false,
    IsSelfShared: '',
    ProductCode: '',
    CreationTime: utcSeconds(image.createdAt),
    DiskDeviceMappings: { DiskDeviceMapping: image.snapshotId ? [{ ...disk, Format: '' }] : [] },
    Tags: tagSet(image.tags),
  };
}

function describe(context: Context, image: Image) {
  const common = inFamily(context, image);
  const mappings = common.DiskDeviceMappings.DiskDeviceMapping;
  return {
    ...common,
    ImageOwnerId: image.owner === 'self' ? Number(context.state.accountId) : 0,
    OSNameEn: image.osName,
    IsPublic: image.owner === 'system',
    BootMode: 'BIOS',
    ResourceGroupId: '',
    DiskDeviceMappings: { DiskDeviceMapping: mappings.map((one) => ({ ...one, Progress: common.Progress })) },
    Features: { NvmeSupport: 'supported', ImdsSupport: image.imdsSupport },
  };
}

const filters = z.object({
  ...paging,
  ImageId: text.optional(),
  ImageName: text.optional(),
  ImageFamily: text.optional(),
  ImageOwnerAlias: text.optional(),
  Status: text.optional(),
  Architecture: text.optional(),
  OSType: text.optional(),
  SnapshotId: text.optional(),
  Tag: tagFilter,
});

function matches(context: Context, image: Image, wanted: z.output<typeof filters>): boolean {
  const status = image.availableAt <= context.clock.now() ? 'Available' : 'Creating';
  // Without Status the API answers what is available only.
  const statuses = (wanted.Status ?? 'Available').split(',');
  return (
    (wanted.ImageId === undefined || wanted.ImageId.split(',').includes(image.imageId)) &&
    // "Fuzzy search is supported": names that only contain it match as well.
    (wanted.ImageName === undefined || matchesPattern(image.name, `*${wanted.ImageName}*`)) &&
    (wanted.ImageFamily === undefined || image.family === wanted.ImageFamily) &&
    (wanted.ImageOwnerAlias === undefined || image.owner === wanted.ImageOwnerAlias) &&
    (wanted.Architecture === undefined || image.architecture === wanted.Architecture) &&
    (wanted.OSType === undefined || wanted.OSType === 'linux') &&
    (wanted.SnapshotId === undefined || image.snapshotId === wanted.SnapshotId) &&
    statuses.includes(status) &&
    hasTags(image.tags, wanted.Tag)
  );
}

export const imageActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeImages: action(filters, (context, wanted) => {
      const found = [...context.region.images.values()]
        .filter((image) => matches(context, image, wanted))
        .sort((a, b) => b.createdAt - a.createdAt);
      const { items, fields } = page(found, wanted, 10);
      return {
        ...fields,
        RegionId: context.regionId,
        Images: { Image: items.map((image) => describe(context, image)) },
      };
    }),

    DescribeImageFromFamily: action(z.object({ ImageFamily: text }), (context, wanted) => {
      const newest = newestOfFamily(context.region.images.values(), wanted.ImageFamily, context.clock.now());
      return { Image: newest ? inFamily(context, newest) : {} };
    }),

    /** From an instance that is Running or Stopped; Available after `imageMs`. */
    CreateImage: action(
      z.object({
        InstanceId: text,
        ImageName: text.optional(),
        ImageFamily: text.default(''),
        Description: text.default(''),
        Features: z.object({ ImdsSupport: z.enum(['v1', 'v2']).optional() }).default({}),
        DryRun: flag.default(false),
        Tag: newTags,
      }),
      (context, asked) => {
        const instance = instanceOf(context, asked.InstanceId);
        if (instance.status !== 'Running' && instance.status !== 'Stopped') {
          throw new ApiError(
            403,
            'IncorrectInstanceStatus',
            'The current status of the resource does not support this operation.',
          );
        }
        const imageId = context.random.id('m');
        const name = asked.ImageName ?? imageId;
        if ([...context.region.images.values()].some((image) => image.owner === 'self' && image.name === name)) {
          throw new ApiError(400, 'InvalidImageName.Duplicated', 'The specified Image name has already bean used.');
        }
        refuseDryRun(asked);
        const source = context.region.images.get(instance.imageId);
        const now = context.clock.now();
        const snapshot = addSnapshot(context, instance, imageId);
        context.region.images.set(imageId, {
          imageId,
          name,
          description: asked.Description,
          family: asked.ImageFamily,
          owner: 'self',
          architecture: source?.architecture ?? 'x86_64',
          imdsSupport: asked.Features.ImdsSupport ?? source?.imdsSupport ?? 'v1',
          osName: source?.osName ?? '',
          platform: source?.platform ?? '',
          sizeGiB: instance.disks[0]?.sizeGiB ?? 40,
          createdAt: now,
          availableAt: snapshot.availableAt,
          snapshotId: snapshot.snapshotId,
          sourceInstanceId: instance.instanceId,
          tags: asked.Tag,
        });
        return { ImageId: imageId };
      },
    ),

    /** The snapshot it was made of stays. */
    DeleteImage: action(z.object({ ImageId: text, Force: flag.default(false) }), (context, asked) => {
      const image = context.region.images.get(asked.ImageId);
      // "If the specified custom image does not exist, the request is ignored."
      if (!image) return;
      if (image.owner !== 'self') {
        throw new ApiError(403, 'InvalidImageId.NotOwned', 'The specified image is not owned by the account.');
      }
      const used = [...context.region.instances.values()].some((one) => one.imageId === image.imageId);
      if (used && !asked.Force) {
        throw new ApiError(
          403,
          'ImageUsingByInstance',
          'The specified image is being used by instances; use Force to delete it.',
        );
      }
      context.region.images.delete(image.imageId);
    }),

    ModifyImageAttribute: action(
      z.object({
        ImageId: text,
        ImageName: text.optional(),
        ImageFamily: text.optional(),
        Description: text.optional(),
      }),
      (context, asked) => {
        const image = imageOf(context, asked.ImageId);
        image.name = asked.ImageName ?? image.name;
        image.family = asked.ImageFamily ?? image.family;
        image.description = asked.Description ?? image.description;
      },
    ),
  },
};
