import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';

/** The job's stack as the platform team has it, and as the hooks carry it. */
export interface JobSource {
  /** The package's folder, which is only read. */
  readonly root: string;
  /** stacks/job.ts in it. */
  readonly file: string;
  /** False too where one of the two is not there. */
  readonly isEdited: boolean;
  /** What hooks carry and run with: an edit that fitted another one may not fit this one. */
  readonly base: string;
  /** Of `base` and all of stacks/*.ts, which an edited job.ts may import, and of tsconfig.json. */
  readonly key: string;
}

/** @param root the package's folder */
export function jobSource(root = path.resolve(__dirname, '../..')): JobSource {
  const real = realPath(root);
  const file = path.join(real, 'stacks/job.ts');
  const [source, built] = [contentOf(file), contentOf(builtSource(real))];
  if (!source || !built || source.equals(built)) return { root: real, file, isEdited: false, base: '', key: '' };
  const base = digest([built, contentOf(path.join(real, 'package.json'))]);
  const stacks = path.join(real, 'stacks');
  const all = readdirSync(stacks)
    .filter((name) => name.endsWith('.ts') || name === 'tsconfig.json')
    .sort();
  const key = digest([base, ...all.flatMap((name) => [name, contentOf(path.join(stacks, name))])]);
  return { root: real, file, isEdited: true, base, key };
}

/** The stacks/job.ts that the bundles were made from (scripts/build.mjs). */
export function builtSource(root: string): string {
  return path.join(root, 'dist/job.ts');
}

function digest(parts: readonly (string | Buffer | undefined)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part?.length ?? 0} `).update(part ?? '');
  return hash.digest('hex');
}

function realPath(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
