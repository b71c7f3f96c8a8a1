import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { builtHooks } from '../../sandbox/start';

/** A piece of a source file of the hook, and what stood there when the belief was held. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const ROOT = path.resolve(__dirname, '../..');

/** The prepare hook, with its sources changed so, in a folder of its own. */
export function preparedBefore(folder: string, changes: readonly Change[]): readonly string[] {
  const built = path.dirname(builtHooks().prepare[0]!);
  cpSync(built, folder, { recursive: true });
  const outfile = path.join(folder, 'prepare.js');
  const script = path.join(__dirname, 'build-switched-back.mjs');
  execFileSync(process.execPath, [script, outfile, JSON.stringify(changes)], { stdio: ['ignore', 'ignore', 'pipe'] });
  // prepare.sh runs it by node, with the packages that a bundle of dist/ finds beside itself.
  writeFileSync(
    outfile,
    `module.paths.push(${JSON.stringify(path.join(ROOT, 'node_modules'))});\n${readFileSync(outfile, 'utf8')}`,
  );
  chmodSync(outfile, 0o755);
  return [path.join(folder, 'prepare')];
}
