import { rmSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { writePrivate } from '../host/private-file';
import { acquireSlot, type Slot } from '../host/queue';
import { textOf } from '../host/text-of';
import { parsedAs } from '../schema';

/** What a check of an edited stacks/job.ts has found. */
const verdictSchema = z.object({
  version: z.literal(1),
  /** Of the sources that were checked (job-source.ts), and of what they were checked against. */
  key: z.string(),
  base: z.string(),
  /** ISO time of the check. */
  at: z.string(),
  problems: z.array(z.string()),
  /** Code by name; empty where there are problems. */
  modules: z.record(z.string(), z.string()),
  /** It was not checked at all, and why stands in `problems`. */
  unchecked: z.optional(z.boolean()),
});
export type Verdict = z.infer<typeof verdictSchema>;

/** A check that ended without an answer (no memory, say) is not tried again at each job. */
const RETRY_MS = 10 * 60_000;

type VerdictName = 'checked' | 'good';

/** The last verdict (`checked`) or the last good one: `STATE_DIR/job-stack/NAME.json`. */
export function verdictFile(stateDir: string, name: VerdictName): string {
  return path.join(stateDir, 'job-stack', `${name}.json`);
}

export class JobVerdicts {
  /** @param stateDir undefined: it is another user's, so nothing is known and nothing is kept */
  constructor(private readonly stateDir: string | undefined) {}

  of(key: string, nowMs: number): Verdict | undefined {
    const verdict = this.read('checked');
    const isOld = verdict?.unchecked && nowMs - Date.parse(verdict.at) > RETRY_MS;
    return verdict?.key === key && !isOld ? verdict : undefined;
  }

  lastGood(base: string): Verdict | undefined {
    const verdict = this.read('good');
    return verdict?.base === base ? verdict : undefined;
  }

  /** Writes the good verdict first: if the process dies in between, the source is checked again. */
  keep(verdict: Verdict): void {
    if (this.stateDir === undefined) return;
    const text = JSON.stringify(verdict);
    try {
      if (verdict.problems.length === 0) writePrivate(this.file('good'), text);
      writePrivate(this.file('checked'), text);
    } catch {
      // A full disk stops no job here; writing the job's record reports it.
    }
  }

  /** What hooks carry is the last good one now. */
  forget(): void {
    try {
      for (const name of ['checked', 'good'] as const) rmSync(this.file(name), { force: true });
    } catch {
      // It is as old at the next job.
    }
  }

  /** One process checks at a time. Undefined: no turn could be had; checking twice does no harm. */
  async turn(signal: AbortSignal): Promise<Slot | undefined> {
    if (this.stateDir === undefined) return undefined;
    const queue = { directory: path.join(this.stateDir, 'slots', 'job-stack'), slots: 1 };
    return acquireSlot(queue, { signal }).catch(() => undefined);
  }

  private read(name: VerdictName): Verdict | undefined {
    return parsedAs(verdictSchema, textOf(this.file(name)));
  }

  private file(name: VerdictName): string {
    return verdictFile(this.stateDir ?? '/nowhere', name);
  }
}
