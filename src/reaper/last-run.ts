import path from 'node:path';
import * as z from 'zod/mini';
import { readMarker, writeMarker, type MarkerKind } from '../host/marker';

/**
 * How the reaper's last round went, for `doctor` and the metrics: whoever sees it knows whether
 * somebody still looks after leftovers.
 */
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

const kind: MarkerKind<z.output<typeof schema>> = { version: 1, schema };

/** Undefined: no round yet. @throws MarkerNewer */
export function lastReap(stateDir: string): ReapRun | undefined {
  const run = readMarker(fileIn(stateDir), kind);
  return run && { ...run, lastSuccessAt: run.lastSuccessAt };
}

/**
 * `counts` undefined: the round failed. A note that can't be written is no reason for a round to
 * fail.
 */
export function noteReap(
  stateDir: string,
  atMs: number,
  counts: Pick<ReapRun, 'destroyed' | 'left' | 'reported'> | undefined,
): void {
  const at = new Date(atMs).toISOString();
  try {
    const run: ReapRun = counts
      ? { at, lastSuccessAt: at, ...counts }
      : { destroyed: 0, left: 0, reported: 0, lastSuccessAt: undefined, ...lastReap(stateDir), at };
    writeMarker(fileIn(stateDir), kind, run);
  } catch {
    // A full disk, say, or a note of a later version: the round's own work is told anyway.
  }
}
