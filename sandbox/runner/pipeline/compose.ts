/**
 * Makes one configuration of many files: `include:`, `extends:`, and `!reference`, in GitLab's
 * order.
 */
import { withInputs } from './inputs';
import { GLOBAL_KEYS } from './keywords';
import { invalid, Problems } from './problem';
import { isMapping, Reference, type Mapping } from './values';
import { readYaml } from './yaml';

/** The repository's files as they are at the commit. */
export interface Files {
  /** Undefined where there is no such file. */
  read(file: string): string | undefined;
  list(): readonly string[];
}

const INCLUDE_LIMIT = 150;
const EXTENDS_LEVELS = 11;
const REFERENCE_LEVELS = 10;
const OTHER_INCLUDES = ['remote', 'project', 'template', 'component', 'artifact'];

/** Stands for a job about which something was said already. */
export const BROKEN = Symbol('broken');

/** How a sentence names a part of the file. */
function placeOf(name: string): string {
  return GLOBAL_KEYS.includes(name) ? name : `job ${name}`;
}

/** Mappings merge key by key, all else is replaced. */
function deepMerge(under: Mapping, over: Mapping): Mapping {
  const merged: Mapping = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMapping(below) && isMapping(value) ? deepMerge(below, value) : value;
  }
  return merged;
}

export interface Composed {
  readonly config: Mapping;
  /** What is not included, one sentence each. */
  readonly warnings: readonly string[];
}

/** What is wrong with files and references is collected, and the rest composed without it. */
export function compose(
  file: string,
  files: Files,
  problems: Problems,
  wanted: (rules: unknown, place: string) => boolean,
): Composed {
  const text = files.read(file);
  if (text === undefined) throw invalid(file, 'there is no such file in the commit (is it committed?)');
  const state: Including = { files, wanted, problems, warnings: [], count: 0 };
  const included = includeFiles(withInputs(readYaml(text, file), {}, file), file, state, [file]);
  // What is missing may stand in a file that is left out: such a job is left out too.
  const missing = state.warnings.length > 0 ? new Problems() : problems;
  const config = resolveReferences(resolveExtends(included, missing), missing);
  return {
    config,
    warnings: [...state.warnings, ...(missing === problems ? [] : missing.found.map(leftOut))],
  };
}

const ELSEWHERE = 'since that may stand in a file that is not included';

/** For what needs something that no included file has. */
export function leftOut(problem: string): string {
  return `${problem}; ${problem.startsWith('job ') ? 'the job' : 'it'} is left out, ${ELSEWHERE}`;
}

/** For a job that is named and not there. */
export function notAwaited(problem: string): string {
  return `${problem}; it is not waited for, ${ELSEWHERE}`;
}

interface Including {
  readonly files: Files;
  readonly wanted: (rules: unknown, place: string) => boolean;
  readonly problems: Problems;
  readonly warnings: string[];
  count: number;
}

function includeFiles(config: Mapping, file: string, state: Including, chain: readonly string[]): Mapping {
  const { include, ...own } = config;
  let merged: Mapping = {};
  for (const entry of [include ?? []].flat() as unknown[]) {
    const inputs = isMapping(entry) && isMapping(entry['inputs']) ? entry['inputs'] : {};
    for (const local of state.problems.collect(() => localFiles(entry, file, state), []))
      merged = deepMerge(
        merged,
        state.problems.collect(() => includeFile(local, inputs, file, state, chain), {}),
      );
  }
  return deepMerge(merged, own);
}

function includeFile(
  local: string,
  inputs: Mapping,
  file: string,
  state: Including,
  chain: readonly string[],
): Mapping {
  const place = `${file}: include`;
  state.count += 1;
  if (state.count > INCLUDE_LIMIT) throw invalid(place, `more than ${INCLUDE_LIMIT} files are included`);
  if (chain.includes(local)) throw invalid(place, `${local} includes itself`);
  const text = state.files.read(local);
  if (text === undefined) throw invalid(place, `there is no file ${local} in the repository`);
  return includeFiles(withInputs(readYaml(text, local), inputs, local), local, state, [...chain, local]);
}

