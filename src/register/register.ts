import type { NewRunner, RegisteredRunner, RunnersApi } from '../gitlab/runners';
import { ConfigurationError } from '../errors';
import type { Settings } from '../settings/types';
import { expiryOf, findSection, parseConfig } from './config-file';
import { wantedConfig, type SectionFacts } from './section';
import { withSection } from './with-section';

export interface RegisterRequest {
  /** The runner's configuration as it is now, and its path for messages. */
  readonly text: string;
  readonly file: string;
  readonly section: Omit<SectionFacts, 'id' | 'token' | 'tokenExpiresAt'>;
  /** `glrt-…`, made in GitLab's pages. Undefined: the section's own, or a new runner. */
  readonly token: string | undefined;
  readonly create: Omit<NewRunner, 'description'>;
}

export interface RegisterDependencies {
  readonly gitlab: RunnersApi;
  readonly settings: Pick<Settings, 'limits' | 'cleanup' | 'buildsDir' | 'cacheDir'>;
  /** Asked only when a runner has to be made. */
  readonly accessToken: () => Promise<string>;
  readonly now: () => Date;
}

export interface RegisterResult {
  readonly text: string;
  readonly runner: RegisteredRunner;
  readonly how: 'created' | 'given' | 'kept';
  /** With its copies; 1: its token expires, or no more were asked for. */
  readonly sections: number;
}

/** As gitlab-runner writes that a token does not expire. */
const NEVER = '0001-01-01T00:00:00Z';

/**
 * A runner at GitLab and its section in config.toml. Run again, it keeps the runner that the file
 * has while GitLab knows it, and brings the section up to date.
 * @throws ConfigurationError, HostError
 */
export async function register(request: RegisterRequest, dependencies: RegisterDependencies): Promise<RegisterResult> {
  const { text, file, section } = request;
  const config = parseConfig(text, file);
  const index = findSection(config, section.name, file);
  const existing = index === undefined ? undefined : config.runners![index];
  const written = (runner: RegisteredRunner): string =>
    withSection(text, file, wantedConfig({ ...section, ...runner }, dependencies.settings, dependencies.now()));
  // Checks first that the file can be edited: otherwise GitLab would have a runner that nobody
  // knows of.
  written({ id: existing?.id ?? 0, token: request.token ?? existing?.token ?? '', tokenExpiresAt: undefined });
  const { runner, how } = await runnerFor(request, existing, dependencies);
  // What the section says of an older token does not hold for this one.
  const expired = existing !== undefined && expiryOf(existing) !== undefined;
  const result = written({ ...runner, tokenExpiresAt: runner.tokenExpiresAt ?? (expired ? NEVER : undefined) });
  const after = parseConfig(result, file);
  const expires = expiryOf(after.runners![findSection(after, section.name, file)!]!) !== undefined;
  return { text: result, runner, how, sections: expires ? 1 : section.sections };
}

async function runnerFor(
  { token, create, section }: RegisterRequest,
  existing: { readonly url?: string; readonly token?: string } | undefined,
  { gitlab, accessToken }: RegisterDependencies,
): Promise<{ runner: RegisteredRunner; how: RegisterResult['how'] }> {
  if (token !== undefined) {
    if (!/^glrt-/.test(token)) {
      throw new ConfigurationError('The runner token does not begin with glrt-', {
        remedy:
          'Registration tokens are gone: make a runner in GitLab (Settings, CI/CD, Runners) and pass the authentication token it shows, or let --create make one.',
      });
    }
    const runner = await gitlab.verify(token);
    if (runner) return { runner, how: 'given' };
    throw new ConfigurationError(`GitLab at ${section.url} does not know this runner token`, {
      remedy: 'It may belong to another GitLab, or its runner was deleted: make a new one.',
    });
  }
  // gitlab-runner takes an address with a slash at its end and without.
  if (existing?.token !== undefined && existing.url?.replace(/\/+$/, '') === section.url) {
    const runner = await gitlab.verify(existing.token);
    if (runner) return { runner, how: 'kept' };
  }
  const runner = await gitlab.create({ ...create, description: section.name }, await accessToken());
  return { runner, how: 'created' };
}
