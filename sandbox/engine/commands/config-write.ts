import { readFileSync } from 'node:fs';
import { type Run } from '../cli/command';
import { CommandError } from '../errors';
import { parsePath } from '../deployment/ignore-changes';
import { qualifiedKey } from '../project/config';
import { isProperties, type Value } from '../rpc/values';
import { configCrypter, openConfig, type OpenConfig } from './config-read';

interface Write {
  key: string;
  value: string;
  secret: boolean;
  path: boolean;
  type?: string;
}

/** `pulumi config set`. */
export const setConfig: Run = async (invocation) => {
  const { args, flags } = invocation;
  const opened = await openConfig(invocation);
  const [key, given] = args;
  const value = given ?? readFileSync(0, 'utf8').replace(/\r?\n$/, '');
  const type = flags.string('type');
  await write(opened, [
    { key: key!, value, secret: flags.bool('secret'), path: flags.bool('path'), ...(type && { type }) },
  ]);
};

/** `pulumi config set-all`. */
export const setAllConfig: Run = async (invocation) => {
  const { flags } = invocation;
  const opened = await openConfig(invocation);
  const path = flags.bool('path');
  const pairs = (name: string, secret: boolean): Write[] =>
    flags.list(name).map((pair) => {
      const at = pair.indexOf('=');
      if (at < 0) throw new CommandError(`config value must be in the form key=value, but was '${pair}'`);
      return { key: pair.slice(0, at), value: pair.slice(at + 1), secret, path };
    });
  const json = flags.string('json');
  await write(opened, [...pairs('plaintext', false), ...pairs('secret', true), ...(json ? fromJson(json) : [])]);
};

function fromJson(text: string): Write[] {
  let entries: Record<string, { value?: string; secret?: boolean }>;
  try {
    entries = JSON.parse(text) as typeof entries;
  } catch (error) {
    throw new CommandError(`could not parse --json argument: ${(error as Error).message}`);
  }
  return Object.entries(entries).map(([key, { value, secret }]) => ({
    key,
    value: value ?? '',
    secret: secret ?? false,
    path: false,
  }));
}

/** `pulumi config rm`. */
export const removeConfig: Run = async (invocation) => {
  const opened = await openConfig(invocation);
  remove(opened, invocation.args[0]!, invocation.flags.bool('path'));
  opened.config.save();
};

/** `pulumi config rm-all`. */
export const removeAllConfig: Run = async (invocation) => {
  const opened = await openConfig(invocation);
  for (const key of invocation.args) remove(opened, key, invocation.flags.bool('path'));
  opened.config.save();
};

/** `pulumi config refresh`: brings back the configuration of the last update. */
export const refreshConfig: Run = async (invocation) => {
  const { readHistory } = await import('../backend/history');
  const opened = await openConfig(invocation);
  const stack = await opened.session.requireStack();
  const [last] = await readHistory(opened.session.storage, stack, 1, 1);
  if (!last) throw new CommandError('no previous deployment');
  for (const key of Object.keys(opened.config.entries)) opened.config.remove(key);
  for (const [key, value] of Object.entries(last.config ?? {})) opened.config.set(key, value);
  opened.config.save();
  invocation.out(`refreshed configuration for stack '${opened.session.display(stack)}'\n`);
};

async function write(opened: OpenConfig, writes: readonly Write[]): Promise<void> {
  const { config, project } = opened;
  const crypter = writes.some(({ secret }) => secret) ? await configCrypter(opened) : undefined;
  for (const { key, value, secret, path, type } of writes) {
    const steps = path ? parsePath(key) : [key];
    const stored: Value = secret ? { secure: crypter!.encrypt(value) } : typed(value, path, type);
    const full = storedKey(opened, qualifiedKey(steps[0]!, project));
    config.set(full, withValue(config.entries[full], steps.slice(1), stored));
  }
  config.save();
}

/** In paths numbers and booleans are stored as such; elsewhere only when asked for. */
function typed(text: string, path: boolean, type: string | undefined): Value {
  if (type === 'string') return text;
  if (type === 'int' || type === 'float') {
    if (!text.trim() || Number.isNaN(Number(text))) throw new CommandError(`cannot convert "${text}" to ${type}`);
    return Number(text);
  }
  if (type === 'bool') {
    if (!/^(true|false)$/.test(text)) throw new CommandError(`cannot convert "${text}" to bool`);
    return text === 'true';
  }
  if (type !== undefined) throw new CommandError(`unknown type "${type}": must be one of string, int, float, bool`);
  if (!path) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

/** The key as it stands in the file already, with its namespace or without. */
function storedKey({ config, project }: OpenConfig, key: string): string {
  return Object.keys(config.entries).find((existing) => qualifiedKey(existing, project) === key) ?? key;
}

function withValue(current: Value | undefined, [step, ...rest]: readonly string[], value: Value): Value {
  if (step === undefined) return value;
  if (/^\d+$/.test(step) && (current === undefined || Array.isArray(current))) {
    const list = [...(current ?? [])];
    const index = Number(step);
    if (index > list.length) throw new CommandError(`array index out of range: ${index}`);
    list[index] = withValue(list[index], rest, value);
    return list;
  }
  const base = isProperties(current) ? current : {};
  return { ...base, [step]: withValue(base[step], rest, value) };
}

function remove(opened: OpenConfig, key: string, path: boolean): void {
  const { config, project } = opened;
  const steps = path ? parsePath(key) : [key];
  const full = storedKey(opened, qualifiedKey(steps[0]!, project));
  if (steps.length === 1) return config.remove(full);
  const next = without(config.entries[full], steps.slice(1));
  if (next !== undefined) config.set(full, next);
}

function without(current: Value | undefined, [step, ...rest]: readonly string[]): Value | undefined {
  if (current === undefined || step === undefined) return current;
  if (Array.isArray(current)) {
    const index = Number(step);
    return rest.length === 0
      ? current.filter((_, i) => i !== index)
      : current.map((item, i) => (i === index ? without(item, rest)! : item));
  }
  if (!isProperties(current)) return current;
  const { [step]: inner, ...others } = current;
  return rest.length === 0 || inner === undefined ? others : { ...others, [step]: without(inner, rest)! };
}
