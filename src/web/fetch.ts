import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { proxyAgent } from './agent';
import { furtherCa, type Authorities } from './certificates';

/** The part of `fetch` that we use: no redirect is followed, and an answer is read as a whole. */
export type Fetch = (url: string, init?: FetchRequest) => Promise<Response>;

export interface FetchRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface FetchFacts extends Authorities {
  /** For one call, its whole answer included. */
  readonly timeoutMs?: number;
  /** Of an answer's body. */
  readonly maxBytes?: number;
}

/** GitLab's answers that we read are a few KiB. */
const MAX_BYTES = 4 * 1024 * 1024;
const NO_BODY = new Set([101, 204, 205, 304]);

/**
 * Asks a server as the host's environment has it: by its proxy, and with its certificate
 * authorities, which Node's own fetch takes from the real environment alone, and proxies not at all
 * before Node 24. The function rejects with the network's error, or a SpotError for a CA file that
 * can't be read or a proxy that is no URL.
 */
export function createFetch(facts: FetchFacts): Fetch {
  const { environment, timeoutMs = 10_000, maxBytes = MAX_BYTES } = facts;
  return async (url, { method = 'GET', headers = {}, body } = {}) => {
    const ca = furtherCa(facts);
    const signal = AbortSignal.timeout(timeoutMs);
    const agent = proxyAgent(url, { environment, timeoutMs });
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const request = url.startsWith('https:') ? httpsRequest : httpRequest;
        request(url, { method, headers, signal, agent: agent ?? false, ...(ca ? { ca } : {}) })
          .on('response', resolve)
          .on('error', reject)
          .end(body);
      });
      const status = response.statusCode ?? 0;
      const text = await textOf(response, maxBytes);
      return new Response(NO_BODY.has(status) ? null : text, { status, headers: headersOf(response) });
    } catch (error) {
      if (!signal.aborted) throw error;
      throw Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT', cause: error });
    } finally {
      agent?.destroy();
    }
  };
}

async function textOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes / 1024 / 1024} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function headersOf({ headers }: IncomingMessage): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const one of [value ?? []].flat()) result.append(name, one);
  return result;
}
