import stringWidth from 'string-width';
import { printable } from '../printable';

/** Columns of a table for people: `right` for figures. */
export interface Column {
  /** May have two lines, where the column is narrower than its name. */
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Left out where the terminal is too narrow: the one with the highest number first. */
  readonly spare?: number | undefined;
  /** Short names that are not broken while another column can be wrapped or left out. */
  readonly whole?: boolean | undefined;
  /** Sentences, whose words may stand below each other. */
  readonly prose?: boolean | undefined;
}

const GAP = '  ';
/** Text is wrapped to no less. */
const LEAST = 10;
/** Sentences are, once nothing is left to leave out, to a longer word. */
const [LEAST_PROSE, LEAST_WORD] = [13, 7];

let terminalWidth = Infinity;

/** From now on tables keep to a terminal of so many columns. Left out: it is none, say a pipe. */
export function fitTables(columns = Infinity): void {
  terminalWidth = columns;
}

/** The terminal's columns; Infinity where it is none. */
export function columnsHere(): number {
  return terminalWidth;
}

/**
 * Plain aligned columns without lines or colours: as good in a pipe as in a terminal. Wide
 * characters count as two. In a narrow terminal text is wrapped, then columns are left out.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width = terminalWidth): string {
  // What comes from a job (its name, its ref) must neither break the table nor steer the terminal.
  const cells = [...headOf(columns), ...rows.map((row) => row.map(printable))];
  const natural = columns.map((_, index) => cells.reduce((most, row) => Math.max(most, widthOf(row[index] ?? '')), 0));
  const widths = narrowed(columns, natural, width);
  const shown = columns.flatMap((column, index) =>
    widths[index] === 0 ? [] : [{ column, index, width: widths[index]! }],
  );
  const lineOf = (row: readonly string[]): string => {
    const cell = shown.map(({ column, index, width: room }) => {
      const text = row[index] ?? '';
      const blank = ' '.repeat(Math.max(0, room - widthOf(text)));
      return column.align === 'right' ? blank + text : text + blank;
    });
    return `${cell.join(GAP).trimEnd()}\n`;
  };
  return cells.flatMap((row) => wrapped(row, natural, widths).map(lineOf)).join('');
}

/** The width of each column; 0: it is left out. */
function narrowed(columns: readonly Column[], natural: readonly number[], width: number): readonly number[] {
  const widths = [...natural];
  const total = (): number => widths.reduce((sum, one) => sum + (one === 0 ? 0 : one + GAP.length), -GAP.length);
  const order = columns
    .map(({ spare = 0 }, index) => ({ spare, index }))
    .filter(({ spare }) => spare > 0)
    .sort((a, b) => b.spare - a.spare);
  const indexes = (of: (column: Column) => boolean): number[] =>
    columns.flatMap((column, index) => (of(column) ? [index] : []));
  const texts = indexes(({ align, whole }) => align !== 'right' && !whole);
  const roomIn = (index: number, least?: number): number =>
    Math.max(0, widths[index]! - (least ?? (columns[index]!.prose ? LEAST_PROSE : LEAST)));
  const slack = (): number => texts.reduce((sum, index) => sum + roomIn(index), 0);
  while (total() - slack() > width && order.length > 0) widths[order.shift()!.index] = 0;
  const wrap = (among: readonly number[], least?: number): void => {
    for (;;) {
      const open = among.filter((index) => roomIn(index, least) > 0);
      if (total() <= width || open.length === 0) return;
      widths[open.reduce((most, index) => (widths[index]! > widths[most]! ? index : most))]! -= 1;
    }
  };
  wrap(texts);
  wrap(
    indexes(({ prose }) => prose === true),
    LEAST_WORD,
  );
  wrap(
    indexes(({ whole }) => whole === true),
    LEAST,
  );
  return widths;
}

/** One row as the lines that it takes. */
function wrapped(
  row: readonly string[],
  natural: readonly number[],
  widths: readonly number[],
): readonly (readonly string[])[] {
  if (widths.every((width, index) => width === natural[index] || width === 0)) return [row];
  const cells = row.map((text, index) => (widths[index] === 0 ? [''] : pieces(text, widths[index] ?? Infinity)));
  const height = Math.max(...cells.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) => cells.map((cell) => cell[line] ?? ''));
}

/** Breaks where a name may be broken, or else anywhere. */
function pieces(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of text.match(/[^\s/.@_-]*[\s/.@_-]?/g) ?? []) {
    if (widthOf(line + part.trimEnd()) <= width) {
      line += part;
      continue;
    }
    if (line.trim() !== '') lines.push(line.trimEnd());
    line = '';
    for (const character of part) {
      if (widthOf(line + character) > width) {
        lines.push(line);
        line = '';
      }
      line += character;
    }
  }
  return line.trim() === '' && lines.length > 0 ? lines : [...lines, line.trimEnd()];
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
  const text = printable(cell);
  const line = /^\s*[=+\-@＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",]/.test(line) ? `"${line.replaceAll('"', '""')}"` : line;
}
