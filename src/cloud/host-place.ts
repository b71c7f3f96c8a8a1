import type { Settings } from '../settings/types';
import { createFetch, type Fetch } from '../web/fetch';

/** Where this host itself stands, if it is an instance of Alibaba Cloud. */
export interface HostPlace {
  readonly regionId: string;
  readonly vpcId: string;
}

const TOKEN_SECONDS = '60';
/** It is on the same machine; elsewhere nobody has the address, and nothing refuses either. */
const LIMIT_MS = 1_500;

/**
 * The place of the host with these settings. `unknown`: their metadata service is one for each
 * instance, and this host is none.
 */
export async function placeOf({
  metadataUrl,
}: Pick<Settings, 'metadataUrl'>): Promise<HostPlace | 'unknown' | undefined> {
  if (metadataUrl.includes('{instance}')) return 'unknown';
  return hostPlace(createFetch({ environment: {}, timeoutMs: LIMIT_MS }), metadataUrl);
}

/**
 * Asks the host's own metadata service.
 * https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata Never throws;
 * undefined: no such service answers, so this is no instance (or one that may not ask).
 * @param fetch with a short limit, and without a proxy: only the host itself reaches that address
 */
export async function hostPlace(fetch: Fetch, url: string): Promise<HostPlace | undefined> {
  try {
    const headers = await tokenHeaders(fetch, url);
    const read = async (name: string): Promise<string> => {
      const response = await fetch(`${url}/latest/meta-data/${name}`, { headers });
      const value = response.ok ? (await response.text()).trim() : '';
      return /^[\w-]{1,64}$/.test(value) ? value : '';
    };
    const [regionId, vpcId] = [await read('region-id'), await read('vpc-id')];
    return regionId === '' || vpcId === '' ? undefined : { regionId, vpcId };
  } catch {
    return undefined;
  }
}

/** Hardened instances want a token; others may not know of any. */
async function tokenHeaders(fetch: Fetch, url: string): Promise<Record<string, string>> {
  const response = await fetch(`${url}/latest/api/token`, {
    method: 'PUT',
    headers: { 'X-aliyun-ecs-metadata-token-ttl-seconds': TOKEN_SECONDS },
  });
  const token = response.ok ? (await response.text()).trim() : '';
  return /^[\x21-\x7e]{1,512}$/.test(token) ? { 'X-aliyun-ecs-metadata-token': token } : {};
}
