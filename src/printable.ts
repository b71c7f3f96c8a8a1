const UNPRINTABLE =
  /\u001b\[[0-9;]*[A-Za-z]|[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** A ref's or an image's name may be of any length; a line for people is not. */
const LONGEST_LINE = 4_000;

/**
 * Text from outside as one line of a log or a terminal: it can't move the cursor, open a log's
 * sections, start a new line, or turn the direction of what follows.
 */
export function printable(text: string): string {
  const line = text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text;
  return line.replace(UNPRINTABLE, ' ');
}

/** As printable, for text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/**
 * JSON leaves these as they are: C1 controls, of which some terminals take one for an escape
 * sequence's beginning, line separators, and what turns the direction of text.
 */
const LEFT_BY_JSON = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** JSON for a terminal or a program: the same value, with every control character escaped. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return text.replace(LEFT_BY_JSON, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
