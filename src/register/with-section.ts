import type { TomlTable as TomlObject, TomlValue } from 'smol-toml';
import { findSection, parseConfig, type RunnerConfig } from './config-file';
import { asMeant, notEditable, plain, RUNNERS, withCopies } from './copies';
import { itemOf, setInTable, tablesOf } from './toml-edit';

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
  /** How often the section stands in the file; once where its token expires. */
  readonly sections: number;
  readonly runner: Values;
  /** By path below the runner: `custom`, `custom_build_dir`, `cache`, `cache.s3`. */
  readonly tables: Readonly<Record<string, Values>>;
}

/**
 * The text with our section and its copies made or brought up to date; every other byte stays. The
 * result is parsed and compared with what was meant. Where each line ends as on Windows, what is
 * added does too.
 * @throws ConfigurationError when the file writes a table of ours in a way that can't be edited.
 */
export function withSection(text: string, file: string, wanted: WantedConfig): string {
  const isWindows = /\r\n/.test(text) && !/(?<!\r)\n/.test(text);
  if (!isWindows) return edited(text, file, wanted);
  return edited(text.replaceAll('\r\n', '\n'), file, wanted).replaceAll('\n', '\r\n');
}

function edited(text: string, file: string, wanted: WantedConfig): string {
  const before = parseConfig(text, file);
  const index = findSection(before, wanted.name, file);
  let result = withGlobals(text, globalsOf(before, wanted));
  // Where `runners` is one value of the file, none has a header.
  if (index !== undefined && itemOf(result, RUNNERS, index).length === 0) throw notEditable(file, wanted.name);
  result = index === undefined ? append(result, wanted) : update(result, index, wanted);
  const expected = expectedConfig(before, index, wanted);
  return withCopies(asMeant(result, expected, file, wanted.name), file, wanted, before.runners?.[index ?? -1]);
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
  let result = setInTable(text, itemOf(text, RUNNERS, index)[0]!, runner);
  for (const [path, values] of Object.entries(tables)) {
    const section = itemOf(result, RUNNERS, index);
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
