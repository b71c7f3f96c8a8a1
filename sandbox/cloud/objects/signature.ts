/**
 * Who sends a request to the object store: AWS signature v4 (header or presigned URL), OSS
 * signature v4 (the same with other names), and OSS signature v1.
 * https://www.alibabacloud.com/help/en/oss/developer-reference/authorize-access-4
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { percentEncode } from '../server/signature';

/** What a signature is made over. */
export interface SignedRequest {
  readonly method: string;
  /** As sent, without the query. */
  readonly rawPath: string;
  /** As sent, decoded. */
  readonly query: ReadonlyMap<string, string>;
  readonly headers: IncomingHttpHeaders;
  /** `/bucket/key`, which the OSS signatures cover whatever the host name is. */
  readonly resource: string;
}

export interface Claim {
  readonly dialect: 'aws' | 'oss';
  readonly accessKeyId: string;
  readonly token: string | undefined;
  /** When a presigned URL ends, in milliseconds. */
  readonly endsAt: number | undefined;
  /** Whether the request is signed with this secret. */
  readonly isSignedWith: (secret: string) => boolean;
}

interface Scheme {
  readonly dialect: Claim['dialect'];
  readonly algorithm: string;
  readonly keyPrefix: string;
  readonly terminator: string;
  readonly queryPrefix: string;
  readonly dateHeader: string;
  readonly tokenHeader: string;
  readonly payloadHeader: string;
}

const AWS: Scheme = {
  dialect: 'aws',
  algorithm: 'AWS4-HMAC-SHA256',
  keyPrefix: 'AWS4',
  terminator: 'aws4_request',
  queryPrefix: 'X-Amz-',
  dateHeader: 'x-amz-date',
  tokenHeader: 'x-amz-security-token',
  payloadHeader: 'x-amz-content-sha256',
};

const OSS: Scheme = {
  dialect: 'oss',
  algorithm: 'OSS4-HMAC-SHA256',
  keyPrefix: 'aliyun_v4',
  terminator: 'aliyun_v4_request',
  queryPrefix: 'x-oss-',
  dateHeader: 'x-oss-date',
  tokenHeader: 'x-oss-security-token',
  payloadHeader: 'x-oss-content-sha256',
};

/** The claim that a request makes, or undefined for an anonymous one. */
export function claimOf(request: SignedRequest): Claim | undefined {
  const authorization = request.headers.authorization ?? '';
  for (const scheme of [AWS, OSS]) {
    if (authorization.startsWith(scheme.algorithm)) return fromHeader(scheme, request, authorization);
    if (request.query.has(`${scheme.queryPrefix}${scheme === AWS ? 'Signature' : 'signature'}`))
      return fromQuery(scheme, request);
  }
  if (authorization.startsWith('OSS ')) return versionOne(request, authorization);
  return undefined;
}

/** `Credential=ID/DAY/REGION/SERVICE/TERMINATOR, SignedHeaders=…, Signature=…` */
function fromHeader(scheme: Scheme, request: SignedRequest, authorization: string): Claim | undefined {
  const fields = new Map(
    authorization
      .slice(scheme.algorithm.length)
      .split(',')
      .map((field): [string, string] => [
        field.split('=')[0]?.trim() ?? '',
        field.slice(field.indexOf('=') + 1).trim(),
      ]),
  );
  const date = header(request, scheme.dateHeader) || isoDate(header(request, 'date'));
  const scope = (fields.get('Credential') ?? '').split('/');
  // Older clients don't say that they signed an empty body.
  const payload = header(request, scheme.payloadHeader) || (scheme === AWS ? sha256('') : 'UNSIGNED-PAYLOAD');
  const signedHeaders = (fields.get(scheme === AWS ? 'SignedHeaders' : 'AdditionalHeaders') ?? '')
    .split(';')
    .filter(Boolean);
  const canonical = canonicalRequest(scheme, request, signedHeaders, payload, new Set());
  return claim(
    scheme,
    scope,
    date,
    canonical,
    fields.get('Signature') ?? '',
    header(request, scheme.tokenHeader) || undefined,
    undefined,
  );
}

