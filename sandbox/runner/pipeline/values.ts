/** What a pipeline's file is made of, once it is read. */

/** `!reference [job, key, …]`, until `resolveReferences` replaces it. */
export class Reference {
  constructor(readonly path: readonly string[]) {}
}

export type Mapping = Record<string, unknown>;

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Reference);
}
