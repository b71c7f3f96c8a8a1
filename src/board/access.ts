import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { ConfigurationError } from '../errors';
import { readPrivate, writePrivate } from '../host/private-file';

/** Who may look at the board. */

const COOKIE = 'gitlab-spot-board';
const COOKIE_SECONDS = 30 * 24 * 3600;
const SHORTEST_TOKEN = 16;

/** Only this machine's own users reach such an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * The token in a file; where the file is missing and `make` says so, a new one is put there (0600).
 * @throws ConfigurationError, HostError
 */
export function tokenIn(file: string, { make }: { readonly make: boolean }): string {
  if (make && !existsSync(file)) writePrivate(file, `${randomBytes(24).toString('base64url')}\n`);
  const token = readPrivate({
    file,
    what: "the board's token file",
    failure: ConfigurationError,
    remedy: 'Name another file with --token-file, or write one: `openssl rand -hex 24`.',
    // Whoever has read it may look at the board until it changes.
    exposedRemedy: `Run \`chmod 600 ${file}\`, then write a new token into it and start again.`,
  }).trim();
  if (token.length < SHORTEST_TOKEN)
    throw new ConfigurationError(`The board's token in ${file} has fewer than ${SHORTEST_TOKEN} characters`, {
      remedy: `Remove the file for a new one, or write a longer one: \`openssl rand -hex 24\`.`,
    });
  return token;
}

export interface Access {
  /**
   * Without a token, only names of this machine are accepted as the Host: otherwise a web site
   * could point its own name at this machine (DNS rebinding) and read the board.
   */
  isHostAllowed(request: IncomingMessage): boolean;
  /** Whether the request carries the token, or none is required. */
  isAllowed(request: IncomingMessage): boolean;
  /** The cookie for a visitor who sent this token; undefined: it is the wrong one. */
  cookieFor(token: string): string | undefined;
}

/** @param token undefined: none is required */
export function accessBy(token: string | undefined): Access {
  // Cookies go to every port of a host: one that another server sees must not be the token itself.
  const session = token === undefined ? '' : createHmac('sha256', token).update(COOKIE).digest('base64url');
  const isToken = (given: string | undefined): boolean => token !== undefined && same(given ?? '', token);
  return {
    isHostAllowed: ({ headers }) => token !== undefined || isOwnName(headers.host ?? ''),
    isAllowed: ({ headers }) =>
      token === undefined || isToken(bearerIn(headers.authorization)) || same(cookieIn(headers.cookie), session),
    cookieFor: (given) =>
      isToken(given) ? `${COOKIE}=${session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${COOKIE_SECONDS}` : undefined,
  };
}

/** `Authorization: Bearer TOKEN` */
export function bearerIn(header: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/=-]{1,512})$/i.exec(header ?? '')?.[1];
}

/** An address can't be rebound: only names can. */
function isOwnName(header: string): boolean {
  const host = header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return isIP(host) !== 0 || host === 'localhost' || host === hostname().toLowerCase();
}

function cookieIn(header: string | undefined): string {
  return new RegExp(`(?:^|; *)${COOKIE}=([\\w-]{1,100})`).exec(header ?? '')?.[1] ?? '';
}

/** Compares in constant time. */
function same(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
