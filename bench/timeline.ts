/** What a simulation by events is made of. */

export interface Spread {
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

type Event = { readonly at: number; readonly run: () => void };

/** Places for a bounded number; who finds none waits in order of arrival. */
export class Places {
  used = 0;
  private readonly waiting: ((at: number) => void)[] = [];
  constructor(private readonly places: number) {}

  get free(): number {
    return this.places - this.used;
  }

  take(at: number, granted: (at: number) => void): void {
    if (this.used >= this.places) {
      this.waiting.push(granted);
      return;
    }
    this.used += 1;
    granted(at);
  }

  release(at: number): void {
    const next = this.waiting.shift();
    if (next) next(at);
    else this.used -= 1;
  }
}

/** A binary heap of events by time. */
export class Timeline {
  private readonly heap: Event[] = [];

  add(at: number, run: (at: number) => void): void {
    const { heap } = this;
    heap.push({ at, run: () => run(at) });
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (heap[parent]!.at <= heap[child]!.at) break;
      [heap[parent], heap[child]] = [heap[child]!, heap[parent]!];
      child = parent;
    }
  }

  run(): void {
    for (let event = this.next(); event; event = this.next()) event.run();
  }

  private next(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let parent = 0; ;) {
      const least = [2 * parent + 1, 2 * parent + 2]
        .filter((child) => child < heap.length)
        .sort((a, b) => heap[a]!.at - heap[b]!.at)[0];
      if (least === undefined || heap[parent]!.at <= heap[least]!.at) return first;
      [heap[parent], heap[least]] = [heap[least]!, heap[parent]!];
      parent = least;
    }
  }
}

/** Mulberry32: small, seeded, good enough for arrivals. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Box and Muller. */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), p95: at(0.95), max: at(1) };
}
