import { parse, stringify, type TomlValue } from 'smol-toml';

/**
 * Where things stand in a TOML text, so that a value can be changed while every other byte stays:
 * comments, order, indentation.
 */

export interface TomlEntry {
  readonly key: string;
  readonly lineStart: number;
  /** After the value; a comment may follow on the same line. */
  readonly valueEnd: number;
  readonly valueStart: number;
}

export interface TomlTable {
  /** `['runners', 'custom']`; `[]` for what stands above the first header. */
  readonly path: readonly string[];
  readonly isArrayItem: boolean;
  readonly headerStart: number;
  /** After the header's line. */
  readonly bodyStart: number;
  /**
   * Where the next header's own comments may begin: after the last line that belongs to the table.
   */
  readonly end: number;
  readonly entries: readonly TomlEntry[];
}

/** Every table of a text that smol-toml has parsed already: it need not be checked again here. */
export function tablesOf(text: string): TomlTable[] {
  const tables: (Omit<TomlTable, 'end' | 'entries'> & { end: number; entries: TomlEntry[] })[] = [
    { path: [], isArrayItem: false, headerStart: 0, bodyStart: 0, end: 0, entries: [] },
  ];
  let at = 0;
  while (at < text.length) {
    const lineStart = at;
    while (text[at] === ' ' || text[at] === '\t') at++;
    const first = text[at];
    if (first === '[') {
      const lineEnd = endOfLine(text, at);
      const header = text.slice(at, lineEnd).trimEnd();
      const isArrayItem = header.startsWith('[[');
      at = nextLine(text, lineEnd);
      tables.push({ path: pathOf(header), isArrayItem, headerStart: lineStart, bodyStart: at, end: at, entries: [] });
    } else if (first === undefined || first === '\n' || first === '\r' || first === '#') {
      at = nextLine(text, endOfLine(text, at));
    } else {
      const equals = endOfKey(text, at);
      const key = Object.keys(parse(`${text.slice(at, equals)} = 0`))[0]!;
      let valueStart = equals + 1;
      while (text[valueStart] === ' ' || text[valueStart] === '\t') valueStart++;
      const valueEnd = endOfValue(text, valueStart);
      at = nextLine(text, endOfLine(text, valueEnd));
      const table = tables.at(-1)!;
      table.entries.push({ key, lineStart, valueStart, valueEnd });
      table.end = at;
    }
  }
  return tables;
}

/** An item of an array of tables, and the tables below it; none: there is no such item. */
export function itemOf(text: string, array: string, index: number): readonly TomlTable[] {
  const tables = tablesOf(text);
  const starts = tables.flatMap((table, at) => (table.isArrayItem && table.path.join('.') === array ? [at] : []));
  const start = starts[index];
  if (start === undefined) return [];
  const rest = tables.slice(start + 1).findIndex((table) => table.path.length < 2 || table.path[0] !== array);
  return tables.slice(start, rest < 0 ? undefined : start + 1 + rest);
}

/** One value as TOML writes it. */
export function literal(value: TomlValue): string {
  return stringify({ v: value }).replace(/^v = /, '').trimEnd();
}

/**
 * Sets keys of a table: a key that is there keeps its place and its comment, a new one comes after
 * the last.
 */
export function setInTable(text: string, table: TomlTable, values: Readonly<Record<string, TomlValue>>): string {
  const indent = indentOf(text, table);
  const missing = Object.entries(values).filter(([key]) => !table.entries.some((entry) => entry.key === key));
  const added = missing.map(([key, value]) => `${indent}${key} = ${literal(value)}\n`).join('');
  const needsBreak = added !== '' && table.end > 0 && text[table.end - 1] !== '\n' ? '\n' : '';
  let result = text.slice(0, table.end) + needsBreak + added + text.slice(table.end);
  // From the last to the first, so that the positions of the earlier ones stay right.
  for (const entry of [...table.entries].reverse()) {
    if (!(entry.key in values)) continue;
    result = result.slice(0, entry.valueStart) + literal(values[entry.key]!) + result.slice(entry.valueEnd);
  }
  return result;
}

function indentOf(text: string, table: TomlTable): string {
  const last = table.entries.at(-1);
  if (last) return /^[ \t]*/.exec(text.slice(last.lineStart))![0];
  return table.path.length === 0 ? '' : `${/^[ \t]*/.exec(text.slice(table.headerStart))![0]}  `;
}

function pathOf(header: string): string[] {
  const path: string[] = [];
  let value: unknown = parse(header);
  for (;;) {
    if (Array.isArray(value)) value = value[0];
    const keys = Object.keys(value as object);
    if (keys.length === 0) return path;
    path.push(keys[0]!);
    value = (value as Record<string, unknown>)[keys[0]!];
  }
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

const nextLine = (text: string, lineEnd: number): number => Math.min(text.length, lineEnd + 1);

/** The `=` after a key, which may be quoted. */
function endOfKey(text: string, at: number): number {
  while (text[at] !== '=') at = text[at] === '"' || text[at] === "'" ? endOfString(text, at) : at + 1;
  return at;
}

/**
 * Strings, arrays and inline tables may hold line ends, `#` and `]`; all else ends at a blank, a
 * comment or the line's end.
 */
function endOfValue(text: string, start: number): number {
  let at = start;
  let depth = 0;
  while (at < text.length) {
    const character = text[at]!;
    if (character === '"' || character === "'") at = endOfString(text, at);
    else if (character === '#' && depth > 0) at = endOfLine(text, at);
    else if (depth === 0 && (character === '\n' || character === '\r' || character === '#')) break;
    else {
      if (character === '[' || character === '{') depth++;
      if (character === ']' || character === '}') depth--;
      at++;
    }
  }
  while (at > start && /[ \t]/.test(text[at - 1]!)) at--;
  return at;
}

function endOfString(text: string, start: number): number {
  const quote = text[start]!;
  const triple = text.startsWith(quote.repeat(3), start);
  const delimiter = triple ? quote.repeat(3) : quote;
  let at = start + delimiter.length;
  while (at < text.length && !text.startsWith(delimiter, at)) at += text[at] === '\\' && quote === '"' ? 2 : 1;
  at += delimiter.length;
  // Up to two quotes may stand before the closing three.
  while (triple && text[at] === quote) at++;
  return at;
}
