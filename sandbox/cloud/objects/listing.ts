/** Lists of objects, in pages, with common prefixes. */
import { iso, type StoreAnswer, type StoreCall } from './answer';
import { bucketOf } from './buckets';
import { StoreError } from './errors';
import type { StoredObject } from './store';
import type { Xml } from './xml';

interface Page {
  readonly objects: readonly StoredObject[];
  readonly prefixes: readonly string[];
  /** The last key or prefix of the page, when more follow. */
  readonly next: string | undefined;
}

/** `after`: the key or common prefix with which the last page ended. */
function pageOf(all: readonly StoredObject[], prefix: string, delimiter: string, after: string, size: number): Page {
  const objects: StoredObject[] = [];
  const prefixes: string[] = [];
  let last = '';
  for (const object of all) {
    if (!object.key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
    const common = cut < 0 ? undefined : object.key.slice(0, cut + delimiter.length);
    const name = common ?? object.key;
    if (name <= after || name === last) continue;
    if (objects.length + prefixes.length === size) return { objects, prefixes, next: last };
    if (common === undefined) objects.push(object);
    else prefixes.push(common);
    last = name;
  }
  return { objects, prefixes, next: undefined };
}

function describe(object: StoredObject): { [name: string]: Xml } {
  return {
    Key: object.key,
    LastModified: iso(object.modifiedAt),
    ETag: `"${object.etag}"`,
    Size: object.size,
    StorageClass: 'Standard',
    Type: 'Normal',
  };
}

/** ListObjects and ListObjectsV2. */
export function listObjects(call: StoreCall): StoreAnswer {
  const { query, store } = call;
  const bucket = bucketOf(call).name;
  const two = query.get('list-type') === '2';
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const token = query.get('continuation-token');
  const after = two
    ? token === undefined
      ? (query.get('start-after') ?? '')
      : Buffer.from(token, 'base64url').toString()
    : (query.get('marker') ?? '');
  const size = sizeOf(query.get('max-keys'), two ? 1000 : 100);
  const { objects, prefixes, next } = pageOf(store.list(bucket), prefix, delimiter, after, size);
  const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : (text: string): string => text;
  const nextToken = next === undefined ? undefined : Buffer.from(next).toString('base64url');
  const fields: { [name: string]: Xml | undefined } = {
    Name: bucket,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxKeys: size,
    EncodingType: query.get('encoding-type'),
    IsTruncated: next !== undefined,
    ...(two
      ? { KeyCount: objects.length + prefixes.length, ContinuationToken: token, NextContinuationToken: nextToken }
      : { Marker: encode(after), NextMarker: next === undefined ? undefined : encode(next) }),
    Contents: objects.map((object) => ({ ...describe(object), Key: encode(object.key) })),
    CommonPrefixes: prefixes.map((one) => ({ Prefix: encode(one) })),
  };
  return { xml: { ListBucketResult: fields as { [name: string]: Xml } } };
}

/** Versions are not kept: each object is its own only version. */
export function listVersions(call: StoreCall): StoreAnswer {
  const { query, store } = call;
  const bucket = bucketOf(call).name;
  const size = sizeOf(query.get('max-keys'), 100);
  const { objects, next } = pageOf(
    store.list(bucket),
    query.get('prefix') ?? '',
    '',
    query.get('key-marker') ?? '',
    size,
  );
  const versions = objects.map((object) => ({ ...describe(object), VersionId: 'null', IsLatest: true }));
  const fields: { [name: string]: Xml | undefined } = {
    Name: bucket,
    Prefix: query.get('prefix') ?? '',
    MaxKeys: size,
    IsTruncated: next !== undefined,
    NextKeyMarker: next,
    Version: versions,
  };
  return { xml: { ListVersionsResult: fields as { [name: string]: Xml } } };
}

function sizeOf(text: string | undefined, usual: number): number {
  if (text === undefined || text === '') return usual;
  const size = Number(text);
  if (!Number.isInteger(size) || size < 0) throw new StoreError(400, 'InvalidArgument', 'max-keys is not valid.');
  return Math.min(size, 1000);
}
