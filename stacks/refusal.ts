import * as pulumi from '@pulumi/pulumi';

/**
 * Ends the program with one sentence, which the CLI shows as it is.
 *
 * Without a stack: the SDK formats it on the way out, and on paths such as
 * `node_modules/@pulumi/output.ts`, which its source maps lead to, Node's formatter turns round for
 * half a minute (seen with 20.20).
 */
export function refuse(sentence: string): never {
  const error = new pulumi.RunError(sentence);
  error.stack = sentence;
  throw error;
}
