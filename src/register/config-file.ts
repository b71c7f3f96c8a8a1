import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import * as z from 'zod/mini';
import { ConfigurationError, HostError } from '../errors';
import { issueLines } from '../schema';

/**
 * gitlab-runner's config.toml as far as we read it.
 * https://docs.gitlab.com/runner/configuration/advanced-configuration/
 */
export interface RunnerConfig {
  readonly concurrent?: number;
  readonly shutdown_timeout?: number;
  /** Seconds between two requests for jobs; 0 or left out: 3. */
  readonly check_interval?: number;
  readonly runners?: readonly RunnerSection[];
}

export interface RunnerSection {
  readonly name?: string;
  readonly url?: string;
  readonly clone_url?: string;
  readonly id?: number;
  readonly token?: string;
  readonly 'tls-ca-file'?: string;
  readonly token_expires_at?: Date;
  readonly executor?: string;
  readonly limit?: number;
  readonly request_concurrency?: number;
  readonly custom?: CustomSection;
  readonly cache?: { readonly Type?: string; readonly s3?: CacheSection };
}

/** When its token ends; undefined: it does not, which the runner itself writes as the year 1. */
export function expiryOf({ token_expires_at: expires }: Pick<RunnerSection, 'token_expires_at'>): Date | undefined {
  return expires === undefined || expires.getUTCFullYear() <= 1 ? undefined : expires;
}

/** PEM files of the authority that the section's GitLab is of. */
export function caFilesOf(section: RunnerSection | undefined): readonly string[] {
  const file = section?.['tls-ca-file'];
  return file ? [file] : [];
}

/** Times in seconds. */
export interface CustomSection extends Partial<Record<`${Hook}_exec`, string>> {
  readonly config_args?: readonly string[];
  readonly prepare_args?: readonly string[];
  readonly run_args?: readonly string[];
  readonly cleanup_args?: readonly string[];
  readonly config_exec_timeout?: number;
  readonly prepare_exec_timeout?: number;
  readonly cleanup_exec_timeout?: number;
  readonly graceful_kill_timeout?: number;
  readonly force_kill_timeout?: number;
}

export interface CacheSection {
  readonly ServerAddress?: string;
  readonly BucketName?: string;
  readonly Insecure?: boolean;
  readonly PathStyle?: boolean;
}

export type Hook = (typeof HOOKS)[number];
export const HOOKS = ['config', 'prepare', 'run', 'cleanup'] as const;

/**
 * Below dist/executor. prepare is a shell script, which becomes prepare.js once there is a place to
 * create an instance.
 */
export const HOOK_FILES: Readonly<Record<Hook, string>> = {
  config: 'config.js',
  prepare: 'prepare',
  run: 'run.js',
  cleanup: 'cleanup.js',
};

/** '' where there is no file yet. @throws HostError */
export function readConfigText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return '';
    throw new HostError(`The runner's configuration ${file} can't be read (${code})`, {
      remedy: 'Run the command as the user that gitlab-runner runs as, or name another file with --config.',
      cause: error,
    });
  }
}

const text = z.optional(z.string());
/** What sections are known by. The rest of the file is the runner's own matter. */
const shape = z.looseObject({
  runners: z.optional(z.array(z.looseObject({ name: text, url: text, token: text, executor: text }))),
});

/** @throws ConfigurationError that names the line, or the key. */
export function parseConfig(text: string, file: string): RunnerConfig {
  const config = parseToml(text, file);
  const { error } = shape.safeParse(config, { reportInput: true });
  if (!error) return config as RunnerConfig;
  throw new ConfigurationError(
    `The runner's configuration ${file} is not as gitlab-runner reads it: ${issueLines(error, 'the file').join('; ')}`,
    { remedy: 'Fix the file (a runner’s header is [[runners]]), or name another one with --config.' },
  );
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const [first = ''] = (error as Error).message.split('\n');
    const line = (error as { line?: number }).line;
    throw new ConfigurationError(
      `The runner's configuration ${file} is not TOML${line === undefined ? '' : ` (line ${line})`}: ${first.replace('Invalid TOML document: ', '')}`,
      { remedy: 'Fix the file, or name another one with --config.', cause: error },
    );
  }
}

/** Our section: by its name. @throws ConfigurationError when two have it. */
export function findSection(config: RunnerConfig, name: string, file: string): number | undefined {
  const found = (config.runners ?? []).flatMap((section, index) => (section.name === name ? [index] : []));
  if (found.length > 1) {
    throw new ConfigurationError(`${file} has ${found.length} runners with the name ${name}`, {
      remedy: 'Remove all but one of them, or choose another --name.',
    });
  }
  const executor = found.length === 1 ? config.runners![found[0]!]!.executor : 'custom';
  if (executor !== 'custom') {
    throw new ConfigurationError(`${file} has a runner ${name} with the executor ${executor}, which is not ours`, {
      remedy: 'Choose another --name.',
    });
  }
  return found[0];
}
