import { SpotError } from '../errors';
import type { CloudSettings } from '../settings/types';

export interface Credentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string | undefined;
}

/** Asked before every call, since temporary credentials change. */
export interface CredentialsProvider {
  getCredentials(): Promise<Credentials>;
}

export class NoCredentials extends SpotError {
  readonly blame = 'host';
}

/**
 * The keys of the settings, or what the host's RAM role (or Alibaba Cloud's usual credential chain)
 * gives; loaded only then.
 */
export function credentialsProvider(settings: Pick<CloudSettings, 'credentials' | 'ecsRoleName'>): CredentialsProvider {
  const { credentials, ecsRoleName } = settings;
  if (credentials) return { getCredentials: () => Promise.resolve(credentials) };
  let chain: Promise<{ getCredential(): Promise<Record<string, string | undefined>> }> | undefined;
  return {
    async getCredentials() {
      try {
        chain ??= import('@alicloud/credentials').then((module) => {
          const { default: Client, Config } = module;
          return new Client(ecsRoleName ? new Config({ type: 'ecs_ram_role', roleName: ecsRoleName }) : null) as never;
        });
        const { accessKeyId, accessKeySecret, securityToken } = await (await chain).getCredential();
        if (!accessKeyId || !accessKeySecret) throw new Error('the answer has no keys');
        return { accessKeyId, accessKeySecret, securityToken };
      } catch (error) {
        throw ecsRoleName ? noRole(ecsRoleName, error as Error) : noKeys(error);
      }
    },
  };
}

function noKeys(cause: unknown): NoCredentials {
  return new NoCredentials('There are no credentials for Alibaba Cloud', {
    remedy:
      'Set ALICLOUD_ACCESS_KEY and ALICLOUD_SECRET_KEY, or give the host a RAM role and set ALICLOUD_ECS_ROLE_NAME.',
    cause,
  });
}

function noRole(name: string, error: Error): NoCredentials {
  const why = error.message.replace(/, message = *$/, '');
  return new NoCredentials(`The credentials of the host's RAM role ${name} can't be had: ${why}`, {
    remedy:
      'Attach the role to this host’s instance, and let it reach the metadata service at 100.100.100.200 (a container by the host’s network).',
    // 404: the instance has no such role, and will not have it in a moment.
    retryable: !error.message.includes('404'),
    cause: error,
  });
}
