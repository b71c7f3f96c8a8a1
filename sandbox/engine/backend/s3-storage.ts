import { createHash, createHmac } from 'node:crypto';
import { CommandError } from '../errors';
import { type Environment } from '../project/paths';
import { type Storage } from './storage';

/**
 * A backend in a bucket of an S3-compatible store, laid out as the real CLI's blob library does it:
 * the keys are the slash paths themselves, with nothing beside them.
 * https://pkg.go.dev/gocloud.dev/blob/s3blob,
 * https://pkg.go.dev/gocloud.dev/aws#V2ConfigFromURLParams
 */
export class S3Storage implements Storage {
  private readonly bucket: string;
  private readonly prefix: string;
  private readonly query: URLSearchParams;
  private readonly region: string;
  private readonly host: string;
  private readonly base: URL;

  constructor(
    readonly url: string,
    private readonly env: Environment,
  ) {
    const { hostname, pathname, searchParams } = new URL(url);
    this.bucket = hostname;
    const folder = pathname.replace(/^\/+|\/+$/g, '');
    this.prefix = folder === '' ? '' : `${folder}/`;
    this.query = currentParameters(searchParams);
    this.region = this.query.get('region') ?? env['AWS_REGION'] ?? '';
    if (this.region === '') throw this.failed('unable to open', 'Invalid Configuration: Missing Region');
    const endpoint = new URL(this.query.get('endpoint') ?? `https://s3.${this.region}.amazonaws.com`);
    const inPath = /^(1|t|true)$/i.test(this.query.get('use_path_style') ?? this.query.get('s3ForcePathStyle') ?? '');
    this.host = inPath ? endpoint.host : `${this.bucket}.${endpoint.host}`;
    this.base = new URL(`${endpoint.protocol}//${this.host}/${inPath ? `${this.bucket}/` : ''}`);
  }

  /** Makes the bucket itself: the CLI never does. */
  async makeBucket(): Promise<void> {
    await this.call('PUT', '', {});
  }

  objectUrl(key: string): string {
    const query = this.query.toString();
    return `s3://${this.bucket}/${this.prefix}${key}${query && `?${query}`}`;
  }

  async read(key: string): Promise<Buffer | undefined> {
    const { status, body } = await this.call('GET', this.prefix + key, {}, [404]);
    return status === 404 ? undefined : body;
  }

  async write(key: string, content: Buffer): Promise<void> {
    await this.call('PUT', this.prefix + key, { content });
  }

  async copy(from: string, to: string): Promise<void> {
    const source = `${this.bucket}/${encodeKey(this.prefix + from)}`;
    await this.call('PUT', this.prefix + to, { headers: { 'x-amz-copy-source': source } }, [404]);
  }

  async remove(key: string): Promise<void> {
    await this.call('DELETE', this.prefix + key, {}, [404]);
  }

  async list(folder: string): Promise<string[]> {
    const prefix = `${this.prefix}${folder.replace(/\/+$/, '')}/`;
    const names: string[] = [];
    for (let token = ''; ;) {
      const query = { 'list-type': '2', delimiter: '/', prefix, ...(token && { 'continuation-token': token }) };
      const text = (await this.call('GET', '', { query })).body.toString();
      for (const entry of elements(text, 'Contents')) names.push(element(entry, 'Key').slice(prefix.length));
      for (const entry of elements(text, 'CommonPrefixes')) names.push(element(entry, 'Prefix').slice(prefix.length));
      token = element(text, 'NextContinuationToken');
      if (token === '') return names.filter((name) => name !== '').sort();
    }
  }

  private async call(
    method: string,
    key: string,
    { content = Buffer.alloc(0), query = {}, headers = {} }: Request,
    expected: readonly number[] = [],
  ): Promise<{ status: number; body: Buffer }> {
    const url = new URL(encodeKey(key), this.base);
    url.search = canonicalQuery(query);
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        headers: this.signed(method, url, content, headers),
        ...(method === 'PUT' && { body: new Uint8Array(content) }),
      });
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { message?: string } };
      throw this.failed('error reading from server', cause?.message ?? message);
    }
    const body = Buffer.from(await response.arrayBuffer());
    const code = element(body.toString('utf8', 0, 2_000), 'Code');
    if (response.ok || (expected.includes(response.status) && code !== 'NoSuchBucket'))
      return { status: response.status, body };
    throw this.failed('could not list bucket', `api error ${code}: ${element(body.toString(), 'Message')}`);
  }

  private failed(what: string, why: string): CommandError {
    return new CommandError(
      `${what}: blob (code=Unknown): operation error S3: https response error, ${why} (${this.bucket})`,
    );
  }

  /**
   * AWS signature v4. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
   */
  private signed(method: string, url: URL, content: Buffer, more: Record<string, string>): Record<string, string> {
    const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
    const token = this.env['AWS_SESSION_TOKEN'];
    const headers: Record<string, string> = {
      ...more,
      host: this.host,
      'x-amz-content-sha256': sha256(content),
      'x-amz-date': date,
      ...(token && { 'x-amz-security-token': token }),
    };
    const names = Object.keys(headers).sort();
    const canonical = [
      method,
      url.pathname,
      url.search.slice(1),
      ...names.map((name) => `${name}:${headers[name]}`),
      '',
      names.join(';'),
      headers['x-amz-content-sha256'],
    ].join('\n');
    const scope = [date.slice(0, 8), this.region, 's3', 'aws4_request'];
    const key = scope.reduce<string | Buffer>(
      (last, part) => hmac(last, part),
      `AWS4${this.env['AWS_SECRET_ACCESS_KEY'] ?? ''}`,
    );
    const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(canonical)].join('\n')).toString(
      'hex',
    );
    const credential = `${this.env['AWS_ACCESS_KEY_ID'] ?? ''}/${scope.join('/')}`;
    // fetch sets the host by itself.
    const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'host'));
    return {
      ...sent,
      authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    };
  }
}

interface Request {
  readonly content?: Buffer;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
}

/**
 * The CLI takes the parameters of its older S3 library too, and writes them anew (backend/diy of
 * its source).
 */
function currentParameters(given: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams(given);
  const disableSsl = query.get('disableSSL');
  query.delete('disableSSL');
  if (disableSsl !== null) query.set('disable_https', disableSsl);
  const endpoint = query.get('endpoint');
  if (endpoint !== null) {
    if (!endpoint.includes('://')) query.set('endpoint', `${disableSsl === 'true' ? 'http' : 'https'}://${endpoint}`);
    if (!query.has('request_checksum_calculation')) query.set('request_checksum_calculation', 'when_required');
  }
  query.sort();
  return query;
}

function encodeKey(key: string): string {
  return key.split('/').map(percentEncode).join('/');
}

function canonicalQuery(query: Record<string, string>): string {
  return Object.keys(query)
    .sort()
    .map((name) => `${percentEncode(name)}=${percentEncode(query[name]!)}`)
    .join('&');
}

function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** All elements of a name; the store's answers nest none of these in themselves. */
function elements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map((match) => match[1]!);
}

/** '' where there is none. */
function element(xml: string, name: string): string {
  return (elements(xml, name)[0] ?? '').replace(/&(lt|gt|quot|apos|amp);/g, (_all, word: string) => ENTITIES[word]!);
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
