/** Quotes one word for a POSIX shell. Everything that goes into a command line passes through here. Throws on a NUL, which no shell can hold. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a shell word cannot contain a NUL byte');
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a list of words into one command line. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}
