import { networkReason } from '../web/reason';
import type { Fetch } from '../web/fetch';
import { bodyFor, refusal, type Answer, type Notice } from './formats';
import { signed } from './signature';
import type { Webhook } from './webhook';

export interface Sent {
  /** Undefined: the network gave none. */
  readonly answer: Answer | undefined;
  /** Why the service did not take it; undefined: it did. Holds nothing of the URL. */
  readonly problem: string | undefined;
}

/** Sends once: what is not taken is tried again in the reaper's next round. */
export async function send(
  { kind, url, secret }: Webhook,
  notice: Notice,
  host: string,
  fetch: Fetch,
  nowMs: number,
): Promise<Sent> {
  const message = signed(kind, { url, body: bodyFor(kind, notice, host) }, secret, nowMs);
  const hidden = (text: string): string => withoutSecret(withoutSecret(text, message), { url });
  try {
    const response = await fetch(message.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: JSON.stringify(message.body),
    });
    const answer = { status: response.status, body: hidden(await response.text()) };
    return { answer, problem: refusal(kind, answer) };
  } catch (error) {
    return { answer: undefined, problem: hidden(networkReason(error).reason) };
  }
}

/** A server may repeat what it was asked for. */
function withoutSecret(text: string, { url }: Pick<Webhook, 'url'>): string {
  const { pathname, search } = new URL(url);
  return [url, pathname + search, search.slice(1), pathname]
    .filter((part) => part.length > 1)
    .reduce((left, part) => left.replaceAll(part, '…'), text);
}
