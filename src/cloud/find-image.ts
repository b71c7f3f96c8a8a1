import type * as z from 'zod/mini';
import { toImage, type describeImages } from './answers';
import type { Params } from './rpc';
import type { CloudImage, InstanceSize } from './types';

type ImageAnswer = z.output<typeof describeImages>['Images'][number];

/**
 * The newest available image of that family or name, our own before the cloud's; any by its id.
 * @param images asks DescribeImages for what is available
 */
export async function findImage(
  nameOrId: string,
  images: (filter: Params) => Promise<readonly ImageAnswer[]>,
  architecture?: InstanceSize['architecture'],
): Promise<CloudImage | undefined> {
  const list = (filter: Params) =>
    images({ ...filter, ...(architecture === undefined ? {} : { Architecture: architecture }) });
  if (/^m-|\.vhd$/.test(nameOrId)) return newest(await list({ ImageId: nameOrId }));
  // Whoever shares an image with the account chooses its name: others' images are taken by their id
  // alone.
  for (const ImageOwnerAlias of ['self', 'system']) {
    const family = await list({ ImageFamily: nameOrId, ImageOwnerAlias });
    if (family.length > 0) return newest(family);
    // The API also answers names that only contain this one.
    const named = (await list({ ImageName: nameOrId, ImageOwnerAlias })).filter((one) => one.ImageName === nameOrId);
    if (named.length > 0) return newest(named);
  }
  return undefined;
}

function newest(images: readonly ImageAnswer[]): CloudImage | undefined {
  const first = [...images].sort((a, b) => b.CreationTime.localeCompare(a.CreationTime))[0];
  return first && toImage(first);
}
