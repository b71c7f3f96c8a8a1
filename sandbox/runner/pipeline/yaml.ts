/**
 * Reads one YAML file as GitLab does (YAML 1.1, as Ruby's Psych reads it): anchors, merge keys,
 * `!reference`, a `spec:` before the rest.
 */
import { parseAllDocuments, type Document, type ErrorCode, type ScalarTag, type Tags, type YAMLSeq } from 'yaml';
import { InvalidPipeline, invalid } from './problem';

/** `!reference [job, key, …]`, until `resolveReferences` replaces it. */
export class Reference {
  constructor(readonly path: readonly string[]) {}
}

export type Mapping = Record<string, unknown>;

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Reference);
}

export interface YamlFile {
  readonly config: Mapping;
  /** `spec:` of a header document. */
  readonly spec: Mapping | undefined;
}

/**
 * Values that a file may have once its aliases are replaced: more is a mistake, or meant to exhaust
 * the reader.
 */
const MOST_VALUES = 1_000_000;

const reference = {
  tag: '!reference',
  collection: 'seq' as const,
  resolve: (seq: unknown) =>
    new Reference((seq as YAMLSeq).items.map((item) => String((item as { value?: unknown }).value ?? item))),
};

/** Ruby knows no single letters here, so `y` and `n` stay text. */
const boolean: ScalarTag = {
  tag: 'tag:yaml.org,2002:bool',
  default: true,
  test: /^(?:yes|no|true|false|on|off)$/i,
  resolve: (text) => /^(?:yes|true|on)$/i.test(text),
};

/**
 * As text in Ruby's way of writing it, since that is all that a pipeline does with it: 3.10 is 3.1,
 * and 1.0 stays 1.0.
 */
const float: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  test: /^[-+]?(?:\d[\d_]*)?(?:\.\d[\d_]*(?:[eE][-+]?\d+)?|\d[eE][-+]?\d+)$/,
  resolve: (text) => {
    const value = Number(text.replaceAll('_', ''));
    return Number.isInteger(value) ? `${value}.0` : String(value);
  },
};

/** A number with more digits than a computer's own stays as it is written. */
const exact = (one: ScalarTag): ScalarTag => ({
  ...one,
  resolve: (text, onError, options) => {
    const value = one.resolve(text, onError, options);
    return typeof value === 'number' && !Number.isSafeInteger(value) ? text : value;
  },
});

const REPLACED = /:(?:bool|float|timestamp)$/;
const customTags = (tags: Tags): Tags => [
  reference,
  boolean,
  float,
  ...tags
    .filter((one) => typeof one === 'string' || !REPLACED.test(one.tag))
    .map((one) => (typeof one !== 'string' && one.tag.endsWith(':int') ? exact(one as ScalarTag) : one)),
];

/** What is wrong with the text, in our words. */
const MISTAKES: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'an alias (`*name`) has no anchor (`&name`) before it',
  BAD_DQ_ESCAPE: 'text in double quotes has a backslash before a letter that means nothing there',
  BAD_INDENT: 'the indentation fits nothing above it, or a bracket is not closed',
  BAD_SCALAR_START: 'text that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping begins in the middle of a line: quote text that has `: ` in it',
  BLOCK_IN_FLOW: 'a list or mapping in brackets has one without brackets in it',
  MISSING_CHAR: 'a quote, a bracket, or a `:` is missing',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines: a `:` is missing, or a quote',
  TAB_AS_INDENT: 'a tab stands where only spaces may',
  UNEXPECTED_TOKEN: 'something stands here that fits nothing before it',
};

/** @throws InvalidPipeline with the line where the text is no YAML, or no mapping. */
export function readYaml(text: string, file: string): YamlFile {
  const parsed = parseAllDocuments(text, {
    version: '1.1',
    merge: true,
    customTags,
    uniqueKeys: false,
    prettyErrors: true,
    logLevel: 'silent',
  });
  const documents = (Array.isArray(parsed) ? parsed : []) as Document.Parsed[];
  const errors = documents.flatMap((document) => document.errors);
  if (errors.length > 0)
    throw new InvalidPipeline(
      errors.map(
        ({ code, linePos }) => `${file}: line ${linePos?.[0].line ?? 1}: ${MISTAKES[code] ?? 'this is no valid YAML'}`,
      ),
    );
  const [first, second] = documents.map((document) => valueOf(document, file));
  if (isMapping(first) && 'spec' in first && documents.length > 1) {
    const spec = first['spec'] ?? {};
    if (!isMapping(spec)) throw invalid(`${file}: spec`, 'should be a mapping with `inputs`');
    return { config: mappingOf(second, file), spec };
  }
  return { config: mappingOf(first, file), spec: undefined };
}

function mappingOf(value: unknown, file: string): Mapping {
  if (value === null || value === undefined) return {};
  if (!isMapping(value)) throw invalid(file, 'should be a mapping of jobs and keywords');
  return value;
}

function valueOf(document: Document.Parsed, file: string): unknown {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: -1 });
  } catch {
    throw invalid(file, 'an alias (`*name`) has no anchor (`&name`) before it');
  }
  if (countValues(value, new Map()) > MOST_VALUES)
    throw invalid(file, `its aliases make more than ${MOST_VALUES.toLocaleString('en')} values of it`);
  return value;
}

/** What comes several times by aliases is one object here, and counted once for each place. */
function countValues(value: unknown, known: Map<object, number>): number {
  if (typeof value !== 'object' || value === null) return 1;
  const before = known.get(value);
  if (before !== undefined) return before;
  known.set(value, 1);
  const count = Object.values(value).reduce<number>((sum, one) => sum + countValues(one, known), 1);
  known.set(value, count);
  return count;
}
