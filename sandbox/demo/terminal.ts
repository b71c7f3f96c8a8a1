/** What a terminal can show. */

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

type Variables = Readonly<Record<string, string | undefined>>;

export interface Terminal {
  /** Lines may be drawn over. */
  readonly live: boolean;
  readonly colours: boolean;
  /** Else plain ASCII. */
  readonly unicode: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** Of a pipe, and of a terminal that doesn't tell its size. */
const COLUMNS = 80;
const ROWS = 24;

export function terminalOf(output: Output, variables: Variables): Terminal {
  const live = output.isTTY === true && variables.TERM !== 'dumb';
  const locale = variables.LC_ALL || variables.LC_CTYPE || variables.LANG;
  return {
    live,
    colours: live && !variables.NO_COLOR,
    unicode: locale === undefined || locale === '' || /utf-?8/i.test(locale),
    columns: output.columns || COLUMNS,
    rows: output.rows || ROWS,
  };
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NO_WIDTH = /[\p{Mark}\u200b-\u200d\ufe0f]/u;

function columnsOf(character: string): number {
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that a text takes: a Chinese character takes two. */
export function widthOf(text: string): number {
  return [...text].reduce((sum, character) => sum + columnsOf(character), 0);
}

/** At most so many columns. */
export function cutTo(text: string, columns: number): string {
  let room = columns;
  return [...text].filter((character) => (room -= columnsOf(character)) >= 0).join('');
}

export function padded(text: string, columns: number, right = false): string {
  const blanks = ' '.repeat(Math.max(0, columns - widthOf(text)));
  return right ? blanks + text : text + blanks;
}

/** A sentence on as many lines as it takes, broken between words. */
export function folded(text: string, columns: number): string {
  const lines = [''];
  for (const word of text.match(/\s*\S+/g) ?? []) {
    const last = lines.at(-1)!;
    if (last !== '' && widthOf(last + word) > columns) lines.push(word.trimStart());
    else lines[lines.length - 1] = last + word;
  }
  return lines.join('\n');
}
