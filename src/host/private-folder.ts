import { chmodSync, mkdirSync } from 'node:fs';

/** A folder that only its owner can look into. */
export function makePrivate(directory: string): void {
  if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(directory, 0o700);
}
