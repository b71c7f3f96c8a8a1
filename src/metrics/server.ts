import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ConfigurationError, HostError } from '../errors';
import { CONTENT_TYPE } from './exposition';

export interface MetricsServer {
  /** `http://127.0.0.1:9750` */
  readonly url: string;
  close(): Promise<void>;
}

export interface ServerOptions {
  /** `127.0.0.1:9750`, `[::1]:9750`; port 0: any that is free. */
  readonly listen: string;
  /** The exposition as it is now. */
  readonly collect: () => Promise<string>;
  /** Answers whatever is not for the metrics; left out: nothing does. */
  readonly others?: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** Whether a request may be answered; left out: every request. */
  readonly isAllowed?: (request: IncomingMessage) => boolean;
  /** Reports that the metrics could not be collected. */
  readonly warn: (line: string) => void;
  /** How long a client may send or read nothing before it is disconnected, milliseconds. */
  readonly patienceMs?: number;
}

/** Several scrapers at once get the same reading. */
const SAME_FOR_MS = 1_000;
const MOST_CONNECTIONS = 20;
/** A page that is open holds one, and takes another for each thing that it asks. */
const MOST_OTHERS = 60;
const PATIENCE_MS = 10_000;

/**
 * Serves `/metrics`, and what `others` answers, to whoever may reach the address.
 * @throws ConfigurationError, HostError
 */
export async function serveMetrics(options: ServerOptions): Promise<MetricsServer> {
  const { host, port } = addressOf(options.listen);
  const patienceMs = options.patienceMs ?? PATIENCE_MS;
  const text = cached(options.collect);
  const server = createServer(
    {
      requestTimeout: patienceMs,
      headersTimeout: patienceMs,
      connectionsCheckingInterval: Math.min(patienceMs, 1_000),
    },
    (request, response) => {
      void answer(request, response, text, options);
    },
  );
  server.maxConnections = MOST_CONNECTIONS + (options.others ? MOST_OTHERS : 0);
  server.maxHeadersCount = 50;
  server.keepAliveTimeout = patienceMs;
  server.setTimeout(patienceMs, (socket) => socket.destroy());
  server.on('clientError', (_error, socket) => socket.destroy());
  await listening(server, host, port, options.listen);
  const bound = server.address() as { address: string; port: number; family: string };
  return {
    url: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  text: () => Promise<string>,
  { others, isAllowed, warn }: Pick<ServerOptions, 'others' | 'isAllowed' | 'warn'>,
): Promise<void> {
  // A body is nothing that anybody reads here.
  request.resume();
  const send = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  const path = (request.url ?? '').split('?')[0];
  if (path !== '/metrics' && others) {
    return others(request, response).catch((error: Error) => {
      warn(`${path}: ${error.message}`);
      if (response.headersSent) response.destroy();
      else send(500, `gitlab-spot: ${error.message}\n`);
    });
  }
  if (path !== '/metrics') return send(404, 'gitlab-spot: the metrics are at /metrics\n');
  if (isAllowed && !isAllowed(request)) return send(421, 'gitlab-spot: ask by an address of this host\n');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(405, 'gitlab-spot: only GET and HEAD\n', { Allow: 'GET, HEAD' });
  try {
    send(200, await text(), { 'Content-Type': CONTENT_TYPE });
  } catch (error) {
    const { message } = error as Error;
    warn(`metrics: ${message}`);
    send(500, `gitlab-spot: ${message}\n`);
  }
}

/** One reading at a time, shared by all who ask while it is made and shortly after. */
function cached(collect: () => Promise<string>): () => Promise<string> {
  let current: Promise<string> | undefined;
  return () => {
    if (!current) {
      const reading = collect();
      current = reading;
      const forget = (): void => void (current = current === reading ? undefined : current);
      reading.then(() => void setTimeout(forget, SAME_FOR_MS).unref(), forget);
    }
    return current;
  };
}

/** @throws ConfigurationError */
export function addressOf(listen: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { host: match[1] ?? match[2]!, port };
  throw new ConfigurationError(`--listen takes an address such as 127.0.0.1:9750, not ${JSON.stringify(listen)}`);
}

function listening(server: Server, host: string, port: number, listen: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new HostError(`Can't listen at ${listen} (${error.code})`, {
          remedy:
            error.code === 'EADDRINUSE'
              ? 'Something else listens there: choose another port.'
              : 'Choose an address of this host.',
          cause: error,
        }),
      ),
    );
    server.listen({ host, port }, resolve);
  });
}
