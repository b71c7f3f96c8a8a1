import { Map as ProtoMap, Message } from 'google-protobuf';
import { Struct, Value } from 'google-protobuf/google/protobuf/struct_pb';

/**
 * A generated class names a field by its getter: getUrn, getAliasesList, getConfigMap;
 * getRandomseed_asB64 is a twin.
 */
const GETTER = /^get([A-Z][A-Za-z0-9]*?)(?:List|Map)?$/;

/**
 * A message as plain JSON, without the fields that are not set.
 * Names are in lower case: the generated classes don't keep the capitals of Pulumi's own spelling.
 */
export function plain(message: Message): Record<string, unknown> {
  if (message instanceof Struct) return message.toJavaScript();
  const getters = Object.getOwnPropertyNames(Object.getPrototypeOf(message)).filter((name) => GETTER.test(name));
  const fields = getters.flatMap((getter) => {
    const name = GETTER.exec(getter)![1]!;
    const { [getter]: get, [`has${name}`]: has } = message as unknown as Record<string, () => unknown>;
    const value = plainValue(get!.call(message));
    const set = has ? has.call(message) : !isEmpty(value);
    return set ? [[name.toLowerCase(), value] as const] : [];
  });
  return Object.fromEntries(fields);
}

function plainValue(value: unknown): unknown {
  if (value instanceof Value) return value.toJavaScript();
  if (value instanceof Message) return plain(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (!(value instanceof ProtoMap)) return value;
  const entries: [string, unknown][] = [];
  value.forEach((item: unknown, key: string) => entries.push([key, plainValue(item)]));
  return Object.fromEntries(entries);
}

function isEmpty(value: unknown): boolean {
  return !value || (typeof value === 'object' && Object.keys(value).length === 0);
}
