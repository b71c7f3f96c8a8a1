import { type Invocation, type Run } from '../cli/command';
import { CommandError } from '../errors';
import { table } from '../display/text';
import { parsePath } from '../deployment/ignore-changes';
import { holdsSecure, isSecure, qualifiedKey, readSettings, settingText, type Setting } from '../project/config';
import { type Project } from '../project/project';
import { StackConfig } from '../project/stack-config';
import { isProperties, type Value } from '../rpc/values';
import { Keyring } from './secrets';
import { Session } from './session';

/** The configuration of the stack that a command is about. */
export interface OpenConfig {
  session: Session;
  project: Project;
  config: StackConfig;
  keyring: Keyring;
}

/** Finds the stack and reads its configuration file. */
export async function openConfig(invocation: Invocation): Promise<OpenConfig> {
  const session = await Session.open(invocation);
  const project = session.requireProject();
  const stack = await session.requireStack();
  const config = StackConfig.load(project, stack.name, invocation.flags.string('config-file'));
  return { session, project, config, keyring: new Keyring(invocation.env) };
}

/** The stack's key, taken from its file or, failing that, from its state. */
export async function configCrypter({ session, config, keyring }: OpenConfig): ReturnType<Keyring['forStack']> {
  const stack = await session.requireStack();
  return keyring.forStack(config, (await session.backend.load(stack))?.checkpoint.latest);
}

/** `pulumi config`. */
export const listConfig: Run = async (invocation) => {
  const { flags, out } = invocation;
  const opened = await openConfig(invocation);
  const showSecrets = flags.bool('show-secrets');
  const settings = showSecrets
    ? await readSettings(opened.project, opened.config, () => configCrypter(opened))
    : withoutSecrets(opened.project, opened.config);
  const own = `${opened.project.name}:`;
  if (flags.bool('json') || flags.string('output') === 'json') {
    const entries = Object.entries(settings).map(([key, setting]) => [key, settingJson(setting, showSecrets)]);
    return out(`${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`);
  }
  const rows = Object.entries(settings).map(([key, { value, secret }]) => [
    key.startsWith(own) ? key.slice(own.length) : key,
    secret && !showSecrets ? '[secret]' : settingText(value),
  ]);
  out(table([['KEY', 'VALUE'], ...rows]));
};

function settingJson({ value, secret }: Setting, showSecrets: boolean): object {
  if (secret && !showSecrets) return { secret: true };
  const structured = typeof value === 'object' && value !== null;
  return { value: settingText(value), ...(structured && { objectValue: value }), secret };
}

function withoutSecrets(project: Project, config: StackConfig): Record<string, Setting> {
  const entries = Object.entries(config.entries).map(
    ([key, value]) => [qualifiedKey(key, project), { value, secret: holdsSecure(value) }] as const,
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `pulumi config get`. */
export const getConfig: Run = async (invocation) => {
  const { args, flags, out } = invocation;
  const opened = await openConfig(invocation);
  const path = flags.bool('path') ? parsePath(args[0]!) : [args[0]!];
  const key = qualifiedKey(path[0]!, opened.project);
  const raw = valueAt(rawSettings(opened)[key], path.slice(1));
  if (raw === undefined)
    throw new CommandError(
      `configuration key '${shownKey(key, opened.project)}' not found for stack '${opened.session.display(await opened.session.requireStack())}'`,
    );
  const value = holdsSecure(raw) ? await decrypted(opened, raw) : raw;
  if (flags.bool('json'))
    return out(`${JSON.stringify(settingJson({ value, secret: holdsSecure(raw) }, true), undefined, 2)}\n`);
  out(`${settingText(value)}\n`);
};

function rawSettings({ config, project }: OpenConfig): Record<string, Value> {
  return Object.fromEntries(Object.entries(config.entries).map(([key, value]) => [qualifiedKey(key, project), value]));
}

async function decrypted(opened: OpenConfig, value: Value): Promise<Value> {
  const crypter = await configCrypter(opened);
  const walk = (item: Value): Value => {
    if (isSecure(item)) return crypter.decrypt(item.secure);
    if (Array.isArray(item)) return item.map(walk);
    return isProperties(item)
      ? Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, walk(inner)]))
      : item;
  };
  return walk(value);
}

function shownKey(key: string, project: Project): string {
  return key.startsWith(`${project.name}:`) ? key.slice(project.name.length + 1) : key;
}

function valueAt(value: Value | undefined, path: readonly string[]): Value | undefined {
  return path.reduce<Value | undefined>((current, step) => {
    if (Array.isArray(current)) return current[Number(step)];
    return isProperties(current) ? current[step] : undefined;
  }, value);
}
