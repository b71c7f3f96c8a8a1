import type { Params } from './rpc';

/** How the API wants lists, tags and times. */

export function tagFilter(tags: Readonly<Record<string, string>>): Params {
  return Object.fromEntries(
    Object.entries(tags).flatMap(([key, value], index) => [
      [`Tag.${index + 1}.Key`, key],
      [`Tag.${index + 1}.Value`, value],
    ]),
  );
}

/** `2026-11-24T15:13:00Z`, the one form that the API takes. */
export function withoutMilliseconds(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

export function indexed(name: string, values: readonly string[]): Params {
  return Object.fromEntries(values.map((value, index) => [`${name}.${index + 1}`, value]));
}
