import { createHmac } from 'node:crypto';
import type { NoticeSettings } from '../settings/types';

export type WebhookKind = Exclude<NoticeSettings['kind'], 'auto'>;

/** What is sent, and where to. */
export interface Message {
  readonly url: string;
  readonly body: object;
}

type Sign = (message: Message, secret: string, nowMs: number) => Message;

const hmac = (key: string, text: string): string => createHmac('sha256', key).update(text).digest('base64');

/**
 * How robots with a secret want their messages. Both take a time within an hour of their own.
 * https://open.dingtalk.com/document/robots/customize-robot-security-settings
 * https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
 */
const SIGNS: Partial<Record<WebhookKind, Sign>> = {
  dingtalk({ url, body }, secret, nowMs) {
    const signed = new URL(url);
    signed.searchParams.set('timestamp', String(nowMs));
    signed.searchParams.set('sign', hmac(secret, `${nowMs}\n${secret}`));
    return { url: signed.href, body };
  },
  feishu({ url, body }, secret, nowMs) {
    const timestamp = String(Math.floor(nowMs / 1000));
    return { url, body: { timestamp, sign: hmac(`${timestamp}\n${secret}`, ''), ...body } };
  },
};

export function isSigned(kind: WebhookKind): boolean {
  return SIGNS[kind] !== undefined;
}

/** @param secret undefined: the robot wants no signature */
export function signed(kind: WebhookKind, message: Message, secret: string | undefined, nowMs: number): Message {
  return secret === undefined ? message : (SIGNS[kind]?.(message, secret, nowMs) ?? message);
}
