import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What all processes of some jobs have used of the host, seen from outside. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly processes: number;
  /**
   * Of all that lived at the same time, MiB: what each has resident, shared pages counted for each.
   */
  readonly peakRssMiB: number;
  /** The same with each shared page counted once in all: what the machine really had to give. */
  readonly peakPssMiB: number;
}

export interface WatchOptions {
  /**
   * Milliseconds between two looks at memory and CPU; new processes are looked for four times as
   * often.
   */
  readonly lookMs?: number;
  /** Milliseconds between two looks at shared pages: some milliseconds of the kernel's a process. */
  readonly pssLookMs?: number;
}

const LOOK_MS = 40;
const PSS_LOOK_MS = 500;
/** Clock ticks a second and bytes a page, the same on every Linux that Node runs on. */
const TICKS = 100;
const PAGE_MIB = 4096 / 1024 / 1024;

interface Seen extends Stat {
  readonly pid: string;
}

/** As it was at the last look. */
interface Stat {
  parent: string;
  /** CPU time of its own, ticks. */
  own: number;
  /** Of the children that it has waited for, and of theirs. */
  reaped: number;
  rssMiB: number;
}

/** Looks at the processes whose environment holds `marker` until it is stopped. */
export class Watch {
  /** By process id, those that live. */
  private readonly ours = new Map<string, Seen>();
  private readonly ended: Seen[] = [];
  private strangers = new Set<string>();
  private readonly reapedBefore = reapedTicks();
  private peak = 0;
  private pssPeak = 0;
  private stopped = false;
  private readonly looking: Promise<void>;

  constructor(
    private readonly marker: string,
    private readonly options: WatchOptions = {},
  ) {
    this.looking = this.look();
  }

  /**
   * CPU time is exact for what this process has waited for, with all that those have waited for in
   * their turn (the kernel adds it up); of a detached process, and of each of its children, the last
   * moments are missed, at most one look's length.
   */
  async stop(): Promise<Usage> {
    this.stopped = true;
    await this.looking;
    const all = [...this.ended, ...this.ours.values()];
    const ticks = detachedTicks(all) + reapedTicks() - this.reapedBefore;
    return {
      cpuSeconds: ticks / TICKS,
      processes: all.length,
      peakRssMiB: Math.round(this.peak),
      peakPssMiB: Math.round(this.pssPeak),
    };
  }

  private async look(): Promise<void> {
    const { lookMs = LOOK_MS, pssLookMs = PSS_LOOK_MS } = this.options;
    let pssAt = performance.now();
    for (let round = 0; !this.stopped; round++) {
      this.findNew();
      if (round % 4 === 0) this.measure();
      if (performance.now() - pssAt >= pssLookMs) {
        this.measurePss();
        pssAt = performance.now();
      }
      // Whoever forgets to stop it is not kept alive by it.
      await sleep(lookMs / 4, undefined, { ref: false });
    }
    this.measure();
  }

  /**
   * A process's environment is read once: reading all of them at each look would be the load
   * itself. Ids are used again.
   */
  private findNew(): void {
    const there = new Set(readdirSync('/proc').filter((name) => /^\d/.test(name)));
    for (const [pid, seen] of this.ours) {
      if (there.has(pid)) continue;
      this.ours.delete(pid);
      this.ended.push(seen);
    }
    const strangers = new Set<string>();
    for (const pid of there) {
      if (this.ours.has(pid)) continue;
      // A process that has forked and not yet become its program has its parent's environment: both
      // are ours.
      if (!this.strangers.has(pid) && this.isOurs(pid))
        this.ours.set(pid, { pid, parent: '', own: 0, reaped: 0, rssMiB: 0 });
      else strangers.add(pid);
    }
    this.strangers = strangers;
  }

  private isOurs(pid: string): boolean {
    return pid !== String(process.pid) && read(`/proc/${pid}/environ`).split('\0').includes(this.marker);
  }

  private measurePss(): void {
    const pss = [...this.ours.keys()].reduce((sum, pid) => sum + pssMiB(pid), 0);
    this.pssPeak = Math.max(this.pssPeak, pss);
  }

  private measure(): void {
    let rss = 0;
    for (const [pid, seen] of this.ours) {
      const now = stat(pid);
      if (!now) continue;
      Object.assign(seen, now);
      rss += now.rssMiB;
    }
    this.peak = Math.max(this.peak, rss);
  }
}

/** What a process has resident, its share of shared pages alone. 0: it has ended. */
function pssMiB(pid: string): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

/** CPU time of all children that this process has waited for, ticks. */
function reapedTicks(): number {
  const fields = fieldsOf('self');
  return Number(fields[13]) + Number(fields[14]);
}

/** Seconds for which this machine's processors have worked, on whatever. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (
    /^cpu +(.*)$/m.exec(read('/proc/stat'))?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS;
}

/**
 * Of processes that nobody of ours waits for, and of their children. What one has waited for stands
 * in its own account only from the next look on: what was seen of its children is there before.
 */
function detachedTicks(all: readonly Seen[]): number {
  const pids = new Set([String(process.pid), ...all.map(({ pid }) => pid)]);
  const total = (one: Seen): number =>
    one.own + Math.max(one.reaped, sum(all.filter(({ parent }) => parent === one.pid).map(total)));
  // One that was never measured has no parent.
  return sum(all.filter(({ parent }) => parent !== '' && !pids.has(parent)).map(total));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, other) => one + other, 0);
}

/** Undefined: it has ended. */
function stat(pid: string): Stat | undefined {
  const fields = fieldsOf(pid);
  if (fields.length < 22 || fields[0] === 'Z') return undefined;
  const ticks = (first: number): number => Number(fields[first]) + Number(fields[first + 1]);
  return { parent: fields[1]!, own: ticks(11), reaped: ticks(13), rssMiB: Number(fields[21]) * PAGE_MIB };
}

/** The fields of /proc/PID/stat from the third on: the name in parentheses may hold anything. */
function fieldsOf(pid: string): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
