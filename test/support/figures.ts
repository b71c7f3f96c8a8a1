import { appendFileSync } from 'node:fs';

/**
 * Figures of a long run, for a person who measures: appended to the file that FIGURES names. The
 * terminal is jest's alone.
 */
export function figures(text: string): void {
  if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${text}\n`);
}
