import { appendFileSync, closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod/mini';
import { parsedAs } from '../schema';
import type { Settings } from '../settings/types';
import type { Arrival } from './forecast';

/**
 * The jobs that came to this host, a line each, for the forecast (`STATE/arrivals.jsonl`). Lost
 * lines cost a forecast, nothing else.
 */

type Where = Pick<Settings, 'stateDir'>;

/** Some 10,000 jobs; older ones are forgotten. */
const MOST_BYTES = 1024 * 1024;
/** GitLab's own limit for a job's name. */
const LONGEST_NAME = 255;

const arrival = z.object({
  atMs: z.number(),
  project: z.string(),
  pipeline: z.int(),
  job: z.string(),
  profile: z.string(),
});

/** A full disk stops no job here; writing the job's record reports it. */
export function noteArrival(settings: Where, one: Arrival): void {
  try {
    const line = JSON.stringify({ ...one, job: one.job.slice(0, LONGEST_NAME) });
    appendFileSync(fileOf(settings), `${line}\n`, { mode: 0o600 });
  } catch {
    // The forecast goes without it.
  }
}

/** Oldest first. */
export function readArrivals(settings: Where): Arrival[] {
  const lines = tail(fileOf(settings)).split('\n');
  return lines.flatMap((line) => parsedAs(arrival, line) ?? []).sort((a, b) => a.atMs - b.atMs);
}

/** By the one keeper: a line that a job adds at this moment may get lost. */
export function trimArrivals(settings: Where): void {
  const file = fileOf(settings);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) < 2 * MOST_BYTES) return;
  const text = tail(file);
  writeFileAtomic.sync(file, text.slice(text.indexOf('\n') + 1), { mode: 0o600 });
}

/** Its last megabyte; '' where there is none. */
function tail(file: string): string {
  let handle: number | undefined;
  try {
    handle = openSync(file, 'r');
    const { size } = fstatSync(handle);
    const length = Math.min(size, MOST_BYTES);
    const bytes = Buffer.alloc(length);
    return bytes.toString('utf8', 0, readSync(handle, bytes, 0, length, size - length));
  } catch {
    return '';
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

function fileOf({ stateDir }: Where): string {
  return path.join(stateDir, 'arrivals.jsonl');
}
