import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

/** Dates of HTTP know no milliseconds: on average they are this much behind. */
const HALF_A_SECOND = 500;

/**
 * How far another server's clock is ahead of ours, milliseconds, by the Date header of whatever it answers; about a second exact.
 * @throws the network's error; undefined where the answer has no date
 */
export function clockAhead(
  url: string,
  {
    ca,
    timeoutMs = 10_000,
    now = Date.now,
  }: { ca?: string[] | undefined; timeoutMs?: number; now?: () => number } = {},
): Promise<number | undefined> {
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const askedMs = now();
    const sent = request(url, { method: 'HEAD', agent: false, ...(ca ? { ca } : {}) }, (response) => {
      response.resume();
      const atMs = Date.parse(response.headers.date ?? '');
      resolve(Number.isNaN(atMs) ? undefined : atMs + HALF_A_SECOND - (askedMs + now()) / 2);
    });
    sent.setTimeout(timeoutMs, () =>
      sent.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
    );
    sent.on('error', reject).end();
  });
}
