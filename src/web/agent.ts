import {
  Agent as HttpAgent,
  request as httpRequest,
  type AgentOptions,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import {
  Agent as HttpsAgent,
  request as httpsRequest,
  type AgentOptions as HttpsAgentOptions,
  type RequestOptions,
} from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type SecureContext } from 'node:tls';
import { proxyFor } from './proxy';

/**
 * Written by hand, since the usual packages pass a proxy's refusal on as the server's answer, and
 * wait without a limit for a proxy that is silent.
 */

/** The way through the proxy could not be made. */
export class ProxyFailed extends Error {
  constructor(
    /** The proxy's host and port, without the user's name and password. */
    readonly host: string,
    /** The rest of a sentence that begins with the proxy's name. */
    readonly why: string,
    cause?: unknown,
  ) {
    super(`the proxy ${host} ${why}`, { cause });
  }
}

export interface AgentFacts {
  readonly environment: Readonly<Record<string, string>>;
  /** Until the proxy has made the way to the server. */
  readonly timeoutMs: number;
  /** Whom to trust beside Node's own authorities; left out: what each request says. */
  readonly trust?: SecureContext | undefined;
}

/**
 * What connects to a URL's server by the proxy that the environment names for it; undefined: no
 * proxy. @throws ConfigurationError
 */
export function proxyAgent(url: string, { environment, timeoutMs, trust }: AgentFacts): HttpAgent | undefined {
  const proxy = proxyFor(url, environment);
  if (proxy === undefined) return undefined;
  const options = { keepAlive: true, keepAliveMsecs: 3_000, ...(trust && { secureContext: trust }) };
  return url.startsWith('https:') ? new TunnelAgent(proxy, timeoutMs, options) : new ForwardAgent(proxy, options);
}

/** The same; without a proxy an agent of its own where one is needed. Undefined: the usual one does. */
export function agentFor(url: string, facts: AgentFacts): HttpAgent | undefined {
  const { trust } = facts;
  const direct = (): HttpAgent | undefined =>
    trust && url.startsWith('https:') ? new HttpsAgent({ keepAlive: true, secureContext: trust }) : undefined;
  return proxyAgent(url, facts) ?? direct();
}

/** https: the proxy connects us to the server (CONNECT), and sees nothing of what is said. */
class TunnelAgent extends HttpsAgent {
  constructor(
    private readonly proxy: URL,
    private readonly timeoutMs: number,
    options: HttpsAgentOptions,
  ) {
    super(options);
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const done = callback as (error: Error | null, socket?: Duplex) => void;
    const target = options as ConnectionOptions;
    tunnel(this.proxy, target, this.timeoutMs).then((socket) => done(null, connectTls({ ...target, socket })), done);
  }
}

/** @throws ProxyFailed */
function tunnel(
  proxy: URL,
  { host = '', port, ca, secureContext }: ConnectionOptions,
  timeoutMs: number,
): Promise<Socket> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => reject(new ProxyFailed(proxy.host, why, cause));
    const request = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
      ...addressOf(proxy),
      method: 'CONNECT',
      path: target,
      headers: { Host: target, ...credentialsFor(proxy) },
      agent: false,
      timeout: timeoutMs,
      ...(ca === undefined ? {} : { ca }),
      ...(secureContext && { secureContext }),
    });
    const refused = ({ statusCode }: IncomingMessage): void => {
      fail(`refused with HTTP ${statusCode}`);
      request.destroy();
    };
    request
      .once('connect', (response, socket) => {
        if (response.statusCode === 200) return resolve(socket.setTimeout(0));
        socket.destroy();
        refused(response);
      })
      // A proxy that knows no CONNECT answers as to any other request.
      .once('response', refused)
      .once('timeout', () => {
        fail('does not answer in time');
        request.destroy();
      })
      .on('error', (error: NodeJS.ErrnoException) => fail(`can't be reached (${error.code ?? error.message})`, error))
      .end();
  });
}

/** http: the proxy is asked for the whole URL. */
class ForwardAgent extends HttpAgent {
  constructor(
    private readonly proxy: URL,
    options: AgentOptions,
  ) {
    super(options);
  }

  /**
   * Node's own agents begin here (documented as internal, and what http-proxy-agent builds upon).
   */
  addRequest(request: ClientRequest, options: ConnectionOptions): void {
    const server = `${options.host}${Number(options.port) === 80 ? '' : `:${options.port}`}`;
    request.path = `http://${server}${request.path}`;
    for (const [name, value] of Object.entries(credentialsFor(this.proxy))) request.setHeader(name, value);
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    (HttpAgent.prototype as any).addRequest.call(this, request, { ...options, ...addressOf(this.proxy) });
  }
}

function addressOf({ protocol, hostname, port }: URL): { host: string; port: number } {
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'https:' ? 443 : 80)) };
}

function credentialsFor({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}
