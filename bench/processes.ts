import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What all processes of some jobs have used of the host, seen from outside by looking at /proc every few milliseconds. */
export interface Usage {
  /** Of all processes ever seen; the last moments of each are missed, at most one look's length. */
  readonly cpuSeconds: number;
  readonly processes: number;
  /** Of all that lived at the same time, MiB. */
  readonly peakRssMiB: number;
}

const LOOK_MS = 40;
/** Clock ticks a second and bytes a page, the same on every Linux that Node runs on. */
const TICKS = 100;
const PAGE_MIB = 4096 / 1024 / 1024;

/** Looks at the processes whose environment holds `marker` until it is stopped. */
export class Watch {
  private readonly cpu = new Map<string, number>();
  private readonly known = new Map<string, boolean>();
  private peak = 0;
  private stopped = false;
  private readonly looking: Promise<void>;

  constructor(private readonly marker: string) {
    this.looking = this.look();
  }

  async stop(): Promise<Usage> {
    this.stopped = true;
    await this.looking;
    const cpuSeconds = [...this.cpu.values()].reduce((sum, ticks) => sum + ticks, 0) / TICKS;
    return { cpuSeconds, processes: this.cpu.size, peakRssMiB: Math.round(this.peak) };
  }

  private async look(): Promise<void> {
    while (!this.stopped) {
      let rss = 0;
      for (const pid of readdirSync('/proc')) {
        if (!/^\d+$/.test(pid)) continue;
        const fields = stat(pid);
        if (!fields) continue;
        const key = `${pid}@${fields.started}`;
        if (!this.belongs(key, pid)) continue;
        this.cpu.set(key, fields.ticks);
        rss += fields.rssMiB;
      }
      this.peak = Math.max(this.peak, rss);
      await sleep(LOOK_MS);
    }
  }

  /** The environment is read once a process: it does not change, and reading all of them at each look would be the load itself. */
  private belongs(key: string, pid: string): boolean {
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const belongs = read(`/proc/${pid}/environ`).split('\0').includes(this.marker);
    // A process that has forked and not yet become its program has its parent's environment: both are ours.
    this.known.set(key, belongs);
    return belongs;
  }
}

function stat(pid: string): { ticks: number; rssMiB: number; started: string } | undefined {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 22 || fields[0] === 'Z') return undefined;
  return {
    ticks: Number(fields[11]) + Number(fields[12]),
    started: fields[19]!,
    rssMiB: Number(fields[21]) * PAGE_MIB,
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
