import type { RunnersApi } from '../gitlab/runners';
import { caFilesOf, type RunnerSection } from '../register/config-file';
import { bad, good, lookAt, warning, type Finding } from './finding';

export interface GitLabFacts {
  /** GITLAB_SPOT_GITLAB_URL. */
  readonly url: string | undefined;
  /** GITLAB_SPOT_RETRY. */
  readonly retry: boolean;
  /**
   * A question that needs the token. @throws when GitLab does not take it; undefined: no token is
   * configured.
   */
  readonly askWithToken: (() => Promise<void>) | undefined;
  readonly sections: readonly RunnerSection[];
  readonly runners: (url: string, caFiles: readonly string[]) => Pick<RunnersApi, 'verify'>;
}

/** GitLab answers, takes the token, and knows the runners. */
export async function gitlab({
  url,
  retry,
  askWithToken,
  sections,
  runners,
}: GitLabFacts): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add = async (condition: string, look: Parameters<typeof lookAt>[1]): Promise<void> =>
    void findings.push(...(await lookAt(condition, look)));
  if (askWithToken)
    await add('GitLab token', async () => {
      await askWithToken();
      return `${url} takes it`;
    });
  else
    findings.push(
      good(
        'GitLab token',
        'none is set: the reaper goes by its own records, and an interrupted job is run again only by its own `retry`',
      ),
    );
  if (retry)
    findings.push(
      warning(
        'running jobs again',
        'GITLAB_SPOT_RETRY is on: an interrupted job runs again with the rights of the token’s owner, not of whoever ran it',
        'Prefer GitLab’s own `retry: when: runner_system_failure`, which keeps the user, and set GITLAB_SPOT_RETRY=0.',
      ),
    );
  for (const section of sections) {
    const { name = '(no name)', url: at, token } = section;
    if (at === undefined) continue;
    await add(`runner ${name} at GitLab`, async () => {
      const known = token === undefined ? undefined : await runners(at, caFilesOf(section)).verify(token);
      return known
        ? good(`runner ${name} at GitLab`, `runner ${known.id} of ${at}`)
        : bad(
            `runner ${name} at GitLab`,
            `${at} does not know its token`,
            'Run `gitlab-spot register` with a new one: the runner was deleted, or its token has expired.',
          );
    });
  }
  return findings;
}
