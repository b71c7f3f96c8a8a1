/** `1 job`, `2 jobs`, `0 jobs`; `many` where it is not `one` with an s. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${plural(count, one, many)}`;
}

/** The word alone, for a number that is written in another way. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}
