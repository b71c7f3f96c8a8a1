/** Reads one YAML file as GitLab does: anchors, merge keys, and `!reference`. */
import { parseDocument, type Tags, type YAMLSeq } from 'yaml';
import { InvalidPipeline, invalid } from './problem';

/** `!reference [job, key, …]`, until `resolveReferences` replaces it. */
export class Reference {
  constructor(readonly path: readonly string[]) {}
}

export type Mapping = Record<string, unknown>;

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Reference);
}

const customTags: Tags = [
  {
    tag: '!reference',
    collection: 'seq',
    resolve: (seq) =>
      new Reference((seq as YAMLSeq).items.map((item) => String((item as { value?: unknown }).value ?? item))),
  },
];

/** @throws InvalidPipeline with the line where the text is no YAML, or no mapping. */
export function readYaml(text: string, file: string): Mapping {
  const document = parseDocument(text, { merge: true, customTags, uniqueKeys: false, prettyErrors: true });
  const errors = document.errors.map((error) => `${file}:${error.linePos?.[0].line ?? 1}: ${sentence(error.message)}`);
  if (errors.length > 0) throw new InvalidPipeline(errors);
  const value: unknown = document.toJS({ maxAliasCount: 1000 });
  if (value === null || value === undefined) return {};
  if (!isMapping(value)) throw invalid(file, 'should be a mapping of jobs and keywords');
  return value;
}

function sentence(message: string): string {
  return (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '');
}
