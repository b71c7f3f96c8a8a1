/** Client of OSS' buckets: REST with signature version 4. */
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { ProviderSettings } from '../settings';

export class OssError extends Error {
  override readonly name = 'OssError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(`oss: service returned error: StatusCode=${status}, ErrorCode=${code}, ErrorMessage="${message}"`);
  }
}

export interface OssRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly bucket: string;
  /** A setting such as `lifecycle`, or `bucketInfo`. */
  readonly subresource?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Answers the body. @throws OssError */
export async function callOss(settings: ProviderSettings, request: OssRequest): Promise<string> {
  const { method, bucket, subresource = '', body = '' } = request;
  const [host = '', port] = settings.ossEndpoint.replace(/^https?:\/\//, '').split(':');
  const tls = settings.protocol === 'HTTPS';
  // A bucket is a host of its own, unless the endpoint is an address.
  const byAddress = /^[\d.]+$/.test(host);
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = {
    'content-type': 'application/xml',
    'x-oss-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-oss-date': date,
    ...(settings.securityToken === undefined ? {} : { 'x-oss-security-token': settings.securityToken }),
    ...request.headers,
  };
  headers['authorization'] = authorization(settings, method, `/${bucket}/`, subresource, headers, date);
  const options = {
    method,
    host: byAddress ? host : `${bucket}.${host}`,
    path: `${byAddress ? `/${bucket}/` : '/'}${subresource === '' ? '' : `?${subresource}`}`,
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(tls && settings.ca !== undefined ? { ca: settings.ca } : {}),
  };
  return new Promise((resolve, reject) => {
    const outgoing = (tls ? https : http).request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString('utf8');
        const status = response.statusCode ?? 0;
        if (status < 400) resolve(answer);
        else reject(new OssError(status, element(answer, 'Code') ?? '', element(answer, 'Message') ?? ''));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function authorization(
  { accessKeyId, accessKeySecret, region }: ProviderSettings,
  method: string,
  path: string,
  query: string,
  headers: Readonly<Record<string, string>>,
  date: string,
): string {
  const scope = `${date.slice(0, 8)}/${region}/oss/aliyun_v4_request`;
  const signed = Object.entries(headers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`);
  const canonical = [method, path, query, signed.join(''), '', 'UNSIGNED-PAYLOAD'].join('\n');
  const toSign = ['OSS4-HMAC-SHA256', date, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const key = scope.split('/').reduce<string | Buffer>(hmac, `aliyun_v4${accessKeySecret}`);
  return `OSS4-HMAC-SHA256 Credential=${accessKeyId}/${scope},Signature=${hmac(key, toSign).toString('hex')}`;
}

/** The text of the first element of that name. */
export function element(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}
