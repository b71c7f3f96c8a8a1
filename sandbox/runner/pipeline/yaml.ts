/**
 * Reads one YAML file as GitLab does (YAML 1.1, as Ruby's Psych reads it): anchors, merge keys,
 * `!reference`, a `spec:` before the rest.
 */
import { Composer, Lexer, LineCounter, Parser, type Document, type ErrorCode } from 'yaml';
import { InvalidPipeline, invalid } from './problem';
import { isMapping, type Mapping } from './values';
import { NO_ANCHOR, valuesOf } from './yaml-values';

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

/** What is wrong with the text, in our words. */
const MISTAKES: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: NO_ANCHOR,
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
  const lines = new LineCounter();
  const problems: string[] = [];
  const refuse = (offset: number, sentence: string): void => {
    problems.push(`${file}: line ${lines.linePos(offset).line || 1}: ${sentence}`);
  };
  const documents = documentsOf(text, lines);
  for (const { code, pos } of documents.flatMap((document) => document.errors))
    refuse(pos[0], MISTAKES[code] ?? 'this is no valid YAML');
  if (problems.length > 0) throw new InvalidPipeline(problems);
  const [first, second] = documents.map((document) => valuesOf(document, refuse));
  if (problems.length > 0) throw new InvalidPipeline(problems);
  const counted = new Map<object, number>();
  if (countValues(first, counted) + countValues(second, counted) > MOST_VALUES)
    throw invalid(file, `its aliases make more than ${MOST_VALUES.toLocaleString('en')} values of it`);
  if (isMapping(first) && 'spec' in first && documents.length > 1) {
    const spec = first['spec'] ?? {};
    if (!isMapping(spec)) throw invalid(`${file}: spec`, 'should be a mapping with `inputs`');
    return { config: mappingOf(second, file), spec };
  }
  return { config: mappingOf(first, file), spec: undefined };
}

function documentsOf(text: string, lines: LineCounter): Document.Parsed[] {
  const parser = new Parser(lines.addNewLine);
  Object.assign(parser, { lexer: libyamlLexer() });
  // All values are text at first: what they mean is Psych's to say.
  const composer = new Composer({ version: '1.1', schema: 'failsafe', resolveKnownTags: false, uniqueKeys: false });
  return [...composer.compose(parser.parse(text))] as Document.Parsed[];
}

type Step = () => Generator<string, unknown>;

/** Psych's parser gives indentation no meaning within brackets and quotes. */
function libyamlLexer(): Lexer {
  const lexer = new Lexer() as unknown as { indentNext: number; parseFlowCollection: Step; parseQuotedScalar: Step };
  for (const step of ['parseFlowCollection', 'parseQuotedScalar'] as const) {
    const strict: Step = lexer[step].bind(lexer);
    lexer[step] = function* () {
      const { indentNext } = lexer;
      lexer.indentNext = 0;
      const next = yield* strict();
      lexer.indentNext = indentNext;
      return next;
    };
  }
  return lexer as unknown as Lexer;
}

function mappingOf(value: unknown, file: string): Mapping {
  if (value === null || value === undefined) return {};
  if (!isMapping(value)) throw invalid(file, 'should be a mapping of jobs and keywords');
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
