import { isProperties, sorted, type Properties, type Value } from '../rpc/values';
import { type Crypter } from './passphrase';

/** The key that marks a value as special; what it is, its content tells. */
export const SIGNATURE = '4dabf18193072939515e22adb298388d';
export const SECRET = '1b47061264138c4ac30d75fd1eb44270';
export const OUTPUT_VALUE = 'd0e6a833031e9bbcd3f4e8bde6ca49a4';
export const RESOURCE_REFERENCE = '5cf8f73096256a8f31e491e813e4eb8e';
/** A value that is not known before the update (in a preview). */
export const UNKNOWN = '04da6b54-80e4-46f7-96ec-b56ff0331ba9';

/** A value that is wrapped as secret. */
export interface Secret extends Properties {
  [SIGNATURE]: typeof SECRET;
}

/** Wraps a value as secret; what is one already stays as it is. */
export function secret(value: Value): Properties {
  return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

export function isSecret(value: Value | undefined): value is Secret {
  return isProperties(value) && value[SIGNATURE] === SECRET;
}

/** Applies `change` to every secret within a value, from the inside out. */
export function mapSecrets(value: Value, change: (secret: Properties) => Value): Value {
  if (Array.isArray(value)) return value.map((item) => mapSecrets(item, change));
  if (!isProperties(value)) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapSecrets(item, change)]));
  return isSecret(value) ? change(inner) : inner;
}

/** The value without its marks: secrets become what they hold. */
export function reveal<T extends Value>(value: T): T {
  return mapSecrets(value, (found) => found['value'] ?? null) as T;
}

/** Whether a secret stands anywhere in the value. */
export function holdsSecret(value: Value | undefined): boolean {
  if (isSecret(value)) return true;
  const inner = Array.isArray(value) ? value : isProperties(value) ? Object.values(value) : [];
  return inner.some((item) => holdsSecret(item));
}

/** Secrets as others may see them. */
export function mask(value: Value): Value {
  return mapSecrets(value, () => '[secret]');
}

/**
 * Turns a state's secrets from what they hold to ciphertext and back. An unchanged secret keeps its
 * ciphertext.
 */
export class SecretSealer {
  private readonly known = new Map<string, string>();
  constructor(private readonly crypter: () => Crypter) {}

  seal(value: Properties): Properties {
    return mapSecrets(value, (found) => {
      if (found['ciphertext'] !== undefined) return found;
      const plaintext = JSON.stringify(sorted(found['value'] ?? null));
      const ciphertext = this.known.get(plaintext) ?? this.crypter().encrypt(plaintext);
      this.known.set(plaintext, ciphertext);
      return { [SIGNATURE]: SECRET, ciphertext };
    }) as Properties;
  }

  open(value: Properties): Properties {
    return mapSecrets(value, (found) => {
      const { ciphertext, plaintext } = found;
      if (typeof plaintext === 'string') return secret(JSON.parse(plaintext) as Value);
      if (typeof ciphertext !== 'string') return found;
      const text = this.crypter().decrypt(ciphertext);
      this.known.set(text, ciphertext);
      return { [SIGNATURE]: SECRET, value: JSON.parse(text) as Value };
    }) as Properties;
  }
}

/**
 * Marks as secret in what a provider answered what was secret in what it was given: providers that
 * know no secrets lose the mark.
 */
export function keepSecrets(answer: Value, given: Value | undefined): Value {
  if (isSecret(given)) return secret(reveal(answer));
  if (Array.isArray(answer))
    return answer.map((item, i) => keepSecrets(item, Array.isArray(given) ? given[i] : undefined));
  if (isProperties(answer)) return isSecret(answer) ? answer : keepEachSecret(answer, given);
  return answer;
}

function keepEachSecret(answer: Properties, given: Value | undefined): Properties {
  const from: Properties = isProperties(given) ? given : {};
  return Object.fromEntries(Object.entries(answer).map(([key, item]) => [key, keepSecrets(item, from[key])]));
}
