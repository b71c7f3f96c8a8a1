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
 * The profiles page as it is; where it was edited into something that is not right, the last one
 * that was. An edit counts from the next job on, a mistake in it stops none.
 * @throws ConfigurationError where the page is not right and never was
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

/** Of each file one: hosts of one state folder may differ in the page. */
function copyOf(file: string, stateDir: string): string {
  const name = createHash('sha256').update(path.resolve(file)).digest('hex').slice(0, 16);
  return path.join(stateDir, 'profiles', `${name}.yaml`);
}

/**
 * Written only when it has changed. A disk that takes nothing stops no job here: its record will
 * say so.
 */
function keep(copy: string, text: string): void {
  try {
    if (textOf(copy) !== text) writePrivate(copy, text);
  } catch {
    // Without it the next mistake stops jobs, as it did before there was a copy.
  }
}

/** An earlier version may have known keys that this one does not: such a copy helps nobody. */
function readKept(copy: string): { readonly page: ProfilesPage; readonly at: string } | undefined {
  try {
    return { page: parseProfiles(textOf(copy), copy), at: statSync(copy).mtime.toISOString() };
  } catch {
    return undefined;
  }
}
