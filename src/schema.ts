import * as z from 'zod/mini';
import type { core } from 'zod/mini';

/** `profiles.gpu.types[0]`; `fallback` where the whole thing is wrong. */
function issuePath(path: readonly PropertyKey[], fallback: string): string {
  const text = path.reduce<string>(
    (done, key) => (typeof key === 'number' ? `${done}[${key}]` : done === '' ? String(key) : `${done}.${String(key)}`),
    '',
  );
  return text === '' ? fallback : text;
}

/** One schema issue as words that follow its path: `must be a number, but is text ("many")`. */
export function issueMessage(issue: core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${kind(issue.expected)}, but is ${given(issue.input)}`;
    case 'unrecognized_keys':
      return `has an unknown key: ${issue.keys.join(', ')}`;
    case 'invalid_value':
      return issue.input === undefined
        ? `is missing (${issue.values.join(' or ')})`
        : `must be ${issue.values.join(' or ')}, but is ${given(issue.input)}`;
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `must be ${issue.inclusive === false ? 'greater than' : 'at least'} ${issue.minimum}, but is ${given(issue.input)}`
        : 'must not be empty';
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}, but is ${given(issue.input)}`;
    default:
      return issue.message === 'Invalid input' ? `can't be ${given(issue.input)}` : issue.message;
  }
}

/** Every issue as `path message`, in the order they were found. */
export function issueLines(error: core.$ZodError, fallback: string): string[] {
  return error.issues.flatMap((issue) => linesOf(issue, [], fallback));
}

function linesOf(issue: core.$ZodIssue, above: core.$ZodIssue['path'], fallback: string): string[] {
  const place = [...above, ...issue.path];
  // Of several shapes the one that was meant: its own keys are wrong, not its kind.
  const meant = issue.code === 'invalid_union' ? issue.errors.find((issues) => issues.every(isWithinShape)) : undefined;
  if (meant) return meant.flatMap((one) => linesOf(one, place, fallback));
  // A key's own issue is wrapped; what is wrong with the key is what a person wants to read.
  const inner = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
  return [`${issuePath(place, fallback)} ${issueMessage(inner ?? issue)}`];
}

function isWithinShape({ path, code }: core.$ZodIssue): boolean {
  return path.length > 0 || code === 'unrecognized_keys' || code === 'custom';
}

function kind(expected: string): string {
  const words: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping',
    record: 'a mapping',
  };
  return words[expected] ?? expected;
}

function given(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The value of a JSON text; undefined where it is none, as in a file that a full disk cut short. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** As jsonIn; undefined too where the value has another shape. */
export function parsedAs<T>(schema: z.ZodMiniType<T>, text: string): T | undefined {
  return schema.safeParse(jsonIn(text)).data;
}

const versioned = z.object({ version: z.int() });

/**
 * The version that a file of ours says it has, where it is later than what we know (docs/adr/0014).
 */
export function laterVersion(value: unknown, known: number): number | undefined {
  const version = versioned.safeParse(value).data?.version;
  return version !== undefined && version > known ? version : undefined;
}
