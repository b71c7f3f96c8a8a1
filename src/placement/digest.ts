import { createHash } from 'node:crypto';

/** A file's name for any text: a job's name may hold anything, a file's may not. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}
