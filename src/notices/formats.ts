import * as z from 'zod/mini';
import { printable } from '../printable';
import { parsedAs } from '../schema';
import type { WebhookKind } from './webhook';

/** What is told once. */
export interface Notice {
  /** Kind, and what it is about: `budget/2026-11/100/80`. One that was told is not told again. */
  readonly key: string;
  readonly title: string;
  readonly lines: readonly string[];
}

/** WeCom takes 2048 bytes of text; the others take more. */
const MAX_TEXT_BYTES = 2000;

/**
 * A notice as its service takes it.
 * https://open.dingtalk.com/document/robots/custom-robot-access
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
 * https://developer.work.weixin.qq.com/document/path/91770
 * https://api.slack.com/messaging/webhooks
 */
export function bodyFor(kind: WebhookKind, { key, title, lines }: Notice, host: string): object {
  // A robot of DingTalk may ask for a keyword: `gitlab-spot` stands in each text.
  const text = cut([`gitlab-spot on ${host}: ${title}`, ...lines].map((line) => printable(line)).join('\n'));
  switch (kind) {
    case 'dingtalk':
    case 'wecom':
      return { msgtype: 'text', text: { content: text } };
    case 'feishu':
      // <at user_id="all"> in a project's name would call everybody.
      return { msg_type: 'text', content: { text: text.replace(/</g, '＜') } };
    case 'slack':
      // https://api.slack.com/reference/surfaces/formatting#escaping
      return { text: text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;') };
    case 'json':
      return { source: 'gitlab-spot', host, key, title, lines, text };
  }
}

function cut(text: string): string {
  if (Buffer.byteLength(text) <= MAX_TEXT_BYTES) return text;
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_TEXT_BYTES - 3) break;
    kept += character;
  }
  return `${kept}…`;
}

/** DingTalk and WeCom say errcode and errmsg, Feishu code and msg, in an answer of HTTP 200. */
const answerSchema = z.object({
  errcode: z.optional(z.number()),
  errmsg: z.optional(z.string()),
  code: z.optional(z.number()),
  msg: z.optional(z.string()),
});

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Why the service did not take the notice; undefined: it did. */
export function refusal(kind: WebhookKind, { status, body }: Answer): string | undefined {
  const said = kind === 'slack' || kind === 'json' ? undefined : parsedAs(answerSchema, body);
  const [code, message] = kind === 'feishu' ? [said?.code, said?.msg] : [said?.errcode, said?.errmsg];
  if (code !== undefined && code !== 0) return `it answered ${code} (${short(message ?? '')})`;
  if (status < 200 || status > 299) return `it answered HTTP ${status}${body === '' ? '' : ` (${short(body)})`}`;
  if (kind === 'slack' || kind === 'json') return undefined;
  return code === 0 ? undefined : `it answered HTTP ${status} without a result: is it ${kind}'s address?`;
}

const short = (text: string): string => printable(text.replace(/\s+/g, ' ')).slice(0, 160);
