import { type StepMetadata } from '../deployment/events';
import { equal, isProperties, sortedKeys, type Properties, type Value } from '../rpc/values';
import { isSecret, UNKNOWN } from '../secrets/envelope';

/** The outputs of a stack, with what became of each; empty when there is nothing to show. */
export function outputLines(step: StepMetadata, preview: boolean): string {
  const before = step.old?.outputs ?? {};
  const after = step.new?.outputs ?? {};
  if (preview && step.old && equal(before, after)) return '';
  const all: Properties = { ...before, ...after };
  const width = Math.max(0, ...Object.keys(all).map((name) => name.length));
  const lines = sortedKeys(all).map((name) => {
    const mark = change(before[name], after[name], Boolean(step.old), step.op);
    const shown =
      mark === '~ '
        ? `${text(before[name]!, preview)} => ${text(after[name]!, preview)}`
        : text(after[name] ?? before[name]!, preview);
    return `  ${mark}${name.padEnd(width)}: ${shown}\n`;
  });
  return lines.join('');
}

function change(before: Value | undefined, after: Value | undefined, existed: boolean, op: string): string {
  if (op === 'delete' || after === undefined) return '- ';
  if (!existed) return '  ';
  if (before === undefined) return '+ ';
  return equal(before, after) ? '  ' : '~ ';
}

function text(value: Value, preview: boolean): string {
  if (value === UNKNOWN) return preview ? '[unknown]' : 'output<string>';
  if (isSecret(value))
    return typeof value['plaintext'] === 'string' ? text(JSON.parse(value['plaintext']) as Value, preview) : '[secret]';
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value))
    return value.length === 0
      ? '[]'
      : `[\n${value.map((item, i) => `        [${i}]: ${text(item, preview)}\n`).join('')}    ]`;
  if (!isProperties(value)) return value === null ? '<null>' : String(value);
  const keys = sortedKeys(value);
  const width = Math.max(0, ...keys.map((key) => key.length));
  return keys.length === 0
    ? '{}'
    : `{\n${keys.map((key) => `        ${key.padEnd(width)}: ${text(value[key]!, preview)}\n`).join('')}    }`;
}
