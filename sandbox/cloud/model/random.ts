/** Seeded generator (mulberry32), so that a run with faults can be repeated. */
export class Random {
  constructor(private seed: number) {}

  /** To be kept with the state. */
  get state(): number {
    return this.seed;
  }

  /** 0 (inclusive) to 1 (exclusive). */
  next(): number {
    this.seed = (this.seed + 0x6d2b79f5) >>> 0;
    let mixed = this.seed;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** 0 (inclusive) to `below` (exclusive). */
  integer(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** An id as the cloud makes them: `i-bp1` and 17 letters and digits. */
  id(prefix: string): string {
    let text = '';
    while (text.length < 17) text += this.integer(36).toString(36);
    return `${prefix}-bp1${text}`;
  }
}
