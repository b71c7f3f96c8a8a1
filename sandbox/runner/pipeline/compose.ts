/** Makes one configuration of many files: `include:`, `extends:`, and `!reference`, in GitLab's order. */
import { invalid } from './problem';
import { isMapping, readYaml, Reference, type Mapping } from './yaml';

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

/** Mappings merge key by key, all else is replaced. */
export function deepMerge(under: Mapping, over: Mapping): Mapping {
  const merged: Mapping = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMapping(below) && isMapping(value) ? deepMerge(below, value) : value;
  }
  return merged;
}

/** @throws InvalidPipeline */
export function compose(file: string, files: Files, wanted: (rules: unknown, place: string) => boolean): Mapping {
  const text = files.read(file);
  if (text === undefined) throw invalid(file, 'there is no such file in the repository');
  const included = includeFiles(readYaml(text, file), file, { files, wanted, count: 0 }, [file]);
  return resolveReferences(resolveExtends(included));
}

interface Including {
  readonly files: Files;
  readonly wanted: (rules: unknown, place: string) => boolean;
  count: number;
}

function includeFiles(config: Mapping, file: string, state: Including, chain: readonly string[]): Mapping {
  const { include, ...own } = config;
  if (include === undefined) return own;
  let merged: Mapping = {};
  for (const entry of Array.isArray(include) ? (include as unknown[]) : [include]) {
    for (const local of localFiles(entry, file, state)) {
      state.count += 1;
      if (state.count > INCLUDE_LIMIT)
        throw invalid(`${file}: include`, `more than ${INCLUDE_LIMIT} files are included`);
      if (chain.includes(local)) throw invalid(`${file}: include`, `${local} includes itself`);
      const text = state.files.read(local);
      if (text === undefined) throw invalid(`${file}: include`, `there is no file ${local} in the repository`);
      merged = deepMerge(merged, includeFiles(readYaml(text, local), local, state, [...chain, local]));
    }
  }
  return deepMerge(merged, own);
}

function localFiles(entry: unknown, file: string, state: Including): string[] {
  const place = `${file}: include`;
  if (typeof entry === 'string') {
    if (/^https?:\/\//.test(entry)) throw invalid(place, `${entry} is remote; the sandbox includes local files only`);
    return matching(entry, state.files);
  }
  if (!isMapping(entry)) throw invalid(place, 'should be a file, a mapping with `local`, or a list of these');
  if (entry['rules'] !== undefined && !state.wanted(entry['rules'], place)) return [];
  const other = OTHER_INCLUDES.find((kind) => kind in entry);
  if (other)
    throw invalid(`${place}:${other}`, 'the sandbox includes local files only; put a copy into the repository');
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

function resolveExtends(config: Mapping): Mapping {
  const resolved = new Map<string, unknown>();
  const resolve = (name: string, chain: readonly string[]): unknown => {
    if (chain.includes(name))
      throw invalid(`jobs:${chain.at(-1)}:extends`, `${[...chain, name].join(' → ')} goes round in a circle`);
    if (chain.length > EXTENDS_LEVELS)
      throw invalid(`jobs:${chain[0]}:extends`, `nests deeper than ${EXTENDS_LEVELS} levels`);
    if (!resolved.has(name))
      resolved.set(
        name,
        extend(name, config[name], (parent) => resolve(parent, [...chain, name])),
      );
    return resolved.get(name);
  };
  const extend = (name: string, job: unknown, parentOf: (parent: string) => unknown): unknown => {
    if (!isMapping(job) || job['extends'] === undefined) return job;
    const { extends: parents, ...own } = job;
    const names = Array.isArray(parents) ? (parents as unknown[]) : [parents];
    let base: Mapping = {};
    for (const parent of names) {
      if (typeof parent !== 'string')
        throw invalid(`jobs:${name}:extends`, 'should be a job name or a list of job names');
      if (!(parent in config)) throw invalid(`jobs:${name}:extends`, `there is no job ${parent}`);
      const from = parentOf(parent);
      if (!isMapping(from)) throw invalid(`jobs:${name}:extends`, `${parent} is no job`);
      base = deepMerge(base, from);
    }
    return deepMerge(base, own);
  };
  return Object.fromEntries(Object.keys(config).map((name) => [name, resolve(name, [])]));
}

function resolveReferences(config: Mapping): Mapping {
  const resolve = (value: unknown, place: string, level: number): unknown => {
    if (value instanceof Reference) {
      if (level > REFERENCE_LEVELS) throw invalid(place, `!reference nests deeper than ${REFERENCE_LEVELS} levels`);
      return resolve(lookUp(config, value, place), place, level + 1);
    }
    if (Array.isArray(value)) return value.map((item, index) => resolve(item, `${place}:${index}`, level));
    if (!isMapping(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, resolve(inner, place === '' ? key : `${place}:${key}`, level)]),
    );
  };
  return resolve(config, '', 0) as Mapping;
}

function lookUp(config: Mapping, reference: Reference, place: string): unknown {
  let found: unknown = config;
  for (const key of reference.path) found = isMapping(found) ? found[key] : undefined;
  if (found === undefined) throw invalid(place, `!reference [${reference.path.join(', ')}] finds nothing`);
  return found;
}
