import { homedir } from 'node:os';
import path from 'node:path';

/** The environment variables of the command, handed in. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the CLI keeps credentials, plugins and selections: PULUMI_HOME, else ~/.pulumi. */
export function pulumiHome(env: Environment): string {
  return env['PULUMI_HOME'] || path.join(env['HOME'] || homedir(), '.pulumi');
}

/** Pulumi's reading of a boolean variable. */
export function isTruthy(value: string | undefined): boolean {
  return value !== undefined && /^(1|true)$/i.test(value);
}