function localFiles(entry: unknown, file: string, state: Including): string[] {
  const place = `${file}: include`;
  const elsewhere = (what: string): string[] => {
    state.warnings.push(`${place}: ${what} is left out: the sandbox includes files of the repository only`);
    return [];
  };
  if (typeof entry === 'string') return /^https?:\/\//.test(entry) ? elsewhere(entry) : matching(entry, state.files);
  if (!isMapping(entry)) throw invalid(place, 'should be a file, a mapping with `local`, or a list of these');
  if (entry['rules'] !== undefined && !state.wanted(entry['rules'], place)) return [];
  const other = OTHER_INCLUDES.find((kind) => kind in entry);
  const of = (key: string) => [entry[key] ?? []].flat().map(String).join(', ');
  if (other) return elsewhere(`${other}: ${of(other)}${other === 'project' ? `: ${of('file')}` : ''}`);
  if (typeof entry['local'] !== 'string') throw invalid(place, 'a mapping needs `local: FILE`');
  return matching(entry['local'], state.files);
}

function matching(pattern: string, files: Files): string[] {
  const name = pattern.replace(/^\/+/, '');
  if (!name.includes('*')) return [name];
  return files.list().filter((file) => globMatches(name, file));
}

/** GitLab's globs: `*` and `?` within a folder, `**` across folders, `{a,b}`. */
export function globMatches(pattern: string, file: string): boolean {
  return new RegExp(`^${globSource(pattern)}$`).test(file);
}

function globSource(pattern: string): string {
  return pattern.replace(/\*\*\/|\*\*|\*|\?|\{[^{}]*\}|[.+^$()|[\]\\{}]/g, (token) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.startsWith('{') && token.length > 1)
      return `(?:${token.slice(1, -1).split(',').map(globSource).join('|')})`;
    return `\\${token}`;
  });
}

function resolveExtends(config: Mapping, problems: Problems): Mapping {
  const resolved = new Map<string, unknown>();
  const resolve = (name: string, chain: readonly string[]): unknown => {
    const place = `job ${chain.at(-1) ?? name}: extends`;
    if (chain.includes(name)) throw invalid(place, `${[...chain, name].join(' → ')} goes round in a circle`);
    if (chain.length > EXTENDS_LEVELS)
      throw invalid(`job ${chain[0]}: extends`, `nests deeper than ${EXTENDS_LEVELS} levels`);
    if (!resolved.has(name))
      resolved.set(
        name,
        extend(name, config[name], (parent) => resolve(parent, [...chain, name])),
      );
    return resolved.get(name);
  };
  const extend = (name: string, job: unknown, parentOf: (parent: string) => unknown): unknown => {
    if (!isMapping(job) || !('extends' in job)) return job;
    const { extends: parents, ...own } = job;
    let base: Mapping = {};
    for (const parent of ([parents ?? []].flat() as unknown[]).map(String)) {
      if (!(parent in config)) throw invalid(`job ${name}: extends`, `there is no job ${parent}`);
      const from = parentOf(parent);
      if (!isMapping(from)) throw invalid(`job ${name}: extends`, `${parent} is no job`);
      base = deepMerge(base, from);
    }
    return deepMerge(base, own);
  };
  return Object.fromEntries(
    Object.keys(config).map((name) => [name, problems.collect(() => resolve(name, []), BROKEN)]),
  );
}

function resolveReferences(config: Mapping, problems: Problems): Mapping {
  const resolve = (value: unknown, place: string, level: number): unknown => {
    if (value instanceof Reference) {
      if (level > REFERENCE_LEVELS) throw invalid(place, `!reference nests deeper than ${REFERENCE_LEVELS} levels`);
      return resolve(lookUp(config, value, place), place, level + 1);
    }
    if (Array.isArray(value)) return value.map((item) => resolve(item, place, level));
    if (!isMapping(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, resolve(inner, `${place}: ${key}`, level)]),
    );
  };
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name,
      value === BROKEN ? value : problems.collect(() => resolve(value, placeOf(name), 0), BROKEN),
    ]),
  );
}

function lookUp(config: Mapping, reference: Reference, place: string): unknown {
  let found: unknown = config;
  for (const key of reference.path) found = isMapping(found) ? found[key] : undefined;
  if (found === undefined) throw invalid(place, `!reference [${reference.path.join(', ')}] finds nothing`);
  return found;
}
