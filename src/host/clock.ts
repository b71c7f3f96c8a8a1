import type { Fetch } from '../web/fetch';

/** Dates of HTTP know no milliseconds: on average they are this much behind. */
const HALF_A_SECOND = 500;

/**
 * How far another server's clock is ahead of ours, milliseconds, by the Date header of whatever it
 * answers; about a second exact.
 * @throws the network's error; undefined where the answer has no date
 */
export async function clockAhead(url: string, fetch: Fetch): Promise<number | undefined> {
  const askedMs = Date.now();
  const { headers } = await fetch(url, { method: 'HEAD' });
  const atMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(atMs) ? undefined : atMs + HALF_A_SECOND - (askedMs + Date.now()) / 2;
}
