/** Several measurements of one thing. */
export interface Figure {
  readonly median: number;
  readonly p95: number;
  readonly n: number;
}

export function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { median: at(0.5), p95: at(0.95), n: sorted.length };
}

export function median(values: readonly number[]): number {
  return figure(values).median;
}

/** To one decimal, or as many as asked for. */
export function round(value: number, decimals = 1): number {
  return Number(value.toFixed(decimals));
}
