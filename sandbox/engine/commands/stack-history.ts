import { readHistory, type HistoryEntry } from '../backend/history';
import { type Run } from '../cli/command';
import { isProperties, type Value } from '../rpc/values';
import { relativeTime } from '../display/text';
import { isSecure } from '../project/config';
import { Keyring } from './secrets';
import { Session } from './session';

/** `pulumi stack history`. */
export const stackHistory: Run = async (invocation) => {
  const { flags, out } = invocation;
  const session = await Session.open(invocation);
  const stack = await session.requireStack();
  const json = flags.bool('json');
  const entries = await readHistory(session.storage, stack, flags.int('page-size') ?? 10, flags.int('page') ?? 1);
  if (flags.bool('show-secrets')) {
    const keyring = new Keyring(invocation.env);
    const deployment = (await session.backend.load(stack))?.checkpoint.latest;
    if (deployment?.secrets_providers) await keyring.forState(deployment);
    for (const entry of entries) entry.config = await open(entry.config, () => keyring.forState(deployment));
  }
  if (json) return out(`${JSON.stringify(entries.map(toJson), undefined, 2)}\n`);
  if (entries.length === 0) return out('Stack has never been updated\n');
  out(entries.map((entry) => toText(entry)).join('\n'));
};

async function open(
  config: HistoryEntry['config'],
  crypter: () => Promise<{ decrypt(text: string): string }>,
): Promise<HistoryEntry['config']> {
  const result: HistoryEntry['config'] = {};
  for (const [key, value] of Object.entries(config ?? {})) {
    result[key] = isSecure(value) ? { plaintext: (await crypter()).decrypt(value.secure) } : value;
  }
  return result;
}

function toJson(entry: HistoryEntry): object {
  const time = (seconds: number) => new Date(seconds * 1000).toISOString();
  const { version, kind, startTime, message, environment, config, result, endTime, resourceChanges } = entry;
  return {
    version,
    kind,
    startTime: time(startTime),
    message,
    environment,
    config: Object.fromEntries(Object.entries(config ?? {}).map(([key, value]) => [key, settingJson(value)])),
    result,
    endTime: time(endTime),
    ...(resourceChanges && { resourceChanges }),
  };
}

function settingJson(value: Value): object {
  if (isSecure(value)) return { secret: true };
  if (isProperties(value) && typeof value['plaintext'] === 'string') return { value: value['plaintext'], secret: true };
  if (typeof value === 'object' && value !== null)
    return { value: JSON.stringify(value), objectValue: value, secret: false };
  return { value: String(value), secret: false };
}

function toText(entry: HistoryEntry): string {
  const start = new Date(entry.startTime * 1000).toISOString();
  const changes = Object.entries(entry.resourceChanges ?? {}).map(([op, count]) => `${op}=${count}`);
  const lines = [
    `Version: ${entry.version}`,
    `UpdateKind: ${entry.kind}`,
    `Status: ${entry.result}`,
    `Message: ${entry.message}`,
    `Updated ${relativeTime(start, Date.now())} took ${entry.endTime - entry.startTime}s`,
    ...(changes.length > 0 ? [`Resource changes: ${changes.join(' ')}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}
