/**
 * Quotes one word for a POSIX shell. Everything that goes into a command line passes through here.
 * Throws on a NUL, which no shell can hold.
 */
export function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a shell word cannot contain a NUL byte');
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a list of words into one command line. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

/**
 * Characters that every login shell leaves alone between single quotes: no quote, backslash, `!`
 * (csh) or line end.
 */
const TAKEN_BY_ALL = /^[\w@%+=:,./ "$;&|<>(){}[\]*?~#-]*$/;

/**
 * A command line that makes sh run `text`, whatever the login shell is: bash, dash, zsh, fish, tcsh
 * and nu quote differently. Characters that one of them would interpret are written as octal
 * numbers, which sh's own printf turns back. Throws on a NUL.
 */
export function forAnyShell(text: string): string {
  if (text.includes('\0')) throw new TypeError('a command cannot contain a NUL byte');
  if (TAKEN_BY_ALL.test(text)) return `exec sh -c '${text}'`;
  const octal = Buffer.from(text)
    .toString('latin1')
    .replace(/[^\w@%+=:,./ -]/g, (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return `exec sh -c 'eval "$(printf %b "${octal}")"'`;
}
