import { readFileSync, statSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import { compileFunction, Script } from 'node:vm';
import { keepSealed, readSealed } from './sealed-cache';

/** A file as it was when it was packed. */
interface Packed {
  readonly size: number;
  readonly mtimeMs: number;
  /** Which of the pack's functions it is; undefined: one that can't be packed. */
  readonly at?: number | undefined;
}

/** What stands before the functions, as one line of JSON. */
interface Index {
  readonly files: Readonly<Record<string, Packed>>;
  /** By the file that asks, what it asks for, and what that is. */
  readonly found: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** How CommonJS finds and reads a module: not documented, but what all that hooks `require` goes by. */
interface Loading {
  _resolveFilename(request: string, parent: NodeJS.Module | undefined, ...more: unknown[]): string;
  readonly _extensions: { '.js'(module: NodeJS.Module, file: string): void };
}

type Run = (exports: unknown, require: NodeJS.Require, module: NodeJS.Module, file: string, folder: string) => void;

/** Of the function that CommonJS makes of a module. */
const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];
const NONE: Index = { files: {}, found: {} };
/** A module beyond is no part of what each run loads. */
const MOST_BYTES = 1024 * 1024;
const MOST_BYTES_IN_ALL = 16 * 1024 * 1024;
const inUse = new Set<string>();

/**
 * From here on modules come from a pack that earlier runs have left in `folder`: one file, found
 * and compiled already, instead of hundreds that are looked for, read and compiled at each start.
 * Each is the same module as without it, and counts only while its file is as it was. What is not
 * in the pack is loaded as ever, and is in it from the next run on. Without a folder nothing
 * changes.
 */
export function usePackedModules(name: string, folder: string | undefined = process.env.NODE_COMPILE_CACHE): void {
  if (!folder || inUse.has(name)) return;
  inUse.add(name);
  const packFile = path.join(folder, `${name}-modules-1`);
  const pack = openPack(packFile, (seal) => path.join(folder, `${name}-code-${seal}`));
  const index = pack?.index ?? NONE;
  const isAsBefore = memoized((file) => isSame(file, index.files[file]));
  /** What this run adds. */
  const strangers = new Set<string>();
  const found: Record<string, Record<string, string>> = {};

  const loading = Module as unknown as Loading;
  const { _resolveFilename: resolve } = loading;
  const load = loading._extensions['.js'];
  loading._resolveFilename = function (request, parent, ...more) {
    // The second of `more` names other places to look in.
    const asker = more.length < 2 ? parent?.filename : undefined;
    const known = asker && index.found[asker]?.[request];
    if (known && isAsBefore(known)) return known;
    const file = resolve.call(loading, request, parent, ...more);
    if (asker && path.isAbsolute(file)) (found[asker] ??= {})[request] = file;
    return file;
  };
  loading._extensions['.js'] = (module, file) => {
    const isKnown = isAsBefore(file);
    if (!isKnown) strangers.add(file);
    const run = isKnown ? pack?.functions[index.files[file]?.at ?? -1] : undefined;
    if (!run) return load(module, file);
    run.call(module.exports, module.exports, requireOf(module), module, file, path.dirname(file));
  };
  process.once('exit', () => {
    const all = (): string[] => [...Object.keys(index.files).filter(isAsBefore), ...strangers];
    if (strangers.size > 0) keepSealed(packFile, () => packOf(all(), merged(index.found, found)), `${name}-modules-`);
    // At the end: by then the functions that a run needs are compiled, and lie in it too.
    else if (pack?.isToCompile) keepSealed(pack.codeFile, () => pack.script.createCachedData(), `${name}-code-`);
  });
}

interface Pack {
  readonly index: Index;
  readonly functions: readonly Run[];
  readonly script: Script;
  /** Where it lies compiled. */
  readonly codeFile: string;
  /** It does not, or for another V8. */
  readonly isToCompile: boolean;
}

/** Undefined: there is none, or none that can be used. */
function openPack(file: string, codeFileOf: (seal: string) => string): Pack | undefined {
  const sealed = readSealed(file);
  if (!sealed) return undefined;
  const codeFile = codeFileOf(sealed.seal.slice(0, 16));
  const cachedData = readSealed(codeFile)?.data;
  try {
    const { index, text } = parted(sealed.data);
    const script = new Script(text, { filename: file, ...(cachedData && { cachedData }) });
    const functions = script.runInThisContext() as Run[];
    return { index, functions, script, codeFile, isToCompile: !cachedData || script.cachedDataRejected === true };
  } catch {
    return undefined;
  }
}

function merged(one: Index['found'], two: Index['found']): Index['found'] {
  const askers = new Set([...Object.keys(one), ...Object.keys(two)]);
  return Object.fromEntries([...askers].map((asker) => [asker, { ...one[asker], ...two[asker] }]));
}

function parted(data: Buffer): { readonly index: Index; readonly text: string } {
  const end = data.indexOf('\n');
  // Sealed, so it is what packOf has made.
  return { index: JSON.parse(data.toString('utf8', 0, end)) as Index, text: data.toString('latin1', end + 1) };
}

function packOf(all: readonly string[], found: Index['found']): Buffer {
  const files: Record<string, Packed> = {};
  const texts: string[] = [];
  let bytes = 0;
  for (const file of all) {
    const { size, mtimeMs } = statSync(file);
    const text = size <= MOST_BYTES && bytes + size <= MOST_BYTES_IN_ALL ? asFunction(file) : undefined;
    files[file] = { size, mtimeMs, at: text === undefined ? undefined : texts.length };
    if (!text) continue;
    texts.push(text);
    bytes += size;
  }
  const known = Object.entries(found).filter(([asker]) => asker in files);
  return Buffer.from(`${JSON.stringify({ files, found: Object.fromEntries(known) })}\n[${texts.join(',\n')}]`, 'utf8');
}

/** Undefined: it is not plain CommonJS. */
function asFunction(file: string): string | undefined {
  const source = readFileSync(file, 'utf8').replace(/^#!.*/, '');
  // V8 reads one byte a character faster than it decodes UTF-8. What is said so is the same in a
  // comment, a string or an expression; what a template's tag gets raw would tell.
  const text = source.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (text !== source && source.includes('String.raw')) return undefined;
  try {
    compileFunction(text, PARAMETERS);
    return `function(${PARAMETERS.join()}){${text}\n}`;
  } catch {
    return undefined;
  }
}

function isSame(file: string, before: Packed | undefined): boolean {
  const now = before && statSync(file, { throwIfNoEntry: false });
  return now !== undefined && now.size === before?.size && now.mtimeMs === before.mtimeMs;
}

/** As node makes it for each module; createRequire alone takes 0.1 ms of each. */
function requireOf(module: NodeJS.Module): NodeJS.Require {
  const { cache, extensions, main } = require;
  const resolver = (): NodeJS.RequireResolve => createRequire(module.filename).resolve;
  const resolve = Object.assign((id: string, options?: NodeJS.RequireResolveOptions) => resolver()(id, options), {
    paths: (id: string) => resolver().paths(id),
  });
  return Object.assign((id: string): unknown => module.require(id), { cache, extensions, main, resolve });
}

function memoized<T>(compute: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
