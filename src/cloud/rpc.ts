import type { Agent } from 'node:http';
import type { SecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import { SpotError } from '../errors';
import { CloudRefused, CloudUnreachable, mayWorkLater } from './errors';
import type { CredentialsProvider } from './credentials';
import { agentFor } from '../web/agent';

/** Alibaba Cloud's RPC-style API: signed, with limits, tried again where that helps. */

export type Params = Readonly<Record<string, unknown>>;
export type Service = 'ecs' | 'vpc' | 'ram' | 'sts' | 'cms';

const API_VERSION: Record<Service, string> = {
  ecs: '2014-05-26',
  vpc: '2016-04-28',
  ram: '2015-05-01',
  sts: '2015-04-01',
  cms: '2019-01-01',
};

export interface RpcOptions {
  readonly region: string;
  /** `host[:port]` or a URL; undefined: the region's public endpoint. */
  readonly endpoints: Readonly<Record<Service, string | undefined>>;
  readonly credentials: CredentialsProvider;
  /** Further certificate authorities; asked for once, before the first call. */
  readonly trust?: (() => SecureContext | undefined) | undefined;
  /** Names the proxies. */
  readonly environment: Readonly<Record<string, string>>;
  /** One call, until it answers. */
  readonly timeoutMs?: number;
  /**
   * All tries of one call together, with the pauses between them; the first has `timeoutMs` in any
   * case. Left out: half a minute, and of one that is throttled until the next minute has come.
   */
  readonly retryMs?: number;
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

const TIMEOUT_MS = 10_000;
/** A try that begins with less time left than this would be cut off before most answers come. */
const SHORTEST_TRY_MS = 2_000;

/** The part of @alicloud/pop-core that we use; it ships no types. */
interface PopClient {
  request(action: string, params: Params, options: Params): Promise<unknown>;
}

export class Rpc {
  private readonly clients = new Map<Service, { readonly client: PopClient; readonly agent: Agent | undefined }>();

  constructor(private readonly options: RpcOptions) {}

  /**
   * One call of the API.
   * @throws CloudRefused with the cloud's own code; CloudUnreachable when there was no usable
   * answer within the limits; NoCredentials
   */
  async call(service: Service, action: string, params: Params): Promise<unknown> {
    const { retryMs, timeoutMs = TIMEOUT_MS, pause = sleep } = this.options;
    for (let spentMs = 0, pauseMs = 500, tryMs = timeoutMs; ;) {
      const begunMs = performance.now();
      try {
        return await this.once(service, action, params, tryMs);
      } catch (error) {
        const failure = error instanceof SpotError ? error : this.failureOf(service, action, error);
        const limitMs = retryMs ?? patienceFor(failure);
        spentMs += performance.now() - begunMs;
        if (!failure.retryable || spentMs + pauseMs > limitMs) throw failure;
        // Many hooks of one host are throttled at the same moment: they must not come back at the
        // same moment.
        const jittered = Math.round(pauseMs * (0.5 + Math.random()));
        await pause(jittered);
        spentMs += jittered;
        pauseMs = Math.min(pauseMs * 2, 8_000);
        tryMs = Math.min(timeoutMs, Math.max(limitMs - spentMs, SHORTEST_TRY_MS));
      }
    }
  }

  private async once(service: Service, action: string, params: Params, timeoutMs: number): Promise<unknown> {
    const { region } = this.options;
    const { client, agent } = this.client(service);
    const answer = await client.request(
      action,
      { RegionId: region, ...withoutUndefined(params) },
      { method: 'POST', timeout: timeoutMs, formatParams: false, ...(agent && { agent }) },
    );
    if (!answerSchema.safeParse(answer).success) throw new NotAnAnswer();
    return answer;
  }

  private client(service: Service) {
    let known = this.clients.get(service);
    if (!known) {
      const { credentials, environment, timeoutMs = TIMEOUT_MS, trust } = this.options;
      const endpoint = this.endpoint(service);
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      const PopCore = require('@alicloud/pop-core/lib/rpc') as new (config: Params) => PopClient;
      const client = new PopCore({ endpoint, apiVersion: API_VERSION[service], credentialsProvider: credentials });
      known = { client, agent: agentFor(endpoint, { environment, timeoutMs, trust: trust?.() }) };
      this.clients.set(service, known);
    }
    return known;
  }

  /** Where the service is asked, as a URL. */
  endpoint(service: Service): string {
    const { endpoints, region } = this.options;
    const given = endpoints[service]?.replace(/\/+$/, '');
    if (given) return /^https?:\/\//.test(given) ? given : `https://${given}`;
    if (service === 'ram') return 'https://ram.aliyuncs.com';
    if (service === 'cms') return `https://metrics.${region}.aliyuncs.com`;
    return `https://${service}.${region}.aliyuncs.com`;
  }

  private failureOf(service: Service, action: string, error: unknown): CloudRefused | CloudUnreachable {
    const { data, entry } = error as { data?: unknown; entry?: { response?: { statusCode?: number } } };
    const refusal = refusalSchema.safeParse(data);
    if (!refusal.success) return new CloudUnreachable(action, this.endpoint(service), error, reasonOf(error));
    const { Code: code, Message: message, RequestId: requestId } = refusal.data;
    return new CloudRefused({ action, code, message, requestId }, mayWorkLater(code, entry?.response?.statusCode ?? 0));
  }
}

const RETRY_MS = 30_000;
/**
 * An action that is throttled in a minute is answered again from the next on
 * (https://www.alibabacloud.com/help/doc-detail/437902.htm), where many come at once: so long, and
 * two pauses.
 */
const THROTTLED_MS = 76_000;

function patienceFor(failure: Error): number {
  return failure instanceof CloudRefused && failure.code.startsWith('Throttling') ? THROTTLED_MS : RETRY_MS;
}

/** Something that is JSON, but not of this API. */
class NotAnAnswer extends Error {}

/**
 * Each answer of the API has its request's id; what has none (a proxy's `{}`) must not be taken for
 * an empty list.
 */
const answerSchema = z.object({ RequestId: z.string() });
const refusalSchema = z.object({
  Code: z.string(),
  Message: z.catch(z.string(), ''),
  RequestId: z.catch(z.string(), ''),
});

function withoutUndefined(params: Params): Params {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}

/** Undefined: the network's own word says it. */
function reasonOf(error: unknown): string | undefined {
  const { message = String(error), name = '' } = error as NodeJS.ErrnoException;
  if (/Timeout/.test(name) || /Timeout/.test(message)) return 'no answer in time';
  if (
    // The client's parser throws what is no Error.
    name === 'SyntaxError' ||
    error instanceof TypeError ||
    error instanceof NotAnAnswer ||
    'data' in (error as object)
  )
    return 'the answer is not the API’s (a proxy’s page?)';
  return undefined;
}
