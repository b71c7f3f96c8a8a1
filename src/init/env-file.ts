import { parse } from 'dotenv';
import { ConfigurationError } from '../errors';

/**
 * The env file's text with these variables set: a line that sets one is replaced where it stands, a
 * new one comes at the end, and all else stays as it is. `undefined` takes the variable's line
 * away.
 * @throws ConfigurationError when a value can't be written so that it is read back the same.
 */
export function withVariables(text: string, values: Readonly<Record<string, string | undefined>>): string {
  let result = text;
  for (const [name, value] of Object.entries(values)) result = withVariable(result, name, value);
  const read = parse(result);
  for (const [name, value] of Object.entries(values)) {
    if (read[name] !== value)
      throw new ConfigurationError(`${name} has a value that the env file can't hold`, {
        remedy: 'Choose one without quotes, line ends and #.',
      });
  }
  return result;
}

function withVariable(text: string, name: string, value: string | undefined): string {
  const line = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=.*(?:\\n|$)`, 'gm');
  if (value === undefined) return text.replace(line, '');
  // What is set twice counts by its last line.
  const last = [...text.matchAll(line)].at(-1);
  if (last === undefined) {
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${name}=${quoted(value)}\n`;
  }
  return text.slice(0, last.index) + `${name}=${quoted(value)}\n` + text.slice(last.index + last[0].length);
}

function quoted(value: string): string {
  if (/^[\w./:,@+=*-]*$/.test(value)) return value;
  const quote = ["'", '"', '`'].find((one) => !value.includes(one));
  return quote === undefined ? value : `${quote}${value}${quote}`;
}
