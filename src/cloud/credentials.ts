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

type Given = Readonly<Record<string, string | undefined>>;

/**
 * The keys of the settings, or what the host's RAM role (or Alibaba Cloud's usual credential chain)
 * gives; loaded only then.
 * @param environment what names the chain's sources beside this process's own environment
 */
export function credentialsProvider(
  settings: Pick<CloudSettings, 'credentials' | 'ecsRoleName'>,
  environment: Given = {},
): CredentialsProvider {
  const { credentials, ecsRoleName } = settings;
  if (credentials) return { getCredentials: () => Promise.resolve(credentials) };
  let chain: Promise<{ getCredential(): Promise<Given> }> | undefined;
  let asking: Promise<Given> | undefined;
  return {
    async getCredentials() {
      try {
        chain ??= import('@alicloud/credentials').then((module) => {
          const { default: Client, Config } = module;
          if (!ecsRoleName) adopt(environment);
          return new Client(ecsRoleName ? new Config({ type: 'ecs_ram_role', roleName: ecsRoleName }) : null) as never;
        });
        // While it looks for its first source, a second question would be refused.
        asking ??= chain.then((one) => one.getCredential()).finally(() => (asking = undefined));
        const { accessKeyId, accessKeySecret, securityToken } = await asking;
        if (!accessKeyId || !accessKeySecret) throw new Error('the answer has no keys');
        return { accessKeyId, accessKeySecret, securityToken };
      } catch (error) {
        throw ecsRoleName ? noRole(ecsRoleName, error as Error) : noKeys(error);
      }
    },
  };
}

const SOURCE = /^ALI(?:BABA_)?CLOUD_(PROFILE|CREDENTIALS_URI|CREDENTIALS_FILE|ROLE_ARN|ROLE_SESSION_NAME|OIDC_\w+)$/;

/** The chain reads this process alone, and knows one spelling of the two that the provider takes. */
function adopt(environment: Given): void {
  for (const [name, value] of Object.entries(environment)) {
    const source = SOURCE.exec(name)?.[1];
    if (source !== undefined) process.env[`ALIBABA_CLOUD_${source}`] ??= value;
  }
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
