import { type SummaryEvent } from '../deployment/events';
import { plural, wordsOf } from './words';

/** What is counted, in this order; reads are not. */
const COUNTED = [
  'create', 'update', 'delete', 'replace', 'create-replacement', 'delete-replaced', 'refresh', 'discard-replaced', 'import',
]; // prettier-ignore

/** The end of what a person is shown: what has been done, and in what time. */
export function summaryText({ resourceChanges, durationSeconds, isPreview }: SummaryEvent, errored: number): string {
  const count = (op: string) => resourceChanges[op] ?? 0;
  const done = COUNTED.filter((op) => count(op) > 0);
  const lines = done.map((op) => `${wordsOf(op).mark}${count(op)} ${isPreview ? `to ${op}` : wordsOf(op).done}`);
  const together: string[] = [];
  if (done.length > 1)
    together.push(
      plural(
        done.reduce((sum, op) => sum + count(op), 0),
        'change',
      ),
    );
  if (count('same') > 0) together.push(`${count('same')} unchanged`);
  if (together.length > 0) lines.push(together.join('. '));
  if (errored > 0) lines.push(`${errored} errored`);
  const duration = isPreview ? '' : `\nDuration: ${goDuration(durationSeconds)}\n`;
  return `Resources:\n${lines.map((line) => `    ${line}\n`).join('')}${duration}`;
}

/** 601 s is 10m1s. */
function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds % 60}s`;
}
