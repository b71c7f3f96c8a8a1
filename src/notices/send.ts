import { networkReason } from '../web/reason';
import type { Fetch } from '../web/fetch';
import { bodyFor, refusal, type Answer, type Notice } from './formats';
import type { Webhook } from './webhook';

export interface Sent {
  /** Undefined: the network gave none. */
  readonly answer: Answer | undefined;
  /** Why the service did not take it; undefined: it did. Holds nothing of the URL. */
  readonly problem: string | undefined;
}

/** Sends once: what is not taken is tried again in the reaper's next round. */
export async function send(webhook: Webhook, notice: Notice, host: string, fetch: Fetch): Promise<Sent> {
  try {
    const response = await fetch(webhook.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: JSON.stringify(bodyFor(webhook.kind, notice, host)),
    });
    const answer = { status: response.status, body: withoutSecret(await response.text(), webhook) };
    return { answer, problem: refusal(webhook.kind, answer) };
  } catch (error) {
    return { answer: undefined, problem: withoutSecret(networkReason(error).reason, webhook) };
  }
}

/** A server may repeat what it was asked for. */
function withoutSecret(text: string, { url }: Webhook): string {
  const { pathname, search } = new URL(url);
  return [url, pathname + search, search.slice(1), pathname]
    .filter((part) => part.length > 1)
    .reduce((left, part) => left.replaceAll(part, '…'), text);
}
