import { CommandError } from '../errors';
import { isProperties, type Value } from '../rpc/values';
import { type Crypter } from '../secrets/passphrase';
import { type Project } from './project';
import { type StackConfig } from './stack-config';

/** A setting with its secrets in the clear. */
export interface Setting {
  value: Value;
  /** The value is, or holds, a secret. */
  secret: boolean;
}

/**
 * NAMESPACE:NAME; a bare name belongs to the project. Throws CommandError on a key with more
 * colons.
 */
export function qualifiedKey(key: string, project: Project): string {
  const parts = key.split(':');
  if (parts.length === 1) return `${project.name}:${key}`;
  if (parts.length === 3 && parts[1] === 'config') return `${parts[0]}:${parts[2]}`;
  if (parts.length === 2) return key;
  throw new CommandError(
    `invalid configuration key: could not parse ${key} as a configuration key (configuration keys should be of the form \`<namespace>:<name>\`)`,
  );
}

/**
 * The project's defaults and the stack's own settings, decrypted; `crypter` is asked only when
 * there is a secret.
 */
export async function readSettings(
  project: Project,
  config: StackConfig | undefined,
  crypter: () => Promise<Crypter>,
): Promise<Record<string, Setting>> {
  const entries = { ...projectDefaults(project), ...config?.entries };
  const open = Object.values(entries).some(holdsSecure) ? await crypter() : undefined;
  const settings: Record<string, Setting> = {};
  for (const key of Object.keys(entries).sort()) {
    const value = entries[key]!;
    settings[qualifiedKey(key, project)] = { value: decryptAll(value, open), secret: holdsSecure(value) };
  }
  return settings;
}

/** How a program receives a setting: text as it is, everything else as JSON. */
export function settingText(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A value of the form `{ secure: CIPHERTEXT }`. */
export function isSecure(value: Value | undefined): value is { secure: string } {
  return isProperties(value) && Object.keys(value).length === 1 && typeof value['secure'] === 'string';
}

export function holdsSecure(value: Value | undefined): boolean {
  if (isSecure(value)) return true;
  if (Array.isArray(value)) return value.some(holdsSecure);
  return isProperties(value) && Object.values(value).some(holdsSecure);
}

function decryptAll(value: Value, crypter: Crypter | undefined): Value {
  if (isSecure(value)) return crypter!.decrypt(value.secure);
  if (Array.isArray(value)) return value.map((item) => decryptAll(item, crypter));
  if (!isProperties(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decryptAll(item, crypter)]));
}

function projectDefaults(project: Project): Record<string, Value> {
  const defaults: Record<string, Value> = {};
  for (const [key, entry] of Object.entries(project.config)) {
    if (!isProperties(entry)) defaults[qualifiedKey(key, project)] = entry;
    else if (entry['value'] !== undefined) defaults[qualifiedKey(key, project)] = entry['value'];
    else if (entry['default'] !== undefined) defaults[qualifiedKey(key, project)] = entry['default'];
  }
  return defaults;
}
