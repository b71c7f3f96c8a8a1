/** What differs between a resource as the state has it and as the program wants it. */
import type { ResourceType } from './resources/resource';
import { equal, isProperties, UNKNOWN, type Properties, type Value } from './values';

export interface PropertyDifference {
  readonly name: string;
  readonly kind: 'add' | 'update' | 'delete';
  readonly replace: boolean;
}

/**
 * @param state the last outputs
 * @param oldInputs what the program said when they came about
 * @param inputs what it says now
 */
export function difference(
  type: ResourceType,
  state: Properties,
  oldInputs: Properties,
  inputs: Properties,
  ignored: readonly string[] = [],
): readonly PropertyDifference[] {
  const names = new Set([...Object.keys(inputs), ...Object.keys(oldInputs)]);
  const found: PropertyDifference[] = [];
  for (const name of names) {
    if (name.startsWith('__') || ignored.includes(name)) continue;
    const kind = change(type, name, state, oldInputs, inputs);
    if (kind !== undefined) found.push({ name, kind, replace: type.replaceOn.includes(name) });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function change(
  type: ResourceType,
  name: string,
  state: Properties,
  oldInputs: Properties,
  inputs: Properties,
): PropertyDifference['kind'] | undefined {
  const before = known(state[name]) ?? known(oldInputs[name]);
  const after = known(inputs[name]);
  if (after === undefined) {
    // What the cloud fills in stays as it is when the program stops naming it.
    return before === undefined || empty(before) || type.computed.includes(name) ? undefined : 'delete';
  }
  if (before === undefined) return empty(after) && !containsUnknown(after) ? undefined : 'add';
  if (covers(name, plain(before), plain(after)) || type.same?.(name, before, after, inputs) === true) return undefined;
  return 'update';
}

/**
 * The cloud fills in what the program leaves out of a nested object; only maps of tags must be
 * equal to the last key.
 */
function covers(name: string, before: Value, after: Value): boolean {
  if (Array.isArray(before) && Array.isArray(after)) {
    return (
      before.length === after.length && after.every((item: Value, index) => covers(name, before[index] as Value, item))
    );
  }
  if (!isProperties(before) || !isProperties(after) || ['tags', 'volumeTags'].includes(name))
    return equal(before, after);
  const said = Object.entries(after).every(([key, item]) => covers(key, before[key] ?? null, item));
  const unsaid = Object.entries(before).filter(([key]) => !(key in after));
  return said && unsaid.every(([, item]) => item === null || empty(item));
}

function known(value: Value | undefined): Value | undefined {
  return value === null ? undefined : value;
}

function empty(value: Value): boolean {
  return (
    value === '' ||
    value === false ||
    value === 0 ||
    (typeof value === 'object' && Object.keys(plain(value) ?? {}).length === 0)
  );
}

function containsUnknown(value: Value): boolean {
  return (
    value === UNKNOWN || (typeof value === 'object' && value !== null && Object.values(value).some(containsUnknown))
  );
}

/** Without the lists of defaults that nested objects carry. */
function plain(value: Value): Value {
  if (Array.isArray(value)) return value.map(plain);
  if (!isProperties(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== '__defaults')
      .map(([name, inner]) => [name, plain(inner)]),
  );
}
