import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import path from 'node:path';
import { ConfigurationError } from '../errors';
import { writePrivate } from '../host/private-file';
import { textOf } from '../host/text-of';
import { parseProfiles, readPage } from './profiles';
import type { ProfilesPage } from './types';

/** The page that jobs go by. */
export interface UsableProfiles {
  readonly page: ProfilesPage;
  /** What is wrong with the page as it is now; undefined: nothing, and `page` is it. */
  readonly problem: string | undefined;
}

/**
 * The current profiles page, or, if an edit broke it, the last page without errors. An edit takes
 * effect with the next job, and a mistake in it stops no job.
 * @throws ConfigurationError if there never was a page without errors
 */
export function usableProfiles(file: string, stateDir: string): UsableProfiles {
  const copy = copyOf(file, stateDir);
  try {
    const text = readPage(file);
    const page = parseProfiles(text, file);
    keep(copy, text);
    return { page, problem: undefined };
  } catch (error) {
    const kept = error instanceof ConfigurationError ? readKept(copy) : undefined;
    if (!kept) throw error;
    return {
      page: kept.page,
      problem: `${(error as Error).message}; jobs go on with the page of ${kept.at} (\`gitlab-spot check\` says when it is right again)`,
    };
  }
}

/** One copy for each profiles file: hosts that share a state folder may use different ones. */
function copyOf(file: string, stateDir: string): string {
  const name = createHash('sha256').update(path.resolve(file)).digest('hex').slice(0, 16);
  return path.join(stateDir, 'profiles', `${name}.yaml`);
}

/**
 * Written only if it has changed. A full disk stops no job here; writing the job's record reports
 * it.
 */
function keep(copy: string, text: string): void {
  try {
    if (textOf(copy) !== text) writePrivate(copy, text);
  } catch {
    // Without it the next mistake stops jobs, as it did before there was a copy.
  }
}

/** A copy kept by an earlier version may have keys that are unknown now; it is of no use then. */
function readKept(copy: string): { readonly page: ProfilesPage; readonly at: string } | undefined {
  try {
    return { page: parseProfiles(textOf(copy), copy), at: statSync(copy).mtime.toISOString() };
  } catch {
    return undefined;
  }
}
