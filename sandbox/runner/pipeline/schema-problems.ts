/** What a schema refuses, as sentences that begin with the keyword's path. */
import type { z } from 'zod';
import { nearest } from './keywords';
import { artifactsSchema, cacheSchema, jobSchema, ruleSchema } from './schema';

const KEYWORDS = [jobSchema, artifactsSchema, cacheSchema, ruleSchema].map((schema) => Object.keys(schema.shape));
/** Besides those of a job, which are the same. */
const DEEPER = [
  'entrypoint',
  'pull_policy',
  'alias',
  'command',
  'optional',
  'matrix',
  'exit_codes',
  'max',
  'refs',
  'files',
  'prefix',
];
const KNOWN = new Set([...KEYWORDS.flat(), ...DEEPER, 'extends', 'trigger', 'inputs']);

/** The problems of a parse, each with its path: `job build: retry: max: should be 0, 1, or 2`. */
export function problemsOf(error: z.ZodError, place: string): string[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.filter((part) => typeof part === 'string');
    const at = [place, ...path].join(': ');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const meant = nearest(key, KNOWN);
        return `${at}: unknown keyword ${key}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`;
      });
    if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
      return [`${at}: ${wanted(issue.expected, issue.input)}`];
    if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid option'))
      return [`${at}: should be ${issue.values.map(String).join(', ')}`];
    return [
      `${at}: ${issue.message.startsWith('Invalid input') ? 'is not of a shape that GitLab knows here' : issue.message}`,
    ];
  });
}

function wanted(expected: string, input: unknown): string {
  const names: Readonly<Record<string, string>> = {
    object: 'a mapping',
    record: 'a mapping',
    array: 'a list',
    string: 'text',
    boolean: 'true or false',
  };
  return input === undefined ? 'is missing' : `should be ${names[expected] ?? expected}`;
}
