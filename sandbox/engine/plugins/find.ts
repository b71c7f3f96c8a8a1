import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { type Environment } from '../project/paths';

/** The first executable of that name on PATH. */
export function findOnPath(name: string, env: Environment): string | undefined {
  for (const folder of (env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.join(folder || '.', name);
    if (isExecutable(file)) return path.resolve(file);
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
