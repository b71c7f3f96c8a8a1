/** Durations as people write them in `.gitlab-ci.yml`: `1h 30m`, `90 minutes`, `3600`. */

const SECONDS: readonly (readonly [RegExp, number])[] = [
  [/^s(ec(ond)?s?)?$/, 1],
  [/^m(in(ute)?s?)?$/, 60],
  [/^h((ou)?rs?)?$/, 3600],
  [/^d(ays?)?$/, 86_400],
  [/^w(eeks?|ks?)?$/, 604_800],
  [/^mo(n(th)?s?)?$/, 2_592_000],
  [/^y((ea)?rs?)?$/, 31_557_600],
];

/** Undefined where the text is no duration. */
export function durationSeconds(text: string): number | undefined {
  const plain = text.trim().toLowerCase();
  if (/^\d+$/.test(plain)) return Number(plain);
  const parts = [...plain.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)];
  if (parts.length === 0 || plain.replace(/(\d+(?:\.\d+)?)\s*([a-z]+)|\s+|,|\band\b/g, '') !== '') return undefined;
  let total = 0;
  for (const [, number, unit = ''] of parts) {
    const factor = SECONDS.find(([pattern]) => pattern.test(unit))?.[1];
    if (factor === undefined) return undefined;
    total += Number(number) * factor;
  }
  return Math.round(total);
}
