/** A property value as it travels in a google.protobuf.Struct and stands in a checkpoint. */
export type Value = null | boolean | number | string | Value[] | Properties;

/** A property map: what a resource's inputs and outputs are. */
export interface Properties {
  [key: string]: Value;
}

/** Tells a property map from the other kinds of values. */
export function isProperties(value: Value | undefined): value is Properties {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Map keys in the order in which Go writes a map: by bytes. */
export function sortedKeys(value: Properties): string[] {
  return Object.keys(value).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** The same value with the keys of every map in the order in which the real engine writes them. */
export function sorted(value: Value): Value {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isProperties(value)) return value;
  const result: Properties = {};
  for (const key of sortedKeys(value)) {
    const item = value[key];
    if (item !== undefined) result[key] = sorted(item);
  }
  return result;
}

/** Deep equality; the order of map keys does not count. */
export function equal(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (!isProperties(a) || !isProperties(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

/** A copy without one key. */
export function without<T extends object>(object: T, key: string): T {
  const copy = { ...object } as Record<string, unknown>;
  delete copy[key];
  return copy as T;
}
