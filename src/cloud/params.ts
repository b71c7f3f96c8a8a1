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

/**
 * The longest list of instance types that a call takes (documented for DescribeInstanceTypes and
 * DescribeSpotAdvice).
 */
export const TYPES_AT_ONCE = 10;

export function inBatches<T>(all: readonly T[], size: number): T[][] {
  const count = Math.ceil(all.length / size);
  return Array.from({ length: count }, (_, index) => all.slice(index * size, (index + 1) * size));
}

export function indexed(name: string, values: readonly string[]): Params {
  return Object.fromEntries(values.map((value, index) => [`${name}.${index + 1}`, value]));
}
