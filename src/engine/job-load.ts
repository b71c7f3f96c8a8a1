import { createRequire } from 'node:module';
import path from 'node:path';
import { compileFunction } from 'node:vm';
import { ConfigurationError } from '../errors';
import type { JobStackArgs } from './types';

/** What stacks/job.ts exports. */
export type JobStack = (args: JobStackArgs) => object;

/**
 * By hand, since what lies in the state folder would not find the package's own modules.
 * @param modules code by name below stacks/ (job-compile.ts)
 * @throws ConfigurationError
 */
export function loadJobStack(modules: Readonly<Record<string, string>>, root: string): JobStack {
  const fromPackage = createRequire(path.join(root, 'stacks/job.ts'));
  const loaded = new Map<string, { exports: object }>();
  const required = (asked: string): object => {
    const name = [asked, asked.replace(/\.js$/, ''), `${asked}.json`, `${asked}/index`].find((one) => one in modules);
    if (name === undefined) throw new Error(`stacks/${asked} is not among what was checked`);
    const before = loaded.get(name);
    if (before) return before.exports;
    const module = { exports: {} };
    loaded.set(name, module);
    const filename = path.join(root, 'stacks', name.endsWith('.json') ? name : `${name}.ts`);
    const run = compileFunction(modules[name]!, ['exports', 'require', 'module'], { filename });
    const fromHere = (id: string): unknown =>
      id.startsWith('.') ? required(path.posix.join(path.posix.dirname(name), id)) : fromPackage(id);
    (run as (...all: unknown[]) => void)(module.exports, fromHere, module);
    return module.exports;
  };
  try {
    return (required('job') as { jobStack: JobStack }).jobStack;
  } catch (error) {
    throw new ConfigurationError(`stacks/job.ts can't be loaded (${(error as Error).message})`, {
      remedy: 'Mend it; it counts from the next job on.',
      cause: error,
    });
  }
}
