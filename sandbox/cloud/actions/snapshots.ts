import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { Instance, Snapshot } from '../model/records';
import { ApiError, notFound } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { flag, hasTags, jsonList, page, paging, tagFilter, tagSet, text } from './fields';

/** The snapshot of an instance's system disk, taken for an image. */
export function addSnapshot(context: Context, instance: Instance, imageId: string): Snapshot {
  const now = context.clock.now();
  const snapshot: Snapshot = {
    snapshotId: context.random.id('s'),
    name: `Created_from_${imageId}`,
    sourceDiskId: instance.disks[0]?.diskId ?? '',
    sizeGiB: instance.disks[0]?.sizeGiB ?? 0,
    createdAt: now,
    availableAt: now + context.state.delays.imageMs,
    tags: {},
  };
  context.region.snapshots.set(snapshot.snapshotId, snapshot);
  return snapshot;
}

function hasImage(context: Context, snapshotId: string): boolean {
  return [...context.region.images.values()].some((image) => image.snapshotId === snapshotId);
}

function describe(context: Context, snapshot: Snapshot) {
  const done = snapshot.availableAt <= context.clock.now();
  return {
    SnapshotId: snapshot.snapshotId,
    SnapshotName: snapshot.name,
    Description: '',
    SourceDiskId: snapshot.sourceDiskId,
    SourceDiskSize: String(snapshot.sizeGiB),
    SourceDiskType: 'System',
    Status: done ? 'accomplished' : 'progressing',
    Progress: done ? '100%' : '0%',
    Usage: hasImage(context, snapshot.snapshotId) ? 'image' : 'none',
    Encrypted: false,
    InstantAccess: false,
    ProductCode: '',
    ResourceGroupId: '',
    SnapshotType: 'user',
    RetentionDays: 0,
    CreationTime: utcSeconds(snapshot.createdAt),
    Tags: tagSet(snapshot.tags),
  };
}

export const snapshotActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeSnapshots: action(
      z.object({ ...paging, SnapshotIds: jsonList.optional(), SnapshotName: text.optional(), Tag: tagFilter }),
      (context, wanted) => {
        const found = [...context.region.snapshots.values()].filter(
          (snapshot) =>
            (wanted.SnapshotIds === undefined || wanted.SnapshotIds.includes(snapshot.snapshotId)) &&
            (wanted.SnapshotName === undefined || snapshot.name === wanted.SnapshotName) &&
            hasTags(snapshot.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, Snapshots: { Snapshot: items.map((snapshot) => describe(context, snapshot)) } };
      },
    ),

    DeleteSnapshot: action(z.object({ SnapshotId: text, Force: flag.default(false) }), (context, asked) => {
      if (!context.region.snapshots.has(asked.SnapshotId)) throw notFound('InvalidSnapshotId.NotFound', 'SnapshotId');
      if (hasImage(context, asked.SnapshotId)) {
        throw new ApiError(403, 'SnapshotCreatedImage', 'The snapshot has been used to create a custom image.');
      }
      context.region.snapshots.delete(asked.SnapshotId);
    }),
  },
};
