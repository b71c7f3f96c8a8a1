import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Script } from 'node:vm';
import { keepSealed, readSealed } from './sealed-cache';

/** A hook's program, which lies in a file of its own beside what starts it (scripts/build.mjs). */
export interface Program {
  readonly file: string;
  /** Of its text. V8 itself compares no more than its length. */
  readonly digest: string;
}

/** How CommonJS loads: what the program is to see as its own. */
export interface Loader {
  readonly require: NodeJS.Require;
  readonly module: NodeJS.Module;
}

/** From this version on NODE_COMPILE_CACHE is node's own: https://nodejs.org/api/module.html#module-compile-cache */
const KNOWS_IT = 22;

/**
 * Runs a program, compiled as an earlier run has left it in `folder`: node 20 and 21 compile a
 * megabyte at each start. What the cache says counts only if it is whole, and was made of this text
 * by this node and this user; else this run leaves another at its end. Without a folder, or where
 * node has a cache of its own, a plain `require`.
 */
export function runCompiled(
  program: Program,
  { require, module }: Loader,
  folder: string | undefined = process.env.NODE_COMPILE_CACHE,
  nodeMajor = Number.parseInt(process.versions.node, 10),
): void {
  if (!folder || nodeMajor >= KNOWS_IT) return void require(program.file);
  const cache = path.join(folder, `${nameOf(program)}${program.digest}`);
  const cachedData = readSealed(cache)?.data;
  // The bundles are ASCII, and V8 reads one byte a character faster than it decodes UTF-8.
  const text = `(function(exports,require,module,__filename,__dirname){${readFileSync(program.file, 'latin1')}\n})`;
  const script = new Script(text, { filename: program.file, ...(cachedData && { cachedData }) });
  // At the end: by then the functions that a run needs are compiled, and lie in it too.
  if (!cachedData || script.cachedDataRejected)
    process.once('exit', () => keepSealed(cache, () => script.createCachedData(), nameOf(program)));
  const run = script.runInThisContext() as (...of: unknown[]) => void;
  // As its own, so that it finds what lies beside it.
  const own = createRequire(program.file);
  run.call(module.exports, module.exports, own, module, program.file, path.dirname(program.file));
}

function nameOf({ file }: Program): string {
  return `${path.basename(file)}-`;
}
