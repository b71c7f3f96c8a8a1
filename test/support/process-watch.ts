import { readFileSync, readdirSync } from 'node:fs';

/**
 * A process as it was seen: what every user of the host can read of it (argv), and what only its
 * own user can (environ).
 */
export interface SeenProcess {
  readonly pid: number;
  readonly argv: string;
  readonly environ: string;
}

/**
 * Looks at every process of this host again and again until it is stopped, so that short ones are
 * seen too. A process is kept once for each command line it had: a fork has its parent's before its
 * own.
 */
export class ProcessWatch {
  private readonly seen = new Map<string, SeenProcess>();
  private readonly timer: NodeJS.Timeout;

  constructor(everyMs = 15) {
    this.timer = setInterval(() => this.look(), everyMs);
  }

  stop(): readonly SeenProcess[] {
    clearInterval(this.timer);
    this.look();
    return [...this.seen.values()];
  }

  private look(): void {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const argv = read(`/proc/${name}/cmdline`);
      if (argv === '') continue;
      const key = `${name} ${argv}`;
      if (!this.seen.has(key)) this.seen.set(key, { pid: Number(name), argv, environ: read(`/proc/${name}/environ`) });
    }
  }
}

/** '' where it has ended. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
