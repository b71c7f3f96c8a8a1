import type { Settings } from '../settings/types';
import { createFetch, type Fetch } from '../web/fetch';

/**
 * What asks GitLab: by the host's proxy, and with GITLAB_SPOT_GITLAB_CA_FILE. @param caFiles
 * further ones, such as a runner's own
 */
export function gitlabFetch(
  { gitlab, childEnvironment }: Pick<Settings, 'gitlab' | 'childEnvironment'>,
  { caFiles = [], timeoutMs = 10_000 }: { readonly caFiles?: readonly string[]; readonly timeoutMs?: number } = {},
): Fetch {
  const files = [...new Set([...(gitlab.caFile === undefined ? [] : [gitlab.caFile]), ...caFiles])];
  return createFetch({ environment: childEnvironment, files, timeoutMs });
}
