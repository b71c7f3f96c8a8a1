import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** Where stacks/job.ts is, and what to do when jobs go by an older one. */
export interface UnbuiltEdit {
  readonly file: string;
  readonly remedy: string;
}

/**
 * The package's stacks/job.ts where it differs from the one that hooks carry; undefined where they
 * are the same, or where the source or the build's word (scripts/build.mjs) is not there.
 *
 * @param root - the package's folder
 */
export function unbuiltEdit(root = path.resolve(__dirname, '../..')): UnbuiltEdit | undefined {
  const file = path.join(root, 'stacks/job.ts');
  const source = contentOf(file);
  const built = contentOf(path.join(root, 'dist/job.ts.sha256'));
  if (!source || !built || createHash('sha256').update(source).digest('hex') === built.toString().trim())
    return undefined;
  return {
    file,
    remedy:
      'Make the edit in your clone, see that `npx tsc --noEmit` finds nothing there, and install again: ' +
      '`npm run build`, then `sudo deploy/install.sh`; with containers `docker compose up -d --build runner`.',
  };
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