function fromQuery(scheme: Scheme, request: SignedRequest): Claim | undefined {
  const names =
    scheme === AWS
      ? ['Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature', 'Security-Token']
      : ['credential', 'date', 'expires', 'additional-headers', 'signature', 'security-token'];
  const [credential = '', date = '', expires = '', signed = '', signature = '', token = ''] = names.map(
    (name) => request.query.get(`${scheme.queryPrefix}${name}`) ?? '',
  );
  const canonical = canonicalRequest(
    scheme,
    request,
    signed.split(';').filter(Boolean),
    'UNSIGNED-PAYLOAD',
    new Set([`${scheme.queryPrefix}${names[4]}`]),
  );
  return claim(
    scheme,
    credential.split('/'),
    date,
    canonical,
    signature,
    token || undefined,
    timeOf(date) + Number(expires) * 1000,
  );
}

function claim(
  scheme: Scheme,
  scope: readonly string[],
  date: string,
  canonical: string,
  signature: string,
  token: string | undefined,
  endsAt: number | undefined,
): Claim | undefined {
  const [accessKeyId, day, region, service] = scope;
  if (!accessKeyId || day === undefined || region === undefined || service === undefined) return undefined;
  const text = [scheme.algorithm, date, `${day}/${region}/${service}/${scheme.terminator}`, sha256(canonical)].join(
    '\n',
  );
  const isSignedWith = (secret: string): boolean => {
    const key = [day, region, service, scheme.terminator].reduce<Buffer>(
      (last, part) => hmac(last, part),
      Buffer.from(`${scheme.keyPrefix}${secret}`),
    );
    return equal(hmac(key, text).toString('hex'), signature);
  };
  return { dialect: scheme.dialect, accessKeyId, token, endsAt, isSignedWith };
}

function canonicalRequest(
  scheme: Scheme,
  request: SignedRequest,
  signedHeaders: readonly string[],
  payload: string,
  leftOut: ReadonlySet<string>,
): string {
  const query = [...request.query]
    .filter(([name]) => !leftOut.has(name))
    .map(([name, value]): [string, string] => [percentEncode(name), percentEncode(value)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (scheme === AWS) {
    const headers = signedHeaders.map((name) => `${name}:${header(request, name).trim().replace(/ +/g, ' ')}\n`);
    return [
      request.method,
      request.rawPath,
      query.map((pair) => pair.join('=')).join('&'),
      headers.join(''),
      signedHeaders.join(';'),
      payload,
    ].join('\n');
  }
  // OSS signs all of its own headers, and writes a parameter without value without the equals sign.
  const own = Object.keys(request.headers).filter(
    (name) =>
      name.startsWith('x-oss-') || name === 'content-type' || name === 'content-md5' || signedHeaders.includes(name),
  );
  const headers = own.sort().map((name) => `${name}:${header(request, name).trim()}\n`);
  const parameters = query.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&');
  return [
    request.method,
    encodedPath(request.resource),
    parameters,
    headers.join(''),
    signedHeaders.join(';'),
    payload,
  ].join('\n');
}

/** Parameters that are part of the resource in signature v1. */
const SUB_RESOURCES = new Set(
  'acl,uploads,location,cors,logging,website,referer,lifecycle,delete,append,tagging,objectMeta,uploadId,partNumber,security-token,position,versions,versioning,versionId,policy,encryption,bucketInfo,stat,transferAcceleration,resourceGroup,continuation-token,response-content-type,response-content-disposition'.split(
    ',',
  ),
);

function versionOne(request: SignedRequest, authorization: string): Claim {
  const [accessKeyId = '', signature = ''] = authorization.slice('OSS '.length).split(':');
  const own = Object.keys(request.headers)
    .filter((name) => name.startsWith('x-oss-'))
    .sort();
  const parameters = [...request.query]
    .filter(([name]) => SUB_RESOURCES.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  const text = [
    request.method,
    header(request, 'content-md5'),
    header(request, 'content-type'),
    header(request, 'date'),
    `${own.map((name) => `${name}:${header(request, name)}\n`).join('')}${request.resource}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`,
  ].join('\n');
  return {
    dialect: 'oss',
    accessKeyId,
    token: header(request, OSS.tokenHeader) || undefined,
    endsAt: undefined,
    isSignedWith: (secret) => equal(createHmac('sha1', secret).update(text).digest('base64'), signature),
  };
}

function header(request: SignedRequest, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

function encodedPath(path: string): string {
  return path.split('/').map(percentEncode).join('/');
}

function isoDate(date: string): string {
  const time = Date.parse(date);
  return Number.isNaN(time) ? '' : date;
}

/** `20261124T151300Z` in milliseconds. */
function timeOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
