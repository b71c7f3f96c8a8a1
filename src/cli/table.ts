import Table from 'cli-table3';
import { printable } from '../printable';

/** Columns of a table for people: `right` for figures. */
export interface Column {
  /** May have two lines, where the column is narrower than its name. */
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const NONE = '';
const chars = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((name) => [name, NONE]),
);

/**
 * Plain aligned columns without lines or colours: as good in a pipe as in a terminal. Wide
 * characters count as two.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    chars: { ...chars, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    head: columns.map(({ title }) => ({ content: title.toUpperCase(), vAlign: 'bottom' })) as unknown as string[],
    colAligns: columns.map(({ align }) => align ?? 'left'),
  });
  // What comes from a job (its name, its ref) must neither break the table nor steer the terminal.
  drawn.push(...rows.map((row) => row.map(printable)));
  return `${drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

/**
 * One line of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an
 * apostrophe.
 */
export function csvLine(cells: readonly (string | number | undefined)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: string | number | undefined): string {
  if (typeof cell !== 'string') return cell === undefined ? '' : String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
