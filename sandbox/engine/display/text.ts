import { type Properties, type Value } from '../rpc/values';

/** Columns two spaces apart; the last column is not padded. */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ''))));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell + ' '.repeat(widths[column]! - width(cell))))
      .join('  ');
  return rows.map((row) => `${indent}${line(row)}\n`).join('');
}

function width(text: string): number {
  return [...text].length;
}

/** A stack's outputs as a person reads them. */
export function outputTable(outputs: Properties): string {
  const names = Object.keys(outputs).sort();
  const head = `Current stack outputs (${names.length}):\n`;
  if (names.length === 0) return `${head}    No output values currently in this stack\n`;
  const rows = names.map((name) => [name, valueText(outputs[name]!)]);
  return head + padded([['OUTPUT', 'VALUE'], ...rows]);
}

/** As {@link table}, with every column padded to its width and an indent of four. */
function padded(rows: string[][]): string {
  const last = Math.max(...rows.map((row) => width(row[1]!)));
  return table(
    rows.map(([name, value]) => [name!, value! + ' '.repeat(last - width(value!))]),
    '    ',
  ).replace(/ +\n/g, '\n');
}

/** Text as it is, everything else as JSON. */
function valueText(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const STEPS: [limitSeconds: number, unitSeconds: number, name: string][] = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [604_800, 86_400, 'day'],
  [2_592_000, 604_800, 'week'],
  [31_104_000, 2_592_000, 'month'],
  [Infinity, 31_104_000, 'year'],
];

/** "36 seconds ago", as github.com/dustin/go-humanize words it. */
export function relativeTime(time: string, nowMs: number): string {
  const seconds = Math.floor((nowMs - Date.parse(time)) / 1000);
  if (seconds < 1) return 'now';
  const [, unit, name] = STEPS.find(([limit]) => seconds < limit)!;
  const count = Math.floor(seconds / unit);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}
