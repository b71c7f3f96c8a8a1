import { readFileSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';

/** How the reaper's last round went, for `doctor` and the metrics: whoever sees it knows whether somebody still looks after leftovers. */
export interface ReapRun {
  /** ISO times. */
  readonly at: string;
  /** Undefined: no round has ended well yet. */
  readonly lastSuccessAt: string | undefined;
  readonly destroyed: number;
  /** Stacks that could not be destroyed. */
  readonly left: number;
  /** Stacks of other hosts, or nobody's, that were only reported. */
  readonly reported: number;
}

const schema = z.object({
  at: z.string(),
  lastSuccessAt: z.optional(z.string()),
  destroyed: z.number(),
  left: z.number(),
  reported: z.number(),
});

const fileIn = (stateDir: string): string => path.join(stateDir, 'reap.json');

/** Undefined: no round yet. */
export function lastReap(stateDir: string): ReapRun | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(fileIn(stateDir), 'utf8')));
    return parsed.success ? { ...parsed.data, lastSuccessAt: parsed.data.lastSuccessAt } : undefined;
  } catch {
    return undefined;
  }
}

/** `counts` undefined: the round failed. A note that can't be written is no reason for a round to fail. */
export function noteReap(
  stateDir: string,
  atMs: number,
  counts: Pick<ReapRun, 'destroyed' | 'left' | 'reported'> | undefined,
): void {
  const at = new Date(atMs).toISOString();
  const before = lastReap(stateDir);
  const run: ReapRun = counts
    ? { at, lastSuccessAt: at, ...counts }
    : { destroyed: 0, left: 0, reported: 0, lastSuccessAt: undefined, ...before, at };
  try {
    writeFileAtomic.sync(fileIn(stateDir), `${JSON.stringify(run)}\n`, { mode: 0o600 });
  } catch {
    // A full disk, say: the round's own work is told anyway.
  }
}
