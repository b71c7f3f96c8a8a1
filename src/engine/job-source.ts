import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';

/** The job's stack as the platform team has it, and as the hooks carry it. */
export interface JobSource {
  /** The package's folder, which is only read. */
  readonly root: string;
  /** stacks/job.ts in it. */
  readonly file: string;
  /**
   * The first of stacks/job.ts and what it imports from there that is not as the hooks carry it.
   * Undefined: there is none, or there is no job.ts.
   */
  readonly edited: string | undefined;
  /** What hooks carry and run with: an edit that fitted another one may not fit this one. */
  readonly base: string;
  /** Of `base`, stacks/job.ts and tsconfig.json, and of what these two name. */
  readonly key: string;
}

/** @param root the package's folder */
export function jobSource(root = path.resolve(__dirname, '../..')): JobSource {
  const real = realPath(root);
  const [stacks, built] = [path.join(real, 'stacks'), builtStacks(real)];
  const file = path.join(stacks, 'job.ts');
  const theirs = filesFrom(stacks, ['job.ts']);
  const ours = filesFrom(built, ['job.ts']);
  const differs = ([name, text]: readonly [string, Buffer]) => !ours.get(name)?.equals(text);
  const edited = theirs.size > 0 && ours.size > 0 ? [...theirs].find(differs)?.[0] : undefined;
  if (edited === undefined) return { root: real, file, edited, base: '', key: '' };
  const base = digest([...ours, ['package.json', contentOf(path.join(real, 'package.json'))]]);
  const key = digest([['base', base], ...filesFrom(stacks, ['job.ts', 'tsconfig.json'])]);
  return { root: real, file, edited: path.join(stacks, edited), base, key };
}

/** Where the build keeps the stacks/ that the bundles were made from (scripts/build.mjs). */
export function builtStacks(root: string): string {
  return path.join(root, 'dist/stacks');
}

/** Imports, re-exports, JSON, `extends` of a tsconfig: whatever is named by a relative path. */
const NAMED = /['"](\.{1,2}\/[^'"\n]+)['"]/g;
const ENDINGS = ['', '.ts', '.d.ts', '.json', '/index.ts'];

/**
 * These files and what they name below the folder, by name. Finds a file too many (one that a
 * comment names), never one too few, and needs no compiler: each job asks.
 */
function filesFrom(folder: string, first: readonly string[]): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  const open = [...first];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    const text = found.has(name) || name.startsWith('..') ? undefined : contentOf(path.join(folder, name));
    if (!text) continue;
    found.set(name, text);
    const directory = path.posix.dirname(name);
    for (const [, named] of text.toString().matchAll(NAMED))
      open.push(...ENDINGS.map((ending) => path.posix.join(directory, named!.replace(/\.js$/, '') + ending)));
  }
  return found;
}

function digest(parts: Iterable<readonly [string, string | Buffer | undefined]>): string {
  const hash = createHash('sha256');
  for (const [name, content] of parts) hash.update(`${name} ${content?.length ?? 0} `).update(content ?? '');
  return hash.digest('hex');
}

function realPath(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** Larger is no source of a stack. */
const MOST_BYTES = 1024 * 1024;

function contentOf(file: string): Buffer | undefined {
  try {
    const about = statSync(file);
    return about.isFile() && about.size <= MOST_BYTES ? readFileSync(file) : undefined;
  } catch {
    return undefined;
  }
}
