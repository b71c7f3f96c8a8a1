/** Pulumi's property values as they cross the wire: JSON, with two special forms. */
import { Struct, type JavaScriptValue } from 'google-protobuf/google/protobuf/struct_pb';

export type Value = null | boolean | number | string | readonly Value[] | Properties;
export interface Properties {
  readonly [name: string]: Value;
}

/** Stands for a value that is known only after another resource was created (during a preview). */
export const UNKNOWN = '04da6b54-80e4-46f7-96ec-b56ff0331ba9';

const SIGNATURE = '4dabf18193072939515e22adb298388d';
const SECRET = '1b47061264138c4ac30d75fd1eb44270';

/** Wraps a value so that the engine encrypts it in the state. */
export function secret(value: Value): Properties {
  return { [SIGNATURE]: SECRET, value };
}

/** Takes the secret's wrapping off, at any depth. */
function unwrapSecrets(value: Value): Value {
  if (Array.isArray(value)) return value.map(unwrapSecrets);
  if (!isProperties(value)) return value;
  if (value[SIGNATURE] === SECRET) return unwrapSecrets(value['value'] ?? null);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unwrapSecrets(inner)]));
}

export function isProperties(value: Value | undefined): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fromStruct(struct: Struct | undefined): Properties {
  return struct === undefined ? {} : (unwrapSecrets(struct.toJavaScript() as Properties) as Properties);
}

export function toStruct(properties: Properties): Struct {
  return Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);
}

/** Deep equality; lists in order. */
export function equal(left: Value | undefined, right: Value | undefined): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equal(item as Value, right[index] as Value));
  }
  if (!isProperties(left) || !isProperties(right)) return false;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) => equal(left[name], right[name]));
}

/** Text of a property; '' where it is missing. */
export function text(value: Value | undefined): string {
  return value === undefined || value === null ? '' : String(value);
}

/** A map of strings such as tags. */
export function stringMap(value: Value | undefined): Record<string, string> {
  if (!isProperties(value)) return {};
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== '__defaults')
      .map(([name, inner]) => [name, text(inner)]),
  );
}
