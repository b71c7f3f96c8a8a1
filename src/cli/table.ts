import stringWidth from 'string-width';
import { printable } from '../printable';

/** Columns of a table for people: `right` for figures. */
export interface Column {
  /** May have two lines, where the column is narrower than its name. */
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const GAP = '  ';

/**
 * Plain aligned columns without lines or colours: as good in a pipe as in a terminal. Wide
 * characters count as two.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  // What comes from a job (its name, its ref) must neither break the table nor steer the terminal.
  const cells = [...headOf(columns), ...rows.map((row) => row.map(printable))].map((row) =>
    row.map((text) => ({ text, width: widthOf(text) })),
  );
  const widths = columns.map((_, index) => cells.reduce((most, row) => Math.max(most, row[index]?.width ?? 0), 0));
  const lines = cells.map((row) =>
    row.map(({ text, width }, index) => {
      const room = ' '.repeat((widths[index] ?? width) - width);
      return columns[index]?.align === 'right' ? room + text : text + room;
    }),
  );
  return lines.map((line) => `${line.join(GAP).trimEnd()}\n`).join('');
}

/** Of thousands of cells most are plain. */
function widthOf(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/** Titles of one line stand at the bottom, beside those of two. */
function headOf(columns: readonly Column[]): string[][] {
  const titles = columns.map(({ title }) => title.toUpperCase().split('\n'));
  const height = Math.max(...titles.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) => titles.map((title) => title[line - height + title.length] ?? ''));
}

/**
 * One line of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an
 * apostrophe; what would steer a terminal becomes a space.
 */
export function csvLine(cells: readonly (string | number | undefined)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: string | number | undefined): string {
  if (typeof cell !== 'string') return cell === undefined ? '' : String(cell);
  // Full-width signs begin a formula too, where a spreadsheet is set to such a language.
  const safe = /^\s*[=+\-@＝＋－＠]/.test(cell) ? `'${cell}` : cell;
  const line = printable(safe);
  return /[",]/.test(line) ? `"${line.replaceAll('"', '""')}"` : line;
}
