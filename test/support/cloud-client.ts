import { EcsCloud } from '../../src/cloud/client';
import { credentialsProvider } from '../../src/cloud/credentials';
import { Rpc } from '../../src/cloud/rpc';
import type { TestCloud } from '../sandbox/cloud/support';

/** The product's own client, of a simulated cloud in this process. */
export function clientOf(
  { info }: Pick<TestCloud, 'info'>,
  pause?: (milliseconds: number) => Promise<unknown>,
): { readonly rpc: Rpc; readonly cloud: EcsCloud } {
  const { endpoint, accessKeyId, accessKeySecret, region } = info;
  const url = `http://${endpoint}`;
  const credentials = { accessKeyId, accessKeySecret, securityToken: undefined };
  const rpc = new Rpc({
    region,
    environment: {},
    endpoints: { ecs: url, vpc: url, ram: url, sts: url, cms: url },
    credentials: credentialsProvider({ credentials, ecsRoleName: undefined }),
    ...(pause ? { pause } : {}),
  });
  return { rpc, cloud: new EcsCloud(rpc, region) };
}
