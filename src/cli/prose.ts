import stringWidth from 'string-width';

/**
 * Sentences for a terminal of so many columns, broken between words: a terminal breaks anywhere.
 * What follows is indented as the line was, and by `hang` more. Words are never broken, so that an
 * address can be copied.
 */
export function fold(text: string, columns: number, hang = 0): string {
  if (!Number.isFinite(columns)) return text;
  return text
    .split('\n')
    .map((line) => foldLine(line, columns, hang))
    .join('\n');
}

function foldLine(line: string, columns: number, hang: number): string {
  if (stringWidth(line) <= columns) return line;
  const indent = ' '.repeat((/^ */.exec(line)?.[0].length ?? 0) + hang);
  const lines: string[] = [];
  let current = '';
  for (const word of line.match(/\s*\S+/g) ?? []) {
    if (current.trim() !== '' && stringWidth(current + word) > columns) {
      lines.push(current);
      current = indent + word.trimStart();
    } else current += word;
  }
  return [...lines, current].join('\n');
}
