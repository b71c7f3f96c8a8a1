import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { builtHooks } from '../../sandbox/start';

/** A piece of a source file of the hook, and what stood there when the belief was held. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const ROOT = path.resolve(__dirname, '../..');

/** The prepare hook and its `up`, with their sources changed so, in a folder of their own. */
export function preparedBefore(folder: string, changes: readonly Change[]): readonly string[] {
  const built = path.dirname(builtHooks().prepare[0]!);
  const executor = path.join(folder, 'executor');
  cpSync(built, executor, { recursive: true });
  cpSync(path.join(built, '../code'), path.join(folder, 'code'), { recursive: true });
  const script = path.join(__dirname, 'build-switched-back.mjs');
  execFileSync(process.execPath, [script, executor, JSON.stringify(changes)], { stdio: ['ignore', 'ignore', 'pipe'] });
  for (const name of ['prepare.js', 'up.js']) {
    const file = path.join(executor, name);
    // Run by node, with the packages that a bundle of dist/ finds beside itself.
    const packages = `module.paths.push(${JSON.stringify(path.join(ROOT, 'node_modules'))});`;
    writeFileSync(file, `${packages}\n${readFileSync(file, 'utf8')}`, { mode: 0o755 });
  }
  return [path.join(executor, 'prepare')];
}
