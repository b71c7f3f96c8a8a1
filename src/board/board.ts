import type { IncomingMessage, ServerResponse } from 'node:http';
import { bearerIn, type Access } from './access';
import { Feed } from './feed';
import { boardPage, CONTENT_SECURITY_POLICY } from './page';
import type { BoardSnapshot } from './types';

export interface BoardSource {
  /**
   * Looks again. @returns the version of what there is now: another one once anything has changed
   */
  readonly refresh: () => Promise<number>;
  /** As of now, from what the last look found. */
  readonly snapshot: () => BoardSnapshot;
}

export interface Board {
  /** Answers any request that is not for the metrics. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

const HTML = 'text/html; charset=utf-8';
const TEXT = 'text/plain; charset=utf-8';

/**
 * The board over HTTP: `/` is the page, `/board.json` the snapshot, `/events` its changes. All of
 * it only reads.
 */
export function createBoard(source: BoardSource, access: Access, warn: (line: string) => void): Board {
  const feed = new Feed({ ...source, current: () => JSON.stringify(source.snapshot()), warn });
  return { answer, close: () => feed.close() };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, type: string, body: string, headers: Readonly<Record<string, string>> = {}): void => {
      const length = Buffer.byteLength(body);
      response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': length, ...headers });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    const [pathname = '', query] = (request.url ?? '').split('?', 2);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(405, TEXT, 'gitlab-spot: only GET and HEAD\n', { Allow: 'GET, HEAD' });
    if (!access.isHostAllowed(request))
      return send(421, TEXT, 'gitlab-spot: open the board by an address of this host, or give it a token file\n');
    if (!['/', '/board.json', '/events', '/session'].includes(pathname))
      return send(404, TEXT, 'gitlab-spot: the board is at /, the metrics are at /metrics\n');
    // The one place where a token may stand in an address, which goes into no log of ours.
    const given =
      pathname === '/session' ? bearerIn(request.headers.authorization) : new URLSearchParams(query).get('token');
    const cookie = given && access.cookieFor(given);
    if (pathname === '/session') return send(cookie ? 204 : 401, TEXT, '', cookie ? { 'Set-Cookie': cookie } : {});
    if (cookie) return send(303, TEXT, '', { 'Set-Cookie': cookie, Location: './' });
    if (!access.isAllowed(request)) {
      if (pathname === '/') return send(401, HTML, boardPage(undefined));
      return send(401, TEXT, 'gitlab-spot: this needs the token, as `Authorization: Bearer TOKEN`\n');
    }
    await source.refresh();
    if (pathname === '/') return send(200, HTML, boardPage(source.snapshot()));
    if (pathname === '/board.json')
      return send(200, 'application/json; charset=utf-8', `${JSON.stringify(source.snapshot())}\n`);
    if (feed.isFull) return send(503, TEXT, 'gitlab-spot: enough pages watch already\n', { 'Retry-After': '30' });
    if (request.method === 'HEAD') return send(200, 'text/event-stream; charset=utf-8', '');
    feed.add(response, HEADERS);
  }
}
