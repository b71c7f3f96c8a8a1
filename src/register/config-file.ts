import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { parse, type TomlTable as TomlObject, type TomlValue } from 'smol-toml';
import { ConfigurationError, HostError } from '../errors';
import { setInTable, tablesOf, type TomlTable } from './toml-edit';

/**
 * gitlab-runner's config.toml as far as we read it.
 * https://docs.gitlab.com/runner/configuration/advanced-configuration/
 */
export interface RunnerConfig {
  readonly concurrent?: number;
  readonly shutdown_timeout?: number;
  /** Seconds between two requests for jobs; 0 or left out: 3. */
  readonly check_interval?: number;
  readonly runners?: readonly RunnerSection[];
}

export interface RunnerSection {
  readonly name?: string;
  readonly url?: string;
  readonly clone_url?: string;
  readonly id?: number;
  readonly token?: string;
  readonly 'tls-ca-file'?: string;
  readonly token_expires_at?: Date;
  readonly executor?: string;
  readonly limit?: number;
  readonly request_concurrency?: number;
  readonly custom?: CustomSection;
  readonly cache?: { readonly Type?: string; readonly s3?: CacheSection };
}

/** PEM files of the authority that the section's GitLab is of. */
export function caFilesOf(section: RunnerSection | undefined): readonly string[] {
  const file = section?.['tls-ca-file'];
  return file ? [file] : [];
}

/** Times in seconds. */
export interface CustomSection extends Partial<Record<`${Hook}_exec`, string>> {
  readonly config_args?: readonly string[];
  readonly prepare_args?: readonly string[];
  readonly run_args?: readonly string[];
  readonly cleanup_args?: readonly string[];
  readonly config_exec_timeout?: number;
  readonly prepare_exec_timeout?: number;
  readonly cleanup_exec_timeout?: number;
  readonly graceful_kill_timeout?: number;
  readonly force_kill_timeout?: number;
}

export interface CacheSection {
  readonly ServerAddress?: string;
  readonly BucketName?: string;
  readonly Insecure?: boolean;
  readonly PathStyle?: boolean;
}

export type Hook = (typeof HOOKS)[number];
export const HOOKS = ['config', 'prepare', 'run', 'cleanup'] as const;

/**
 * Below dist/executor. prepare is a shell script, which becomes prepare.js once there is a place to
 * create an instance.
 */
export const HOOK_FILES: Readonly<Record<Hook, string>> = {
  config: 'config.js',
  prepare: 'prepare',
  run: 'run.js',
  cleanup: 'cleanup.js',
};

type Values = Readonly<Record<string, TomlValue>>;

/** What we want to stand in the file; everything else in it stays as it is. */
export interface WantedConfig {
  /**
   * Raised to this where they are lower, never lowered: other runners of the file live by them too.
   */
  readonly atLeast: Readonly<Record<'concurrent' | 'shutdown_timeout', number>>;
  /** Lowered to this where they are higher, or left to the runner's own default. */
  readonly atMost: Readonly<Record<'check_interval', number>>;
  readonly name: string;
  readonly runner: Values;
  /** By path below the runner: `custom`, `custom_build_dir`, `cache`, `cache.s3`. */
  readonly tables: Readonly<Record<string, Values>>;
}

/** '' where there is no file yet. @throws HostError */
export function readConfigText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return '';
    throw new HostError(`The runner's configuration ${file} can't be read (${code})`, {
      remedy: 'Run the command as the user that gitlab-runner runs as, or name another file with --config.',
      cause: error,
    });
  }
}

/** @throws ConfigurationError that names the line. */
export function parseConfig(text: string, file: string): RunnerConfig {
  try {
    return parse(text) as RunnerConfig;
  } catch (error) {
    const [first = ''] = (error as Error).message.split('\n');
    const line = (error as { line?: number }).line;
    throw new ConfigurationError(
      `The runner's configuration ${file} is not TOML${line === undefined ? '' : ` (line ${line})`}: ${first.replace('Invalid TOML document: ', '')}`,
      { remedy: 'Fix the file, or name another one with --config.', cause: error },
    );
  }
}

/** Our section: by its name. @throws ConfigurationError when two have it. */
export function findSection(config: RunnerConfig, name: string, file: string): number | undefined {
  const found = (config.runners ?? []).flatMap((section, index) => (section.name === name ? [index] : []));
  if (found.length > 1) {
    throw new ConfigurationError(`${file} has ${found.length} runners with the name ${name}`, {
      remedy: 'Remove all but one of them, or choose another --name.',
    });
  }
  const executor = found.length === 1 ? config.runners![found[0]!]!.executor : 'custom';
  if (executor !== 'custom') {
    throw new ConfigurationError(`${file} has a runner ${name} with the executor ${executor}, which is not ours`, {
      remedy: 'Choose another --name.',
    });
  }
  return found[0];
}

