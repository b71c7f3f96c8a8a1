import { readFileSync } from 'node:fs';

/** A file's text; '' where there is none or it can't be read, for whom both mean the same. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
