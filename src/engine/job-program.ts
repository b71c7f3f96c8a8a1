import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod/mini';
import type { Compiled } from './job-compile';
import { loadJobStack, type JobStack } from './job-load';
import { jobSource, type JobSource } from './job-source';
import { JobVerdicts, type Verdict } from './job-verdicts';

export type { JobStack };

/** A check takes 5 to 8 s of a processor; on a busy host several times that. */
const CHECK_LIMIT_MS = 120_000;
const MOST_BYTES = 8 * 1024 * 1024;

export interface JobProgramOptions {
  /** Where verdicts are kept; undefined: it is another user's, so nothing is kept. */
  readonly stateDir: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What to tell the job, or whoever edits. */
  readonly log: (line: string) => void;
  /** The package's folder. */
  readonly root?: string | undefined;
  readonly check?: Check;
  readonly now?: () => number;
}

/** @throws Error where there was no answer; CheckInterrupted where somebody ended it */
export type Check = (source: JobSource, signal: AbortSignal) => Promise<Compiled>;

/** Which job.ts jobs go by. */
export interface JobProgram {
  readonly source: JobSource;
  /** Of the source as it stands; none: it is what jobs go by. */
  readonly problems: readonly string[];
  /** Undefined: the one that the hooks carry. @throws ConfigurationError */
  readonly load: (() => JobStack) | undefined;
  /** For messages. */
  readonly goesBy: string;
}

/** The runner has ended the whole group of a job that was cancelled. */
export class CheckInterrupted extends Error {}

/**
 * The job's program: an edited stacks/job.ts counts from the next job on. It is checked first, by
 * one process however many jobs come, in the slot of an `up`, whose memory it takes for those
 * seconds. What does not fit is refused, and jobs go on with the last one that did.
 */
export async function jobProgram(options: JobProgramOptions): Promise<JobProgram> {
  const verdicts = new JobVerdicts(options.stateDir);
  const source = jobSource(options.root);
  if (source.edited === undefined) {
    verdicts.forget();
    return programOf(source, verdicts, undefined);
  }
  const known = verdicts.of(source.key, (options.now ?? Date.now)());
  if (known) return programOf(source, verdicts, known);
  options.log(`${source.edited} was edited: its types are checked first`);
  return newlyChecked(source, verdicts, options);
}

/** As jobProgram, but without a check: undefined if the next job will have to check it. */
export function knownJobProgram(stateDir: string, root?: string): JobProgram | undefined {
  const verdicts = new JobVerdicts(stateDir);
  const source = jobSource(root);
  const verdict = verdicts.of(source.key, Date.now());
  return source.edited !== undefined && !verdict ? undefined : programOf(source, verdicts, verdict);
}

function programOf(source: JobSource, verdicts: JobVerdicts, verdict: Verdict | undefined): JobProgram {
  const installed = { source, problems: verdict?.problems ?? [], load: undefined, goesBy: 'the installed one' };
  if (!verdict || source.edited === undefined) return installed;
  const used = verdict.problems.length === 0 ? verdict : verdicts.lastGood(source.base);
  if (!used) return installed;
  return { ...installed, load: () => loadJobStack(used.modules, source.root), goesBy: `the one of ${used.at}` };
}

async function newlyChecked(first: JobSource, verdicts: JobVerdicts, options: JobProgramOptions): Promise<JobProgram> {
  const { root, signal, now = Date.now, check = checkApart } = options;
  const limit = AbortSignal.any([AbortSignal.timeout(2 * CHECK_LIMIT_MS), ...(signal ? [signal] : [])]);
  const turn = await verdicts.turn(limit);
  try {
    let source = first;
    while (source.edited !== undefined) {
      signal?.throwIfAborted();
      const known = verdicts.of(source.key, now());
      if (known) return programOf(source, verdicts, known);
      const found = await compiled(check, source, limit);
      signal?.throwIfAborted();
      const { key, base } = source;
      const { problems, modules } = found;
      const at = new Date(now()).toISOString();
      const verdict = {
        ...found,
        version: 1 as const,
        key,
        base,
        at,
        problems: [...problems],
        modules: { ...modules },
      };
      const after = jobSource(root);
      // Edited meanwhile: what was read may be half of each.
      if (after.key === key && !found.interrupted) verdicts.keep(verdict);
      if (after.key === key || limit.aborted) return programOf(source, verdicts, verdict);
      source = after;
    }
    return programOf(source, verdicts, undefined);
  } finally {
    turn?.release();
  }
}

async function compiled(check: Check, source: JobSource, signal: AbortSignal) {
  return check(source, signal).then(
    (found) => ({ ...found, interrupted: false }),
    (error: Error) => ({
      problems: [`stacks/job.ts: it could not be checked (${error.message})`],
      modules: {},
      unchecked: true,
      interrupted: error instanceof CheckInterrupted,
    }),
  );
}

/** The process may use a whole processor for a while, knows no secret, and ends with us. */
const checkApart: Check = async ({ root }, signal) => {
  const program = path.join(root, 'dist/executor/check-job-stack.js');
  const limits = { signal, timeout: CHECK_LIMIT_MS, maxBuffer: MOST_BYTES, killSignal: 'SIGKILL' } as const;
  const node = ['--max-old-space-size=1024', program, root];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, node, { ...limits, env: {}, cwd: root });
    return z
      .object({ problems: z.array(z.string()), modules: z.record(z.string(), z.string()) })
      .parse(JSON.parse(stdout));
  } catch (error) {
    const {
      stderr,
      killed,
      signal: by,
      message,
    } = error as Error & { stderr?: string; killed?: boolean; signal?: string };
    if (killed) throw new Error(`no answer within ${CHECK_LIMIT_MS / 1000} s`, { cause: error });
    if (by && by !== 'SIGKILL') throw new CheckInterrupted(`it was ended by ${by}`, { cause: error });
    throw new Error(by ?? (stderr || message).split('\n')[0], { cause: error });
  }
};
