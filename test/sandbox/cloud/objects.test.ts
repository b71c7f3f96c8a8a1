import { createHash, createHmac } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { AwsChunkedDecoder } from '../../../sandbox/cloud/objects/awsChunked';
import { percentEncode } from '../../../sandbox/cloud/server/signature';
import { bucketGiB } from '../../../src/cloud/bucket-size';
import { clientOf } from '../../support/cloud-client';
import { TestCloud } from './support';

let cloud: TestCloud;
beforeAll(async () => (cloud = await TestCloud.start()));
afterAll(() => cloud.stop());

interface Request {
  readonly query?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly as?: { readonly keyId: string; readonly secret: string };
}

const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** The steps of both v4 signatures after the canonical request. */
function signature(
  prefix: string,
  algorithm: string,
  scope: string,
  date: string,
  secret: string,
  canonical: string,
): string {
  const key = scope.split('/').reduce<string | Buffer>((last, part) => hmac(last, part), `${prefix}${secret}`);
  return hmac(key as Buffer, [algorithm, date, scope, sha256(canonical)].join('\n')).toString('hex');
}

function now(): string {
  return new Date(cloud.clock.now()).toISOString().replace(/[-:]|\.\d+/g, '');
}

function queryOf(query: Record<string, string>): string {
  return Object.entries(query)
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .sort()
    .join('&');
}

/** A request as an S3 client signs it. */
async function s3(method: string, resource: string, request: Request = {}) {
  const { keyId, secret } = request.as ?? { keyId: cloud.info.accessKeyId, secret: cloud.info.accessKeySecret };
  const path = resource.split('/').map(percentEncode).join('/');
  const query = queryOf(request.query ?? {});
  const date = now();
  const scope = `${date.slice(0, 8)}/cn-hangzhou/s3/aws4_request`;
  const payload = sha256(request.body ?? '');
  const headers: Record<string, string> = {
    host: cloud.info.endpoint,
    'x-amz-content-sha256': payload,
    'x-amz-date': date,
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    path,
    query,
    names.map((name) => `${name}:${headers[name]}\n`).join(''),
    names.join(';'),
    payload,
  ].join('\n');
  const Signature = signature('AWS4', 'AWS4-HMAC-SHA256', scope, date, secret, canonical);
  const authorization = `AWS4-HMAC-SHA256 Credential=${keyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${Signature}`;
  return fetch(`http://${cloud.info.endpoint}${path}?${query}`, {
    method,
    headers: { ...request.headers, ...headers, authorization },
    // Text would bring a Content-Type of its own, which OSS signs.
    ...(request.body === undefined ? {} : { body: Buffer.from(request.body as string) }),
  });
}

/** A request as an OSS client signs it. */
async function oss(method: string, resource: string, request: Request = {}) {
  const { keyId, secret } = request.as ?? { keyId: cloud.info.accessKeyId, secret: cloud.info.accessKeySecret };
  const date = now();
  const scope = `${date.slice(0, 8)}/cn-hangzhou/oss/aliyun_v4_request`;
  const own: Record<string, string> = {
    ...request.headers,
    'x-oss-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-oss-date': date,
  };
  const signed = Object.keys(own)
    .sort()
    .map((name) => `${name}:${own[name]}\n`);
  const query = queryOf(request.query ?? {}).replace(/=(?=&|$)/g, '');
  const canonical = [method, resource, query, signed.join(''), '', 'UNSIGNED-PAYLOAD'].join('\n');
  const Signature = signature('aliyun_v4', 'OSS4-HMAC-SHA256', scope, date, secret, canonical);
  return fetch(`http://${cloud.info.endpoint}${resource}?${query}`, {
    method,
    headers: { ...own, authorization: `OSS4-HMAC-SHA256 Credential=${keyId}/${scope},Signature=${Signature}` },
    // Text would bring a Content-Type of its own, which OSS signs.
    ...(request.body === undefined ? {} : { body: Buffer.from(request.body as string) }),
  });
}

const codeOf = async (response: Response): Promise<string> =>
  /<Code>(.*)<\/Code>/.exec(await response.text())?.[1] ?? 'no error';
