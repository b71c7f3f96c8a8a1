import { appendFileSync, closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SpotError } from '../errors';

/**
 * Failures of hooks that were not the job's own doing, one line each:
 * `STATE_DIR/failures/2026-11-24.jsonl`.
 */
export interface Failure {
  /** config, prepare, run, cleanup or destroyer. */
  readonly hook: string;
  /** The cloud's code, or the error's name: few different ones. */
  readonly cause: string;
}

const DAY = /^(\d{4}-\d\d-\d\d)\.jsonl$/;
/** The most that is read at once: enough for a whole day on a broken host. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * The cloud's own word where there is one: `OperationDenied.NoStock`; else what the error is
 * called.
 */
export function causeOf(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const { code } = at as { code?: unknown };
    if (at instanceof SpotError && typeof code === 'string') return code;
  }
  if (!(error instanceof SpotError)) return 'Defect';
  // A bundler may add to a class's name what tells it from another of the same name.
  return error.name.replace(/^_+|\d+$/g, '');
}

/** Never throws: a failure that can't be counted is told all the same. */
export function noteFailure(stateDir: string, failure: Failure, nowMs: number): void {
  try {
    const folder = path.join(stateDir, 'failures');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = path.join(folder, `${new Date(nowMs).toISOString().slice(0, 10)}.jsonl`);
    appendFileSync(file, `${JSON.stringify(failure)}\n`, { mode: 0o600 });
  } catch {
    // A full disk, say.
  }
}

/** How many bytes of each day's file have been read. */
export type Offsets = Readonly<Record<string, number>>;

/** What was written since, in whole lines. */
export function failuresSince(
  stateDir: string,
  from: string,
  offsets: Offsets,
): { readonly failures: readonly Failure[]; readonly offsets: Offsets } {
  const failures: Failure[] = [];
  const next: Record<string, number> = {};
  for (const day of daysIn(stateDir)) {
    if (day < from) continue;
    const before = offsets[day] ?? 0;
    const text = readFrom(path.join(stateDir, 'failures', `${day}.jsonl`), before);
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    next[day] = before + Buffer.byteLength(whole);
    for (const line of whole.split('\n')) {
      const failure = parse(line);
      if (failure) failures.push(failure);
    }
  }
  return { failures, offsets: next };
}

/** The reaper does it: nobody reads a day before this one any more. */
export function forgetFailures(stateDir: string, before: string): void {
  for (const day of daysIn(stateDir))
    if (day < before) rmSync(path.join(stateDir, 'failures', `${day}.jsonl`), { force: true });
}

function daysIn(stateDir: string): string[] {
  try {
    return readdirSync(path.join(stateDir, 'failures')).flatMap((name) => DAY.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}

function readFrom(file: string, offset: number): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const length = Math.min(MOST_BYTES, Math.max(0, fstatSync(descriptor).size - offset));
    const buffer = Buffer.alloc(length);
    return buffer.toString('utf8', 0, length === 0 ? 0 : readSync(descriptor, buffer, 0, length, offset));
  } finally {
    closeSync(descriptor);
  }
}

function parse(line: string): Failure | undefined {
  try {
    const { hook, cause } = JSON.parse(line) as Partial<Failure>;
    return typeof hook === 'string' && typeof cause === 'string' ? { hook, cause } : undefined;
  } catch {
    return undefined;
  }
}
