/**
 * Amounts as texts that add up to the text of their sum: each is rounded down, and what the sum has
 * more goes to those that lost most (largest remainder).
 * @param amounts none below zero
 * @param digits after the point
 */
export function addUp(
  amounts: readonly number[],
  digits: number,
): { readonly parts: readonly string[]; readonly sum: string } {
  const scale = 10 ** digits;
  // 0.0003 * 10000 is a little below 3.
  const exact = amounts.map((amount) => Number((amount * scale).toFixed(6)));
  const units = exact.map(Math.floor);
  const sum = Math.round(exact.reduce((total, one) => total + one, 0));
  const missing = sum - units.reduce((total, one) => total + one, 0);
  const lost = (index: number): number => exact[index]! - units[index]!;
  const order = [...units.keys()].sort((a, b) => lost(b) - lost(a));
  for (const index of order.slice(0, missing)) units[index]! += 1;
  const text = (whole: number): string => (whole / scale).toFixed(digits);
  return { parts: units.map(text), sum: text(sum) };
}