const keysOf = (xml: string, name = 'Key'): string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]+)</${name}>`, 'g'))].map((match) => match[1] ?? '');

let buckets = 0;
async function bucket(): Promise<string> {
  const name = `bucket-${++buckets}`;
  expect((await s3('PUT', `/${name}`)).status).toBe(200);
  return name;
}

test('CloudMonitor tells how large a bucket is', async () => {
  const name = await bucket();
  for (const key of ['a', 'b']) await s3('PUT', `/${name}/${key}`, { body: Buffer.alloc(2 ** 20) });
  const { rpc } = clientOf(cloud);
  await expect(bucketGiB(rpc, name)).resolves.toBe(2 / 1024);
  await expect(bucketGiB(rpc, 'none')).resolves.toBeUndefined();
});

describe('an object', () => {
  test.each(['a.txt', 'folder/a b+c&d=e.txt', '价格/æ.json', '.pulumi/stacks/x/one.json'])(
    'named %s comes back as it was put',
    async (key) => {
      const name = await bucket();
      const put = await s3('PUT', `/${name}/${key}`, {
        body: 'hello',
        headers: { 'content-type': 'text/x-test', 'x-amz-meta-a': '1' },
      });
      expect(put.headers.get('etag')).toBe(`"${createHash('md5').update('hello').digest('hex')}"`);
      const got = await s3('GET', `/${name}/${key}`);
      expect(await got.text()).toBe('hello');
      expect(got.headers.get('content-type')).toBe('text/x-test');
      expect(got.headers.get('x-amz-meta-a')).toBe('1');
      const head = await s3('HEAD', `/${name}/${key}`);
      expect(head.headers.get('content-length')).toBe('5');
      expect((await s3('DELETE', `/${name}/${key}`)).status).toBe(204);
      expect(await codeOf(await s3('GET', `/${name}/${key}`))).toBe('NoSuchKey');
    },
  );

  test.each([
    ['bytes=1-3', 206, 'ell'],
    ['bytes=3-', 206, 'lo'],
    ['bytes=-2', 206, 'lo'],
    ['bytes=0-99', 206, 'hello'],
    ['bytes=9-', 416, ''],
  ])('gives the range %s', async (range, status, body) => {
    const name = await bucket();
    await s3('PUT', `/${name}/a`, { body: 'hello' });
    const got = await s3('GET', `/${name}/a`, { headers: { range } });
    expect(got.status).toBe(status);
    if (status === 206) expect(await got.text()).toBe(body);
  });

  test('is not written over where the request says so', async () => {
    const name = await bucket();
    const once = { body: '1', headers: { 'if-none-match': '*' } };
    expect((await s3('PUT', `/${name}/lock`, once)).status).toBe(200);
    expect(await codeOf(await s3('PUT', `/${name}/lock`, once))).toBe('PreconditionFailed');
    expect(
      await codeOf(await oss('PUT', `/${name}/lock`, { body: '1', headers: { 'x-oss-forbid-overwrite': 'true' } })),
    ).toBe('FileAlreadyExists');
  });

  test('can be copied, and sent in parts', async () => {
    const name = await bucket();
    await s3('PUT', `/${name}/from`, { body: 'copy me' });
    await s3('PUT', `/${name}/to`, { headers: { 'x-amz-copy-source': `/${name}/from` } });
    expect(await (await s3('GET', `/${name}/to`)).text()).toBe('copy me');
    const started = await (await s3('POST', `/${name}/big`, { query: { uploads: '' } })).text();
    const uploadId = keysOf(started, 'UploadId')[0] ?? '';
    for (const [partNumber, body] of [
      ['2', 'world'],
      ['1', 'hello '],
    ] as const) {
      expect((await s3('PUT', `/${name}/big`, { query: { partNumber, uploadId }, body })).status).toBe(200);
    }
    const parts =
      '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>';
    const done = await (await s3('POST', `/${name}/big`, { query: { uploadId }, body: parts })).text();
    expect(keysOf(done, 'ETag')[0]).toMatch(/^&#34;[0-9a-f]{32}-2&#34;$/);
    expect(await (await s3('GET', `/${name}/big`)).text()).toBe('hello world');
    expect(await codeOf(await s3('POST', `/${name}/big`, { query: { uploadId }, body: parts }))).toBe('NoSuchUpload');
  });

  test('survives a restart', async () => {
    const name = await bucket();
    await s3('PUT', `/${name}/kept`, { body: 'still here' });
    await cloud.restart();
    expect(await (await s3('GET', `/${name}/kept`)).text()).toBe('still here');
  });
});

describe('a list of objects', () => {
  test('comes in pages, with common prefixes, in the order of the keys', async () => {
    const name = await bucket();
    for (const key of ['b/2', 'a', 'b/1', 'c', 'b/x/1', 'd/1']) await s3('PUT', `/${name}/${key}`, { body: key });
    const all = await (await s3('GET', `/${name}`, { query: { 'list-type': '2' } })).text();
    expect(keysOf(all)).toEqual(['a', 'b/1', 'b/2', 'b/x/1', 'c', 'd/1']);
    const seen: string[] = [];
    let token: string | undefined;
    do {
      const query = {
        'list-type': '2',
        delimiter: '/',
        'max-keys': '1',
        ...(token ? { 'continuation-token': token } : {}),
      };
      const xml = await (await s3('GET', `/${name}`, { query })).text();
      seen.push(...keysOf(xml), ...keysOf(xml.replace(/<ListBucketResult>.*?<KeyCount>/s, ''), 'Prefix'));
      token = keysOf(xml, 'NextContinuationToken')[0];
    } while (token);
    expect(seen).toEqual(['a', 'b/', 'c', 'd/']);
  });
});

describe('a bucket', () => {
  test('goes when it is empty, and not before', async () => {
    const name = await bucket();
    await s3('PUT', `/${name}/a&b`, { body: 'x' });
    expect(await codeOf(await s3('DELETE', `/${name}`))).toBe('BucketNotEmpty');
    await s3('POST', `/${name}`, {
      query: { delete: '' },
      body: '<Delete><Object><Key>a&amp;b</Key></Object></Delete>',
    });
    expect((await s3('DELETE', `/${name}`)).status).toBe(204);
    expect(await codeOf(await s3('GET', `/${name}`))).toBe('NoSuchBucket');
  });

  test('gives its settings back as they were put, and says which it does not have', async () => {
    const name = await bucket();
    const rules = '<LifecycleConfiguration><Rule><ID>expire</ID></Rule></LifecycleConfiguration>';
    expect(await codeOf(await oss('GET', `/${name}/`, { query: { lifecycle: '' } }))).toBe('NoSuchLifecycle');
    await oss('PUT', `/${name}/`, { query: { lifecycle: '' }, body: rules });
    expect(await (await oss('GET', `/${name}/`, { query: { lifecycle: '' } })).text()).toBe(rules);
    await oss('DELETE', `/${name}/`, { query: { lifecycle: '' } });
    expect(await codeOf(await oss('GET', `/${name}/`, { query: { lifecycle: '' } }))).toBe('NoSuchLifecycle');
  });

  test('is listed, and described', async () => {
    const name = await bucket();
    const listed = await (await oss('GET', '/', { query: { prefix: name } })).text();
    expect(keysOf(listed, 'Name')).toEqual([name]);
    const info = await (await oss('GET', `/${name}/`, { query: { bucketInfo: '' } })).text();
    expect(info).toContain('<Location>oss-cn-hangzhou</Location>');
    expect(info).toContain('<AccessControlList><Grant>private</Grant></AccessControlList>');
  });
});

describe('access', () => {
  test.each([
    ['anonymous', undefined, 'AccessDenied'],
    ['with an unknown key', { keyId: 'nobody', secret: 'x' }, 'InvalidAccessKeyId'],
    ['with a wrong secret', 'wrong secret', 'SignatureDoesNotMatch'],
  ])('%s is refused', async (_name, as, code) => {
    const name = await bucket();
    const credentials = as === 'wrong secret' ? { keyId: cloud.info.accessKeyId, secret: 'wrong' } : as;
    const response =
      typeof credentials === 'object'
        ? await s3('GET', `/${name}`, { as: credentials })
        : await fetch(`http://${cloud.info.endpoint}/${name}`);
    expect(response.status).toBe(403);
    expect(await codeOf(response)).toBe(code);
  });

  test('is what the policy grants, bucket by bucket', async () => {
    const [mine, other] = [await bucket(), await bucket()];
    const { secret } = await cloud.control.addAccessKeyWithPolicy('cache-only', {
      Version: '1',
      Statement: [{ Effect: 'Allow', Action: ['oss:GetObject', 'oss:PutObject'], Resource: [`acs:oss:*:*:${mine}/*`] }],
    });
    const as = { keyId: 'cache-only', secret };
    expect((await s3('PUT', `/${mine}/a`, { body: 'x', as })).status).toBe(200);
    expect((await s3('GET', `/${mine}/a`, { as })).status).toBe(200);
    expect(await codeOf(await s3('DELETE', `/${mine}/a`, { as }))).toBe('AccessDenied');
    expect(await codeOf(await s3('PUT', `/${other}/a`, { body: 'x', as }))).toBe('AccessDenied');
  });

  test('by a presigned URL works until it ends', async () => {
    const name = await bucket();
    await s3('PUT', `/${name}/cache.zip`, { body: 'zip' });
    const date = now();
    const scope = `${date.slice(0, 8)}/cn-hangzhou/s3/aws4_request`;
    const query = queryOf({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${cloud.info.accessKeyId}/${scope}`,
      'X-Amz-Date': date,
      'X-Amz-Expires': '60',
      'X-Amz-SignedHeaders': 'host',
    });
    const canonical = [
      'GET',
      `/${name}/cache.zip`,
      query,
      `host:${cloud.info.endpoint}\n`,
      'host',
      'UNSIGNED-PAYLOAD',
    ].join('\n');
    const Signature = signature('AWS4', 'AWS4-HMAC-SHA256', scope, date, cloud.info.accessKeySecret, canonical);
    const url = `http://${cloud.info.endpoint}/${name}/cache.zip?${query}&X-Amz-Signature=${Signature}`;
    expect(await (await fetch(url)).text()).toBe('zip');
    expect(await codeOf(await fetch(url.replace('cache.zip', 'other.zip')))).toBe('SignatureDoesNotMatch');
    cloud.clock.advance(61_000);
    expect(await codeOf(await fetch(url))).toBe('AccessDenied');
  });
});

describe('a body in signed chunks', () => {
  const framed =
    '5;chunk-signature=abc\r\nhello\r\n6;chunk-signature=def\r\n world\r\n0;chunk-signature=0\r\nx-amz-trailer:1\r\n\r\n';

  test.each([1, 2, 7, 1000])('is freed of its frames, however it is cut (%i bytes at a time)', async (size) => {
    const pieces = framed.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    expect(await text(Readable.from(pieces.map((piece) => Buffer.from(piece))).pipe(new AwsChunkedDecoder()))).toBe(
      'hello world',
    );
  });
});
