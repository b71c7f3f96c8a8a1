/** Words of the file's first level that name no job. */
export const GLOBAL_DEFAULTS: readonly string[] = ['image', 'services', 'cache', 'before_script', 'after_script'];
export const GLOBAL_KEYS: readonly string[] = [
  'default',
  'stages',
  'variables',
  'workflow',
  'spec',
  'include',
  ...GLOBAL_DEFAULTS,
];

const FARTHEST = 2;

/** The known word that was probably meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const ranked = [...known].map((one) => ({ one, away: distance(word, one) })).sort((a, b) => a.away - b.away);
  const [best] = ranked;
  return best && best.away <= Math.min(FARTHEST, Math.floor(word.length / 2)) ? best.one : undefined;
}

/**
 * Changes of one letter (added, left out, another, or swapped with its neighbour) from one word to
 * the other.
 */
function distance(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1];
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row[j] = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
        swapped ? rows[i - 2]![j - 2]! + 1 : Infinity,
      );
    }
    rows.push(row);
  }
  return rows.at(-1)!.at(-1)!;
}
