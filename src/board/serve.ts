import path from 'node:path';
import { collectMetrics } from '../metrics/collect';
import { addressOf, serveMetrics } from '../metrics/server';
import type { Settings } from '../settings/types';
import { accessBy, isLoopback, tokenIn } from './access';
import { createBoard } from './board';
import { BoardReader } from './reader';

export interface ServeOptions {
  /** `127.0.0.1:9750` */
  readonly listen: string;
  /** Holds the token that the board asks for; undefined: as the address needs it. */
  readonly tokenFile: string | undefined;
  readonly warn: (line: string) => void;
}

export interface Served {
  readonly url: string;
  /** Where the token is that the board asks for; undefined: it asks for none. */
  readonly tokenFile: string | undefined;
  close(): Promise<void>;
}

/**
 * Serves board and metrics on one address. Where more than this machine can reach it, the board
 * asks for a token, which is made at first use.
 * @throws ConfigurationError, HostError
 */
export async function serve(settings: Settings, { listen, tokenFile, warn }: ServeOptions): Promise<Served> {
  const { host } = addressOf(listen);
  const own = path.join(settings.stateDir, 'board-token');
  const file = tokenFile ?? (isLoopback(host) ? undefined : own);
  const access = accessBy(file === undefined ? undefined : tokenIn(file, { make: file === own }));
  const reader = new BoardReader(settings);
  // The ledger's first reading is under way before the first page is asked for.
  await reader.refresh();
  const source = { refresh: () => reader.refresh(), snapshot: () => reader.snapshot() };
  const board = createBoard(source, access, warn);
  const server = await serveMetrics({
    listen,
    collect: () => collectMetrics(settings),
    // Where this machine alone may ask, so may no page that has its name point here.
    isAllowed: (request) => !isLoopback(host) || access.isHostAllowed(request),
    others: (request, response) => board.answer(request, response),
    warn,
  });
  return {
    url: server.url,
    tokenFile: file,
    close: async () => {
      board.close();
      await server.close();
    },
  };
}
