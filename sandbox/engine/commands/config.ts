import { type Invocation, type Run } from '../cli/command';
import { table } from '../display/text';
import { holdsSecure, qualifiedKey, readSettings, settingText, type Setting } from '../project/config';
import { type Project } from '../project/project';
import { StackConfig } from '../project/stack-config';
import { Keyring } from './secrets';
import { Session } from './session';

/** The configuration of the stack that a command is about. */
interface OpenConfig {
  session: Session;
  project: Project;
  config: StackConfig;
  keyring: Keyring;
}

/** Finds the stack and reads its configuration file. */
async function openConfig(invocation: Invocation): Promise<OpenConfig> {
  const session = await Session.open(invocation);
  const project = session.requireProject();
  const stack = await session.requireStack();
  const config = StackConfig.load(project, stack.name);
  return { session, project, config, keyring: new Keyring(invocation.env) };
}

/** The stack's key, taken from its file or, failing that, from its state. */
async function configCrypter({ session, config, keyring }: OpenConfig): ReturnType<Keyring['forStack']> {
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
  if (flags.bool('json')) {
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

/** `pulumi config set`. */
export const setConfig: Run = async (invocation) => {
  const { args, flags } = invocation;
  const opened = await openConfig(invocation);
  const [key, value] = args as [string, string];
  const full = qualifiedKey(key, opened.project);
  // The key as it stands in the file already, with its namespace or without.
  const stored = Object.keys(opened.config.entries).find((one) => qualifiedKey(one, opened.project) === full) ?? full;
  const secret = flags.bool('secret');
  opened.config.set(stored, secret ? { secure: (await configCrypter(opened)).encrypt(value) } : value);
  opened.config.save();
};
