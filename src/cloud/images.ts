import * as z from 'zod/mini';
import { CloudUnreachable, isNotFound } from './errors';
import { count, nested, number, tags, text } from './fields';
import { indexed } from './params';
import type { Params, Rpc } from './rpc';

/** What `gitlab-spot image` asks of the cloud beyond what jobs do. */
export interface Images {
  /**
   * The account's own images of a family (or of all families that this project made), newest first;
   * also those still being made.
   */
  own(family?: string): Promise<readonly OwnImage[]>;
  /** The newest image that the cloud itself offers in a family such as `acs:ubuntu_24_04_x64`. */
  newestPublic(family: string): Promise<string | undefined>;
  stop(instanceId: string): Promise<void>;
  create(instanceId: string, image: NewImage): Promise<string>;
  /** With its snapshots, which would be paid for ever. Idempotent. */
  remove(image: Pick<OwnImage, 'imageId' | 'snapshotIds'>): Promise<void>;
  /** Snapshots that a `remove` left behind, which was cut off or refused half-way. */
  removeRest(): Promise<void>;
}

export interface OwnImage {
  readonly imageId: string;
  readonly name: string;
  readonly family: string;
  readonly status: string;
  /** Percent. */
  readonly progress: number;
  readonly createdAt: string;
  readonly sizeGiB: number;
  readonly snapshotIds: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

export interface NewImage {
  readonly name: string;
  readonly family: string;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
}

const EVERY_STATUS = 'Creating,Waiting,Available,UnAvailable,CreateFailed';
const MADE_BY = { key: 'gitlab-spot', value: 'image' };
/** What a snapshot is marked with before its image goes: then nothing else names it. */
const TO_GO = { 'Tag.1.Key': 'gitlab-spot', 'Tag.1.Value': 'removed' };
const PAGE_SIZE = 100;

const imagesAnswer = z.object({
  TotalCount: count,
  Images: nested(
    'Image',
    z.object({
      ImageId: z.string(),
      ImageName: text,
      ImageFamily: text,
      Status: z.string(),
      Progress: text,
      CreationTime: text,
      Size: number,
      DiskDeviceMappings: nested('DiskDeviceMapping', z.object({ SnapshotId: text })),
      Tags: tags,
    }),
  ),
});
const snapshotsAnswer = z.object({
  Snapshots: nested('Snapshot', z.object({ SnapshotId: z.string(), Usage: text })),
});
const createAnswer = z.object({ ImageId: z.string() });

export function createImages(rpc: Pick<Rpc, 'call'>): Images {
  async function ask<S extends z.ZodMiniType>(action: string, params: Params, schema: S): Promise<z.output<S>> {
    const parsed = schema.safeParse(await rpc.call('ecs', action, params));
    if (parsed.success) return parsed.data;
    throw new CloudUnreachable(action, 'ecs', parsed.error, 'the answer has not the documented shape');
  }
  async function list(filter: Params): Promise<OwnImage[]> {
    const found: OwnImage[] = [];
    for (let page = 1; page <= 20; page++) {
      const answer = await ask('DescribeImages', { ...filter, PageNumber: page, PageSize: PAGE_SIZE }, imagesAnswer);
      found.push(...answer.Images.map(toImage));
      if (answer.Images.length === 0 || found.length >= answer.TotalCount) break;
    }
    return found.sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.name.localeCompare(a.name));
  }
  const gone = (action: string, params: Params) =>
    rpc.call('ecs', action, params).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  return {
    own: (family) =>
      list({
        ImageOwnerAlias: 'self',
        Status: EVERY_STATUS,
        ...(family === undefined
          ? { 'Tag.1.Key': MADE_BY.key, 'Tag.1.Value': MADE_BY.value }
          : { ImageFamily: family }),
      }),
    async newestPublic(family) {
      return (await list({ ImageOwnerAlias: 'system', ImageFamily: family }))[0]?.imageId;
    },
    async stop(instanceId) {
      await rpc.call('ecs', 'StopInstance', { InstanceId: instanceId });
    },
    async create(instanceId, { name, family, description, tags }) {
      const tagged = Object.entries(tags).flatMap(([key, value], index) => [
        [`Tag.${index + 1}.Key`, key],
        [`Tag.${index + 1}.Value`, value],
      ]);
      const params = { InstanceId: instanceId, ImageName: name, ImageFamily: family, Description: description };
      return (await ask('CreateImage', { ...params, ...Object.fromEntries(tagged) }, createAnswer)).ImageId;
    },
    async remove({ imageId, snapshotIds }) {
      const snapshots = indexed('ResourceId', snapshotIds);
      // A policy that lets only what is ours be tagged refuses it.
      if (snapshotIds.length > 0)
        await rpc
          .call('ecs', 'TagResources', { ResourceType: 'snapshot', ...snapshots, ...TO_GO })
          .catch(() => undefined);
      await gone('DeleteImage', { ImageId: imageId });
      for (const snapshotId of snapshotIds) await gone('DeleteSnapshot', { SnapshotId: snapshotId });
    },
    async removeRest() {
      const { Snapshots } = await ask('DescribeSnapshots', { ...TO_GO, PageSize: PAGE_SIZE }, snapshotsAnswer);
      for (const { SnapshotId, Usage } of Snapshots) if (Usage === 'none') await gone('DeleteSnapshot', { SnapshotId });
    },
  };
}

function toImage(one: z.output<typeof imagesAnswer>['Images'][number]): OwnImage {
  return {
    imageId: one.ImageId,
    name: one.ImageName,
    family: one.ImageFamily,
    status: one.Status,
    progress: Number.parseInt(one.Progress, 10) || 0,
    createdAt: one.CreationTime,
    sizeGiB: one.Size,
    snapshotIds: one.DiskDeviceMappings.map((disk) => disk.SnapshotId).filter((id) => id !== ''),
    tags: one.Tags,
  };
}
