import { ConfigurationError } from '../errors';
import { readPrivate } from '../host/private-file';
import type { NoticeSettings } from '../settings/types';
import { isSigned, type WebhookKind } from './signature';

export type { WebhookKind };

export interface Webhook {
  readonly kind: WebhookKind;
  /** Holds a secret: it is neither shown nor logged. */
  readonly url: string;
  /** What messages are signed with; undefined: they are not. */
  readonly secret?: string | undefined;
  /** For people: `DingTalk at oapi.dingtalk.com`. */
  readonly name: string;
}

const NAMES: Readonly<Record<WebhookKind, string>> = {
  dingtalk: 'DingTalk',
  feishu: 'Feishu',
  wecom: 'WeCom',
  slack: 'Slack',
  json: 'JSON',
};

const HOSTS: readonly (readonly [RegExp, WebhookKind])[] = [
  [/(^|\.)dingtalk\.com$/, 'dingtalk'],
  [/(^|\.)(feishu\.cn|larksuite\.com)$/, 'feishu'],
  [/^qyapi\.weixin\.qq\.com$/, 'wecom'],
  [/^hooks\.slack(-gov)?\.com$/, 'slack'],
];

/** The service whose host this is; any other takes plain JSON. */
export function kindOf(url: string): WebhookKind {
  const { hostname } = new URL(url);
  return HOSTS.find(([host]) => host.test(hostname))?.[1] ?? 'json';
}

/** Undefined: none is set. @throws ConfigurationError; the URL is in no message */
export function webhookOf({ webhook, webhookFile, secretFile, kind }: NoticeSettings): Webhook | undefined {
  const url = webhookFile === undefined ? webhook : urlIn(webhookFile);
  if (url === undefined) return undefined;
  const service = kind === 'auto' ? kindOf(url) : kind;
  if (secretFile !== undefined && !isSigned(service))
    throw new ConfigurationError(`${NAMES[service]} takes no signature, but GITLAB_SPOT_WEBHOOK_SECRET_FILE is set`, {
      remedy: 'Remove it, or set GITLAB_SPOT_WEBHOOK_KIND to dingtalk or feishu.',
    });
  const secret = secretFile === undefined ? undefined : secretIn(secretFile);
  return { kind: service, url, secret, name: `${NAMES[service]} at ${new URL(url).host}` };
}

function urlIn(file: string): string {
  const text = readPrivate({
    file,
    what: "the webhook's file",
    failure: ConfigurationError,
    remedy: 'Write the URL into it, or change GITLAB_SPOT_WEBHOOK_FILE.',
  }).trim();
  if (/^https?:\/\/\S+$/.test(text) && URL.canParse(text)) return text;
  throw new ConfigurationError(`The webhook's file ${file} does not hold one URL and nothing else`, {
    remedy: 'Write the URL into it, as the service shows it.',
  });
}

function secretIn(file: string): string {
  const text = readPrivate({
    file,
    what: "the webhook's secret",
    failure: ConfigurationError,
    remedy: 'Write the secret into it, or change GITLAB_SPOT_WEBHOOK_SECRET_FILE.',
  }).trim();
  if (/^\S+$/.test(text)) return text;
  throw new ConfigurationError(`The webhook's secret ${file} does not hold one word and nothing else`, {
    remedy: 'Write the secret into it, as the service shows it.',
  });
}
