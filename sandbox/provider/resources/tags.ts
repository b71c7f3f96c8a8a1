/** Tags as the cloud answers them, and their change afterwards. */
import { listParams, tagParams, type Answer, type Params } from '../api/client';
import type { Product } from '../settings';
import { isTemporary } from '../api/errors';
import { equal, stringMap, type Properties, type Value } from '../values';
import { retry } from '../waits';
import type { Context } from './resource';

/** `{Tag: [{TagKey, TagValue}]}`; VPC calls them Key and Value. */
export function readTags(tags: Answer): Record<string, string> {
  const list: readonly Answer[] = tags?.Tag ?? [];
  return Object.fromEntries(list.map((tag) => [tag.TagKey ?? tag.Key ?? '', tag.TagValue ?? tag.Value ?? '']));
}

/** `Tag.N.Key` and `Tag.N.Value` of a call that creates. */
export function createTagParams(inputs: Properties): Params {
  return tagParams(stringMap(inputs['tags']));
}

/** Removes what is no longer wanted and sets what is new. */
export async function changeTags(
  context: Context,
  resourceType: string,
  id: string,
  before: Value | undefined,
  after: Value | undefined,
  product: Product = 'ecs',
): Promise<void> {
  const old = stringMap(before);
  const wanted = stringMap(after);
  if (equal(old, wanted)) return;
  const resource = { ResourceType: resourceType, ...listParams('ResourceId', [id]) };
  const removed = Object.keys(old).filter((key) => !(key in wanted));
  const call = (action: string, params: Readonly<Record<string, string>>) =>
    retry(
      () => context.api.call(action, { ...resource, ...params }, { product }),
      { timeoutMs: context.timeouts.update, retryable: isTemporary },
      { clock: context.clock, sleeps: context.settings.sleeps },
    );
  const untag = product === 'vpc' ? 'UnTagResources' : 'UntagResources';
  if (removed.length > 0) await call(untag, listParams('TagKey', removed) as Record<string, string>);
  if (Object.keys(wanted).length > 0) await call('TagResources', tagParams(wanted) as Record<string, string>);
}
