import * as z from 'zod/mini';
import { ConfigurationError, HostError } from '../errors';
import type { Fetch } from '../web/fetch';
import { noAnswer } from './api';

/** A runner that GitLab knows, and the token by which it asks for jobs (`glrt-…`). */
export interface RegisteredRunner {
  readonly id: number;
  readonly token: string;
  /** ISO; undefined: it does not expire. */
  readonly tokenExpiresAt: string | undefined;
}

export interface NewRunner {
  readonly description: string;
  readonly scope:
    | { readonly type: 'instance' }
    | { readonly type: 'group'; readonly id: number }
    | { readonly type: 'project'; readonly id: number };
  readonly tags: readonly string[];
  readonly runUntagged: boolean;
  /** Only jobs of protected branches and tags. */
  readonly protectedRefs: boolean;
  /** No job of it may take longer, whatever the project says; GitLab wants ten minutes at least. */
  readonly maximumTimeoutMs?: number | undefined;
}

export interface RunnersApi {
  /** Undefined: GitLab does not know the token (any more). @throws HostError */
  verify(token: string): Promise<RegisteredRunner | undefined>;
  /**
   * @throws ConfigurationError when the access token may not, HostError when GitLab can't be asked.
   */
  create(runner: NewRunner, accessToken: string): Promise<RegisteredRunner>;
}

/** A token goes into config.toml and headers. */
const runnerSchema = z.object({
  id: z.number(),
  token: z.string().check(z.regex(/^[\w.=-]*$/)),
  token_expires_at: z.nullish(z.string()),
});

/**
 * https://docs.gitlab.com/api/runners/ and
 * https://docs.gitlab.com/api/users/#create-a-runner-linked-to-a-user
 */
export function runnersApi({ url, fetch }: { readonly url: string; readonly fetch: Fetch }): RunnersApi {
  const base = url.replace(/\/+$/, '');

  async function post(path: string, body: Record<string, unknown>, headers: Record<string, string> = {}) {
    let response: Response;
    try {
      response = await fetch(`${base}/api/v4/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    } catch (error) {
      throw noAnswer(base, error, 'Check --url, and that GitLab has started.');
    }
    if (response.status >= 500)
      throw new HostError(`GitLab at ${base} is not ready (HTTP ${response.status})`, {
        remedy: 'It may still be starting: try again in a few minutes.',
        retryable: true,
      });
    const elsewhere = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && elsewhere !== null)
      throw new ConfigurationError(`GitLab at ${base} sends to another address, ${elsewhere}`, {
        remedy: 'Pass the address that it names as --url.',
      });
    return response;
  }

  /** @param own the token that was asked about: older GitLab answers without it */
  async function runnerOf(response: Response, own = ''): Promise<RegisteredRunner> {
    const parsed = runnerSchema.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success || (parsed.data.token || own) === '')
      throw new HostError(`${base} answered something that is not GitLab's API`, { remedy: 'Check --url.' });
    const { id, token, token_expires_at: expires } = parsed.data;
    return { id, token: token || own, tokenExpiresAt: expires ?? undefined };
  }

  return {
    async verify(token) {
      const response = await post('runners/verify', { token });
      if (response.status === 401 || response.status === 403) return undefined;
      if (!response.ok)
        throw new HostError(`GitLab at ${base} refused to verify the runner (HTTP ${response.status})`, {
          remedy: 'Check --url.',
        });
      return runnerOf(response, token);
    },
    async create({ description, scope, tags, runUntagged, protectedRefs, maximumTimeoutMs }, accessToken) {
      const response = await post(
        'user/runners',
        {
          runner_type: `${scope.type}_type`,
          ...(scope.type === 'instance' ? {} : { [`${scope.type}_id`]: scope.id }),
          description,
          tag_list: tags.join(','),
          run_untagged: runUntagged,
          access_level: protectedRefs ? 'ref_protected' : 'not_protected',
          ...(maximumTimeoutMs === undefined ? {} : { maximum_timeout: Math.ceil(maximumTimeoutMs / 1000) }),
        },
        { 'PRIVATE-TOKEN': accessToken },
      );
      if (response.ok) return runnerOf(response);
      const who = {
        instance: 'an administrator',
        group: 'an owner of the group',
        project: 'a maintainer of the project',
      }[scope.type];
      if (response.status === 401 || response.status === 403) {
        throw new ConfigurationError(
          `GitLab at ${base} does not let this access token create a runner (HTTP ${response.status})`,
          {
            remedy: `It must be a token of ${who}, with the scope create_runner, and not expired; or make the runner in GitLab's pages and pass its glrt- token.`,
          },
        );
      }
      if (response.status === 404) {
        const what = { instance: '', group: ', or knows no such group', project: ', or knows no such project' }[
          scope.type
        ];
        throw new ConfigurationError(`GitLab at ${base} has no API that creates runners${what} (HTTP 404)`, {
          remedy:
            "It came with GitLab 15.10: check --url, or make the runner in GitLab's pages and pass its glrt- token (--token-file).",
        });
      }
      const text = (await response.text().catch(() => '')).slice(0, 200).replace(/\s+/g, ' ');
      throw new HostError(`GitLab at ${base} refused to create the runner (HTTP ${response.status}: ${text})`, {
        remedy: scope.type === 'instance' ? '' : `Check --${scope.type}.`,
      });
    },
  };
}
