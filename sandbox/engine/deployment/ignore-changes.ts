import { isProperties, without, type Properties, type Value } from '../rpc/values';

/**
 * The new inputs, with the old values wherever the program said to ignore changes (paths such as
 * tags.owner or disks[0].size).
 */
export function keepIgnored(inputs: Properties, old: Properties, paths: readonly string[]): Properties {
  return paths.reduce<Properties>((current, path) => keep(current, old, parsePath(path)) as Properties, inputs);
}

/** Splits a property path: root.nested[0]["with.dots"] is root, nested, 0, with.dots. */
function parsePath(path: string): string[] {
  return [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, name]) => quoted?.replace(/\\(.)/g, '$1') ?? index ?? name!,
  );
}

function keep(value: Value | undefined, old: Value | undefined, path: readonly string[]): Value | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return old;
  if (step === '*') return keepAll(value, old, rest);
  if (Array.isArray(value) && Array.isArray(old)) {
    const index = Number(step);
    return value.map((item, i) => (i === index ? (keep(item, old[i], rest) ?? item) : item));
  }
  const base = isProperties(value) ? value : undefined;
  if (!base && !isProperties(old)) return value;
  const next = keep(base?.[step], isProperties(old) ? old[step] : undefined, rest);
  const others = without(base ?? {}, step);
  return next === undefined ? others : { ...others, [step]: next };
}

function keepAll(value: Value | undefined, old: Value | undefined, rest: readonly string[]): Value | undefined {
  if (Array.isArray(value) && Array.isArray(old)) return value.map((item, i) => keep(item, old[i], rest) ?? item);
  if (!isProperties(value) || !isProperties(old)) return old ?? value;
  const keys = new Set([...Object.keys(value), ...Object.keys(old)]);
  return Object.fromEntries(
    [...keys].flatMap((key) => {
      const next = keep(value[key], old[key], rest);
      return next === undefined ? [] : [[key, next]];
    }),
  );
}