/**
 * The text with our section made or brought up to date; every other byte stays. The result is
 * parsed and compared with what was meant.
 * @throws ConfigurationError when the file writes a table of ours in a way that can't be edited.
 */
export function withSection(text: string, file: string, wanted: WantedConfig): string {
  const before = parseConfig(text, file);
  const index = findSection(before, wanted.name, file);
  let result = withGlobals(text, globalsOf(before, wanted));
  result = index === undefined ? append(result, wanted) : update(result, index, wanted);
  const expected = expectedConfig(before, index, wanted);
  let after: unknown;
  try {
    after = parse(result);
  } catch {
    after = undefined;
  }
  if (isDeepStrictEqual(plain(after), plain(expected))) return result;
  throw new ConfigurationError(
    `${file} writes the runner ${wanted.name} in a way that can't be edited without changing the rest`,
    {
      remedy:
        'Write its tables with headers of their own ([runners.custom], [runners.cache.s3]), or remove the section.',
    },
  );
}

/** The file's own settings that have to change. */
function globalsOf(before: RunnerConfig, { atLeast, atMost }: WantedConfig): Record<string, number> {
  const given = before as Readonly<Record<string, number | undefined>>;
  const raised = Object.entries(atLeast).filter(([key, value]) => (given[key] ?? 0) < value);
  const lowered = Object.entries(atMost).filter(([key, value]) => !((given[key] ?? 0) > 0 && given[key]! <= value));
  return Object.fromEntries([...raised, ...lowered]);
}

function withGlobals(text: string, values: Record<string, number>): string {
  const needed = Object.entries(values);
  if (needed.length === 0) return text;
  const top = tablesOf(text)[0]!;
  if (top.entries.length > 0 || text === '') return setInTable(text, top, values);
  // Nothing stands above the first header: what belongs to no table must come before every one of
  // them.
  return `${needed.map(([key, value]) => `${key} = ${value}\n`).join('')}\n${text}`;
}

function append(text: string, { name, runner, tables }: WantedConfig): string {
  const gap = text === '' ? '' : text.endsWith('\n') ? '\n' : '\n\n';
  let section = `[[runners]]\n  name = ${JSON.stringify(name)}\n`;
  section = setInTable(section, tablesOf(section)[1]!, runner);
  return (
    text +
    gap +
    section +
    Object.entries(tables)
      .map(([path, values]) => newTable(path, values))
      .join('')
  );
}

function newTable(path: string, values: Values): string {
  const indent = '  '.repeat(path.split('.').length);
  const header = `${indent}[runners.${path}]\n`;
  return setInTable(header, tablesOf(header)[1]!, values);
}

function update(text: string, index: number, { runner, tables }: WantedConfig): string {
  let result = setInTable(text, sectionOf(text, index)[0]!, runner);
  for (const [path, values] of Object.entries(tables)) {
    const section = sectionOf(result, index);
    const table = section.find((one) => one.path.slice(1).join('.') === path);
    if (table) {
      result = setInTable(result, table, values);
      continue;
    }
    const end = Math.max(...section.map((one) => one.end));
    const gap = result[end - 1] === '\n' ? '' : '\n';
    result = result.slice(0, end) + gap + newTable(path, values) + result.slice(end);
  }
  return result;
}

/** The runner's own table and those below it. */
function sectionOf(text: string, index: number): TomlTable[] {
  const tables = tablesOf(text);
  const starts = tables.flatMap((table, at) => (table.isArrayItem && table.path.join('.') === 'runners' ? [at] : []));
  const start = starts[index];
  if (start === undefined) return [];
  const rest = tables.slice(start + 1).findIndex((table) => table.path.length < 2 || table.path[0] !== 'runners');
  return tables.slice(start, rest < 0 ? undefined : start + 1 + rest);
}

function expectedConfig(before: RunnerConfig, index: number | undefined, wanted: WantedConfig): TomlObject {
  const config = structuredClone(plain(before)) as TomlObject;
  Object.assign(config, globalsOf(before, wanted));
  const runners = (config.runners ??= []) as TomlObject[];
  const runner = index === undefined ? ({ name: wanted.name } as TomlObject) : runners[index]!;
  if (index === undefined) runners.push(runner);
  Object.assign(runner, wanted.runner);
  for (const [path, values] of Object.entries(wanted.tables)) {
    let table = runner;
    for (const key of path.split('.')) table = (table[key] ??= {}) as TomlObject;
    Object.assign(table, values);
  }
  return config;
}

/** Dates and the parser's own classes as text, so that two readings can be compared. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
