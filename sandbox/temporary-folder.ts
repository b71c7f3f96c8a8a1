import { tmpdir } from 'node:os';

/**
 * Where a sandbox makes its folders: TMPDIR, unless its path has a space in it. Builds lie below
 * it, and neither the executor nor build tools take a builds folder with a space.
 */
export function temporaryFolder(given = tmpdir()): string {
  return /\s/.test(given) ? '/tmp' : given;
}
