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
