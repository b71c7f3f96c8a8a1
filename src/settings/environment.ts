import { readFileSync, statSync } from 'node:fs';
import { parse } from 'dotenv';
import { exposure } from '../host/private-file';

export type Variables = Readonly<Record<string, string | undefined>>;

export const DEFAULT_ENV_FILE = '/etc/gitlab-spot/env';

/**
 * The host's variables: the process's environment over the env file, without anything a job may set
 * (CUSTOM_ENV_*).
 */
export interface HostEnvironment {
  readonly values: Readonly<Record<string, string>>;
  /** Where a variable comes from, for messages: `the environment` or the file's path. */
  originOf(name: string): string;
  /** Undefined: no env file. */
  readonly file: string | undefined;
  /** The env file that was named, and isn't there. */
  readonly missingFile: string | undefined;
  readonly problems: readonly string[];
}

const SECRET = /(SECRET|TOKEN|PASSWORD|PASSPHRASE|ACCESS_KEY)(?!_FILE$)|WEBHOOK$/;

/**
 * Reads the env file that GITLAB_SPOT_ENV_FILE names (default /etc/gitlab-spot/env, if it exists)
 * beneath the given environment.
 */
export function readHostEnvironment(variables: Variables, defaultFile = DEFAULT_ENV_FILE): HostEnvironment {
  const named = variables.GITLAB_SPOT_ENV_FILE;
  const found = readEnvFile(named || defaultFile, named !== undefined && named !== '');
  return {
    values: { ...found.values, ...withoutJobs(variables) },
    originOf: (name) =>
      variables[name] === undefined && found.values[name] !== undefined ? String(found.file) : 'the environment',
    file: found.file,
    missingFile: found.missingFile,
    problems: found.problems,
  };
}

function withoutJobs(variables: Variables): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('CUSTOM_ENV_'),
    ),
  );
}

function readEnvFile(file: string, required: boolean) {
  const nothing = {
    values: {} as Record<string, string>,
    file: undefined as string | undefined,
    missingFile: undefined as string | undefined,
  };
  try {
    const values = parse(readFileSync(file));
    const secrets = Object.keys(values).filter((name) => SECRET.test(name) && values[name] !== '');
    const exposed = secrets.length > 0 ? exposure('it', file, statSync(file)) : undefined;
    const problems =
      exposed === undefined
        ? []
        : [`${file} holds ${secrets.join(', ')} and ${exposed.why}: run \`${exposed.command}\``];
    const broken = Object.keys(values).filter((name) => values[name]!.includes('\0'));
    if (broken.length > 0)
      problems.push(`${broken.join(', ')} in ${file} must not hold a NUL byte: write the line anew with a text editor`);
    return { ...nothing, values, file, problems };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === 'ENOENT' && !required) return { ...nothing, problems: [] };
    const why = code === 'ENOENT' ? 'does not exist' : `can't be read (${code})`;
    const missingFile = code === 'ENOENT' ? file : undefined;
    return {
      ...nothing,
      missingFile,
      problems: [`the env file ${file} ${why}: fix it, or change GITLAB_SPOT_ENV_FILE`],
    };
  }
}

/**
 * One job's, although they carry no CUSTOM_ENV_ prefix: the contract's own, and what config hands
 * on in job_env.
 */
export const OF_THE_HOOK: ReadonlySet<string> = new Set([
  'TMPDIR',
  'JOB_RESPONSE_FILE',
  'BUILD_EXIT_CODE_FILE',
  'BUILD_FAILURE_EXIT_CODE',
  'SYSTEM_FAILURE_EXIT_CODE',
  'GITLAB_SPOT_ATTEMPT',
  'GITLAB_SPOT_JOB',
  'GITLAB_SPOT_UP_QUEUE',
  'GITLAB_SPOT_UP_SLOTS',
  'GITLAB_SPOT_UP_TICKET',
]);

/** For a child that reads the env file itself, and so sees what is changed in it later. */
export function inheritedEnvironment(variables: Variables): Record<string, string> {
  return childEnvironment(withoutJobs(variables));
}

/**
 * What our child processes get of the host's variables: all but those of the one job whose hook
 * starts them.
 */
export function childEnvironment(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !OF_THE_HOOK.has(name)));
}
