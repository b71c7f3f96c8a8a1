import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

/**
 * The first file of that name in a PATH's folders that may be executed, as an absolute path where
 * the folders are; undefined: there is none.
 */
export function findProgram(program: string, searchPath = ''): string | undefined {
  return searchPath
    .split(path.delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, program))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
