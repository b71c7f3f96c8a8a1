/** A request to the object store: which bucket, which key, what of it. */
import type { IncomingMessage } from 'node:http';

export interface ObjectRequest {
  readonly method: string;
  readonly rawPath: string;
  readonly query: ReadonlyMap<string, string>;
  readonly bucket: string;
  readonly key: string;
  /** `/bucket/key` */
  readonly resource: string;
}

/**
 * `BUCKET.oss-REGION.aliyuncs.com` and `BUCKET.localhost` name the bucket in the host; elsewhere it
 * is the first part of the path.
 */
const BUCKET_HOST = /^([a-z0-9][a-z0-9-]{1,61}[a-z0-9])\.(oss[.-][a-z0-9.-]*|s3[.-][a-z0-9.-]*|localhost)(:\d+)?$/;

export function objectRequest(request: IncomingMessage): ObjectRequest {
  const [rawPath = '/', rawQuery = ''] = splitOnce(request.url ?? '/', '?');
  const path = decode(rawPath);
  const inHost = BUCKET_HOST.exec(request.headers.host ?? '')?.[1];
  const [first, rest] = splitOnce(path.slice(1), '/');
  const bucket = inHost ?? first;
  const key = inHost === undefined ? rest : path.slice(1);
  return {
    method: request.method ?? 'GET',
    rawPath,
    query: parseQuery(rawQuery),
    bucket,
    key,
    resource: bucket === '' ? '/' : `/${bucket}/${key}`,
  };
}

function parseQuery(query: string): ReadonlyMap<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [name, value] = splitOnce(pair, '=');
      return [decode(name.replace(/\+/g, ' ')), decode(value.replace(/\+/g, ' '))];
    }),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
