import { readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { jobIdentity } from './identity';
import { naming } from '../host/naming';
import { makePrivate } from '../host/private-folder';

/**
 * Counts a job's prepare attempts: the config hook runs once before each. The count outlives the
 * folders of the attempts, so that no two attempts share a name, even while the first is still
 * being destroyed.
 */

/**
 * A job's prepares follow each other at once and take an hour each at most. Keeping the counters of
 * two weeks would fill 100 MB.
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

/** Runs for 1 % of the jobs only: reading the whole folder for each job would cost too much. */
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
