import { CommandError } from '../errors';

/** A JSON object; throws CommandError with the words that Go has for text that is none. */
export function parseJson<T>(text: string, type: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const at = Number(/position (\d+)/.exec((error as Error).message)?.[1] ?? text.length);
    if (at >= text.trimEnd().length || /Unterminated/.test((error as Error).message))
      throw new CommandError('unexpected end of JSON input');
    throw new CommandError(`invalid character '${text[at]}' looking for beginning of value`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T;
  const kind = Array.isArray(value)
    ? 'array'
    : value === null
      ? 'null'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value;
  throw new CommandError(`json: cannot unmarshal ${kind} into Go value of type ${type}`);
}
