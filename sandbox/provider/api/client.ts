/**
 * Client of the RPC-style API, with the habits of the real provider's two libraries on the wire.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { Product, ProviderSettings } from '../settings';
import { ApiError, ConnectionError, type ClientLibrary } from './errors';
import { encode, signature } from './sign';

export type Params = Readonly<Record<string, string | number | boolean | undefined>>;

/** An answer as the cloud sent it; each caller reads the fields it knows. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Answer = any;

export interface CallOptions {
  readonly product?: Product;
  /** Default: form, the newer library. */
  readonly library?: ClientLibrary;
  readonly method?: 'GET' | 'POST';
  /** Security group rules are revoked over TLS whatever the settings say. */
  readonly forceTls?: boolean;
  /** Parameters that the newer library puts into the query, beside those of every call. */
  readonly inQuery?: readonly string[];
  /** RAM knows no regions. */
  readonly withoutRegion?: boolean;
}

export interface ApiClient {
  /** @throws ApiError, ConnectionError */
  call(action: string, params: Params, options?: CallOptions): Promise<Answer>;
}

const VERSIONS: Readonly<Record<Product, string>> = {
  ecs: '2014-05-26',
  vpc: '2016-04-28',
  ram: '2015-05-01',
  sts: '2015-04-01',
};
const READ_TIMEOUT_MS = 60_000;

export function createApiClient(settings: ProviderSettings): ApiClient {
  const plainAgent = new http.Agent({ keepAlive: true });
  const tlsAgent = new https.Agent({ keepAlive: true, ...(settings.ca === undefined ? {} : { ca: settings.ca }) });

  return {
    async call(action, params, options = {}) {
      const library = options.library ?? 'form';
      const method = options.method ?? 'POST';
      const given: Record<string, string> = options.withoutRegion ? {} : { RegionId: settings.region };
      for (const [name, value] of Object.entries(params)) if (value !== undefined) given[name] = String(value);
      const common = commonParams(settings, action, VERSIONS[options.product ?? 'ecs'], library);
      const all = { ...common, ...given };
      const inQuery = ([name]: [string, string]) => library === 'query' || options.inQuery?.includes(name) === true;
      const query = { ...common, ...Object.fromEntries(Object.entries(given).filter(inQuery)) };
      const path = `/?${encodeAll({ ...query, Signature: signature(method, all, settings.accessKeySecret) })}`;
      const body = encodeAll(Object.fromEntries(Object.entries(given).filter((entry) => !inQuery(entry))));

      const tls = settings.protocol === 'HTTPS' || options.forceTls === true;
      const [host, port] = splitHost(settings.endpoints[options.product ?? 'ecs']);
      const request = (tls ? https : http).request({
        host,
        path,
        method,
        ...(port === undefined ? {} : { port }),
        agent: tls ? tlsAgent : plainAgent,
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) },
        timeout: READ_TIMEOUT_MS,
      });
      const answer = await send(request, body).catch((error: Error) => {
        const verb = method === 'POST' ? 'Post' : 'Get';
        throw new ConnectionError(
          `${verb} "${tls ? 'https' : 'http'}://${host}${port ? `:${port}` : ''}/": ${error.message}`,
        );
      });
      return readAnswer(answer, library);
    },
  };
}

function commonParams(settings: ProviderSettings, action: string, version: string, library: ClientLibrary) {
  return {
    Action: action,
    Version: version,
    Format: library === 'form' ? 'json' : 'JSON',
    AccessKeyId: settings.accessKeyId,
    SignatureMethod: 'HMAC-SHA1',
    SignatureVersion: '1.0',
    SignatureNonce: randomUUID(),
    Timestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    ...(library === 'query' ? { SignatureType: '' } : {}),
    ...(settings.securityToken === undefined ? {} : { SecurityToken: settings.securityToken }),
  };
}

interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

function send(request: http.ClientRequest, body: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error(`no answer within ${READ_TIMEOUT_MS / 1000} s`)));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    request.end(body);
  });
}

function readAnswer({ status, body }: RawAnswer, library: ClientLibrary): Answer {
  const parsed = parse(body);
  if (status < 400 && parsed !== undefined) return parsed;
  const field = (name: string) => (typeof parsed?.[name] === 'string' ? parsed[name] : '');
  const error = {
    Code: field('Code') || (parsed === undefined ? 'InvalidAnswer' : String(status)),
    Message: field('Message') || body.slice(0, 200),
    RequestId: field('RequestId'),
    HostId: field('HostId'),
  };
  throw new ApiError(status, error, library);
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function encodeAll(params: Readonly<Record<string, string>>): string {
  return Object.entries(params)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
}

function splitHost(endpoint: string): [host: string, port: number | undefined] {
  const [host = '', port] = endpoint.replace(/^https?:\/\//, '').split(':');
  return [host, port === undefined ? undefined : Number(port)];
}

/** Numbered parameters, such as `Tag.1.Key`. */
export function tagParams(tags: Readonly<Record<string, string>>): Params {
  const params: Record<string, string> = {};
  Object.entries(tags).forEach(([key, value], index) => {
    params[`Tag.${index + 1}.Key`] = key;
    params[`Tag.${index + 1}.Value`] = value;
  });
  return params;
}

export function listParams(name: string, values: readonly string[]): Params {
  return Object.fromEntries(values.map((value, index) => [`${name}.${index + 1}`, value]));
}

/** At most 64 characters, as the cloud wants it; the same for every repetition of one call. */
export function clientToken(action: string): string {
  return `TF-${action}-${Math.floor(Date.now() / 1000)}-${randomUUID()}`.slice(0, 64);
}
