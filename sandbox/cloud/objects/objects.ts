/** Operations on objects. */
import { createReadStream } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { iso, type StoreAnswer, type StoreCall } from './answer';
import { AwsChunkedDecoder } from './awsChunked';
import { bucketOf } from './buckets';
import { noSuchKey, noSuchUpload, StoreError } from './errors';
import type { StoredObject } from './store';
import { textsOf } from './xml';

const KEPT_HEADERS = /^(content-(type|disposition|language|encoding)|cache-control|expires|x-(amz|oss)-meta-.*)$/;

/** The headers that come back with the object. */
function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(
    (entry): entry is [string, string] => KEPT_HEADERS.test(entry[0]) && typeof entry[1] === 'string',
  );
  return Object.fromEntries(
    kept
      .map(([name, value]) => [name, name === 'content-encoding' ? value.replace(/,? ?aws-chunked,? ?/, '') : value])
      .filter(([, value]) => value !== ''),
  ) as Record<string, string>;
}

function bodyOf({ request }: StoreCall): Readable {
  const framed =
    String(request.headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-') ||
    String(request.headers['content-encoding'] ?? '').includes('aws-chunked');
  return framed ? request.pipe(new AwsChunkedDecoder()) : request;
}

function find(call: StoreCall): StoredObject {
  const object = call.store.find(bucketOf(call).name, call.key);
  if (!object) throw noSuchKey();
  return object;
}

function headersOf(object: StoredObject): Record<string, string> {
  return {
    'content-type': 'application/octet-stream',
    ...object.headers,
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedAt).toUTCString(),
    'accept-ranges': 'bytes',
  };
}

/** GetObject and HeadObject, whole or one range. */
export function getObject(call: StoreCall): StoreAnswer {
  const object = find(call);
  const { headers } = call.request;
  if (headers['if-match'] !== undefined && !sameTag(headers['if-match'], object)) {
    throw new StoreError(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.');
  }
  if (headers['if-none-match'] !== undefined && sameTag(headers['if-none-match'], object)) {
    return { status: 304, headers: headersOf(object) };
  }
  const path = call.store.fileOf(call.bucket, call.key);
  const range = rangeOf(headers.range, object.size);
  if (!range) return { headers: headersOf(object), file: { path, start: 0, end: object.size - 1 } };
  const contentRange = `bytes ${range.start}-${range.end}/${object.size}`;
  return { status: 206, headers: { ...headersOf(object), 'content-range': contentRange }, file: { path, ...range } };
}

function sameTag(header: string, object: StoredObject): boolean {
  return (
    header === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '').replace(/"/g, '') === object.etag)
  );
}

/** Undefined: all of it. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (start > end) throw new StoreError(416, 'InvalidRange', 'The requested range cannot be satisfied.');
  return { start, end };
}

/** Refuses to write over an object where the request says so. */
function checkOverwrite({ store, bucket, key, request }: StoreCall): void {
  if (!store.find(bucket, key)) return;
  if (request.headers['if-none-match'] === '*') {
    throw new StoreError(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.');
  }
  if (request.headers['x-oss-forbid-overwrite'] === 'true') {
    throw new StoreError(
      409,
      'FileAlreadyExists',
      'The object you specified already exists and can not be overwritten.',
    );
  }
}

export async function putObject(call: StoreCall): Promise<StoreAnswer> {
  bucketOf(call);
  const source = call.request.headers['x-amz-copy-source'] ?? call.request.headers['x-oss-copy-source'];
  if (typeof source === 'string') return copyObject(call, source);
  checkOverwrite(call);
  const body = await call.store.receive(bodyOf(call));
  checkOverwrite(call);
  const object = call.store.put(call.bucket, call.key, body, keptHeaders(call.request.headers));
  return { headers: { etag: `"${object.etag}"` } };
}

async function copyObject(call: StoreCall, source: string): Promise<StoreAnswer> {
  const [bucket = '', ...rest] = decodeURIComponent(source).replace(/^\//, '').split('/');
  const original = call.store.find(bucket, rest.join('/'));
  if (!original) throw noSuchKey();
  const body = await call.store.receive(createReadStream(call.store.fileOf(bucket, original.key)));
  const copy = call.store.put(call.bucket, call.key, body, original.headers, original.etag);
  return { xml: { CopyObjectResult: { LastModified: iso(copy.modifiedAt), ETag: `"${copy.etag}"` } } };
}

/** No error where there is none. */
export function deleteObject(call: StoreCall): StoreAnswer {
  call.store.delete(bucketOf(call).name, call.key);
  return { status: 204 };
}

export async function deleteObjects(call: StoreCall): Promise<StoreAnswer> {
  const bucket = bucketOf(call).name;
  const body = await readText(bodyOf(call));
  const keys = textsOf(body, 'Key');
  for (const key of keys) call.store.delete(bucket, key);
  const quiet = textsOf(body, 'Quiet')[0] === 'true';
  return { xml: { DeleteResult: { Deleted: quiet ? [] : keys.map((Key) => ({ Key })) } } };
}

export function startUpload(call: StoreCall): StoreAnswer {
  const UploadId = call.store.startUpload(bucketOf(call).name, call.key, keptHeaders(call.request.headers));
  return { xml: { InitiateMultipartUploadResult: { Bucket: call.bucket, Key: call.key, UploadId } } };
}

function uploadOf(call: StoreCall) {
  const id = call.query.get('uploadId') ?? '';
  const upload = call.store.upload(id);
  if (!upload || upload.bucket !== call.bucket || upload.key !== call.key) throw noSuchUpload();
  return { id, upload };
}

export async function putPart(call: StoreCall): Promise<StoreAnswer> {
  const { upload } = uploadOf(call);
  const body = await call.store.receive(bodyOf(call));
  upload.parts.set(Number(call.query.get('partNumber')), body);
  return { headers: { etag: `"${body.md5.toString('hex')}"` } };
}

export async function finishUpload(call: StoreCall): Promise<StoreAnswer> {
  const { id, upload } = uploadOf(call);
  const numbers = textsOf(await readText(bodyOf(call)), 'PartNumber').map(Number);
  if (numbers.length === 0 || numbers.some((number) => !upload.parts.has(number))) {
    throw new StoreError(400, 'InvalidPart', 'One or more of the specified parts could not be found.');
  }
  checkOverwrite(call);
  const object = await call.store.finishUpload(id, upload, numbers);
  const result = { Location: call.rawPath, Bucket: call.bucket, Key: call.key, ETag: `"${object.etag}"` };
  return { xml: { CompleteMultipartUploadResult: result } };
}

export function dropUpload(call: StoreCall): StoreAnswer {
  call.store.dropUpload(uploadOf(call).id);
  return { status: 204 };
}
