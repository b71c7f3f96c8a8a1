import { readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { jobIdentity } from './identity';
import { naming } from '../host/naming';
import { makePrivate } from '../host/private-folder';

/**
 * Prepare attempts of a job, counted by its config hook, which runs before each of them. The count
 * outlives the attempts' own folders, so that the name of an attempt is never used twice, also not
 * while its destroy is still under way.
 */

/**
 * A job's prepares follow each other at once, and each has an hour at most; a file for each job of
 * two weeks would be a folder of 100 MB.
 */
const KEEP_MS = 2 * 24 * 3_600_000;

export interface Job {
  readonly serverUrl: string;
  readonly jobId: number;
}

/** Counts one more attempt and gives its number, from 1. */
export function countAttempt(stateDir: string, job: Job, nowMs: number): number {
  const file = counterFile(stateDir, job);
  const attempt = readCount(file) + 1;
  makePrivate(stateDir);
  makePrivate(path.dirname(file));
  naming(file, () => writeFileAtomic.sync(file, `${attempt}\n`, { mode: 0o600 }));
  if (attempt === 1) forgetOld(path.dirname(file), nowMs);
  return attempt;
}

/** How many attempts config has counted; 0 also where the disk is empty. */
export function countedAttempts(stateDir: string, job: Job): number {
  return readCount(counterFile(stateDir, job));
}

function counterFile(stateDir: string, { serverUrl, jobId }: Job): string {
  return path.join(stateDir, 'attempts', jobIdentity(serverUrl, jobId, 0).stackName);
}

function readCount(file: string): number {
  try {
    const count = Number(readFileSync(file, 'utf8'));
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    return 0;
  }
}

/**
 * Once in a while is enough: with 1 % of the jobs, so that the folder's size costs nothing on
 * average.
 */
function forgetOld(directory: string, nowMs: number): void {
  if (Math.random() > 0.01) return;
  for (const name of readdirSync(directory)) {
    const file = path.join(directory, name);
    try {
      if (nowMs - statSync(file).mtimeMs > KEEP_MS) unlinkSync(file);
    } catch {
      // Another job's config was faster.
    }
  }
}
