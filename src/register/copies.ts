import { isDeepStrictEqual } from 'node:util';
import { parse, type TomlTable as TomlObject } from 'smol-toml';
import { ConfigurationError } from '../errors';
import { expiryOf, findSection, parseConfig, type RunnerConfig, type RunnerSection } from './config-file';
import { itemOf, literal } from './toml-edit';

/**
 * gitlab-runner asks for jobs once in each `check_interval`, whole seconds, for each section. So a
 * section that stands five times in the file asks five times a second. `limit` and
 * `request_concurrency` are counted by token: together the copies have those of one.
 * https://gitlab.com/gitlab-org/gitlab-runner/-/blob/main/commands/multi.go (feedRunners)
 */

export const RUNNERS = 'runners';

const COMMENT = [
  '# Copies of the runner above: so gitlab-runner asks GitLab for jobs more often. They share its limit.',
  '# Change the runner above, and run `gitlab-spot register` again: it writes them anew.',
  '',
].join('\n');
/** Above a copy; some of the file's lines may end as on Windows. */
const OUR_COMMENT = new RegExp(`${COMMENT.replaceAll('\n', '\r?\n')}$`);

export interface Copied {
  readonly name: string;
  /** With the runner's own. */
  readonly sections: number;
}

/** `NAME (2)` and so on: the runner's metrics want a name of its own for each section. */
const nameOf = (name: string, number: number): string => `${name} (${number})`;

/**
 * A section by the name of a copy that is of the same runner at GitLab: its token may be an older
 * one.
 */
export function isCopy(copy: RunnerSection, first: RunnerSection): boolean {
  return (
    isNamedAsCopy(copy, first) &&
    copy.url === first.url &&
    copy.executor === first.executor &&
    (same(copy.token, first.token) || same(copy.id, first.id))
  );
}

/** No more than ten sections (check-interval.ts). A copy's copy is one too: it was once taken for a runner. */
function isNamedAsCopy(copy: RunnerSection, { name }: RunnerSection): boolean {
  if (!name || !copy.name?.startsWith(name)) return false;
  return /^( \(([2-9]|10)\))+$/.test(copy.name.slice(name.length));
}

/** gitlab-runner writes the id 0 where it knows none: that is nobody's, as an empty token is. */
const same = (one: unknown, other: unknown): boolean => Boolean(one) && one === other;

/**
 * The text with as many sections of the runner as wanted: its copies have all its keys and tables,
 * and another name. Copies that are right keep their bytes. A token that expires is renewed by
 * gitlab-runner in one section only: then there is no copy.
 * @param before the runner's section as it was, of which any copies are; undefined: there was none
 * @throws ConfigurationError
 */
export function withCopies(text: string, file: string, { name, sections }: Copied, before?: RunnerSection): string {
  const config = parseConfig(text, file);
  const runners = config.runners ?? [];
  const at = findSection(config, name, file)!;
  const first = runners[at]!;
  const base = runners.find((one) => isCopy(first, one) || (before !== undefined && isCopy(before, one)));
  if (base !== undefined)
    throw new ConfigurationError(`${file} has the runner ${base.name}: ${name} is the name of a copy of it`, {
      remedy: `Pass --name ${JSON.stringify(base.name)}, or choose another --name.`,
    });
  const copies = runners.flatMap((one, index) => (before !== undefined && isCopy(one, before) ? [index] : []));
  const names = Array.from({ length: expiryOf(first) ? 0 : sections - 1 }, (_, index) => nameOf(name, index + 2));
  // Next time it would be taken for a copy where it is of the same runner at GitLab.
  const other = runners.find(
    (one, index) => !copies.includes(index) && (names.includes(one.name ?? '') || isCopy(one, first)),
  );
  if (other !== undefined)
    throw new ConfigurationError(`${file} has a runner ${other.name} that is no copy of ${name}`, {
      remedy: isCopy(other, first)
        ? 'It is of the same runner at GitLab: remove or rename it, or choose another --name.'
        : 'Remove or rename it, choose another --name, or pass --check-interval 1s, which needs no copies.',
    });
  const wanted = names.map((one) => ({ ...first, name: one }));
  if (isDeepStrictEqual(plain(copies.map((index) => runners[index])), plain(wanted))) return text;
  let result = text;
  // From the last to the first, so that the places of the earlier ones stay right.
  for (const index of [...copies].reverse()) result = withoutSection(result, index);
  const others = runners.flatMap((one, index) =>
    copies.includes(index) ? [] : [one === first ? [one, ...wanted] : [one]],
  );
  result = insert(
    result,
    others.findIndex(([one]) => one === first),
    names,
  );
  return asMeant(result, { ...config, runners: others.flat() }, file, name);
}

/** Without the section, the comment of ours above it, and one empty line. */
function withoutSection(text: string, index: number): string {
  const tables = itemOf(text, RUNNERS, index);
  const above = text.slice(0, tables[0]!.headerStart);
  return above.replace(OUR_COMMENT, '').replace(/(\n)\r?\n$/, '$1') + text.slice(endOf(tables));
}

function insert(text: string, index: number, names: readonly string[]): string {
  if (names.length === 0) return text;
  const tables = itemOf(text, RUNNERS, index);
  const [first] = tables;
  const { valueStart, valueEnd } = first!.entries.find(({ key }) => key === 'name')!;
  const end = endOf(tables);
  const gap = text[end - 1] === '\n' ? '' : '\n';
  const copies = names.map(
    (name) => text.slice(first!.headerStart, valueStart) + literal(name) + text.slice(valueEnd, end) + gap,
  );
  return `${text.slice(0, end)}${gap}\n${COMMENT}${copies.join('\n')}${text.slice(end)}`;
}

const endOf = (tables: ReturnType<typeof itemOf>): number => Math.max(...tables.map(({ end }) => end));

/** The text, if it means what was wanted. @throws ConfigurationError */
export function asMeant(text: string, expected: RunnerConfig | TomlObject, file: string, name: string): string {
  let after: unknown;
  try {
    after = parse(text);
  } catch {
    after = undefined;
  }
  if (isDeepStrictEqual(plain(after), plain(expected))) return text;
  throw notEditable(file, name);
}

export function notEditable(file: string, name: string): ConfigurationError {
  return new ConfigurationError(
    `${file} writes the runner ${name} in a way that can't be edited without changing the rest`,
    {
      remedy:
        'Write its tables with headers of their own ([[runners]], [runners.custom], [runners.cache.s3]), or remove the section.',
    },
  );
}

/** Dates and the parser's own classes as text, so that two readings can be compared. */
export function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
