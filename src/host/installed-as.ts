import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';

/**
 * The package's folder by a name that survives an update: deploy/install.sh gives each version a
 * folder of its own, in which `.installed-as` tells the name that every version gets in its turn.
 * Elsewhere the folder itself.
 */
export function lastingPackage(folder: string): string {
  try {
    const name = readFileSync(path.join(folder, '.installed-as'), 'utf8').trim();
    return realpathSync(name) === realpathSync(folder) ? name : folder;
  } catch {
    return folder;
  }
}
