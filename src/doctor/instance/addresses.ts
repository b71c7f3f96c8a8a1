import type { RunnerSection } from '../../register/config-file';
import type { Settings } from '../../settings/types';
import type { Address } from './checks';

const CLONE_URL_REMEDY =
  'Jobs clone from there: `gitlab-spot register --clone-url URL` names an address that instances reach.';

/**
 * What a job's stages need to reach from the instance, by the runner's configuration and what a
 * person names.
 */
export function addressesOf(
  sections: readonly RunnerSection[],
  { gitlab }: Pick<Settings, 'gitlab'>,
  named: readonly string[],
): readonly Address[] {
  const addresses: Address[] = [];
  const add = (address: Address): void => {
    if (!addresses.some(({ url }) => url === address.url)) addresses.push(address);
  };
  const api = (base: string): string => `${base.replace(/\/+$/, '')}/api/v4/version`;
  for (const { url, clone_url: cloneUrl, cache } of sections) {
    if (cloneUrl !== undefined)
      add({
        condition: 'GitLab at clone_url',
        url: api(cloneUrl),
        state: 'bad',
        remedy: CLONE_URL_REMEDY,
      });
    if (url !== undefined)
      add({
        condition: 'GitLab',
        url: api(url),
        state: 'bad',
        remedy:
          cloneUrl === undefined
            ? CLONE_URL_REMEDY
            : 'Artifacts go there whatever clone_url says: let the runner’s url be one that instances reach too.',
      });
    const bucket = bucketUrl(cache);
    if (bucket !== undefined)
      add({
        condition: 'OSS cache',
        url: bucket,
        state: 'warning',
        remedy: 'Jobs run without their cache: `gitlab-spot register --cache-endpoint` names another endpoint.',
      });
  }
  if (sections.length === 0 && gitlab.url !== undefined)
    add({
      condition: 'GitLab',
      url: api(gitlab.url),
      state: 'bad',
      remedy: CLONE_URL_REMEDY,
    });
  for (const url of named) add({ condition: 'reach', url, state: 'bad', remedy: '' });
  return addresses;
}

function bucketUrl(cache: RunnerSection['cache']): string | undefined {
  const { ServerAddress: server, BucketName: bucket, Insecure: insecure, PathStyle: pathStyle } = cache?.s3 ?? {};
  if (cache?.Type !== 's3' || !server || !bucket) return undefined;
  const scheme = insecure ? 'http' : 'https';
  return pathStyle ? `${scheme}://${server}/${bucket}` : `${scheme}://${bucket}.${server}/`;
}
