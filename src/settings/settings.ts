import { hostname, homedir } from 'node:os';
import path from 'node:path';
import * as z from 'zod/mini';
import { CNY } from '../currency';
import { ConfigurationError } from '../errors';
import { tagValue } from '../jobs/identity';
import { issueMessage } from '../schema';
import { childEnvironment, readHostEnvironment, type HostEnvironment, type Variables } from './environment';
import type { Settings } from './types';
import {
  absolute,
  absolutePath,
  amount,
  count,
  flag,
  list,
  matching,
  oneOf,
  readCidrs,
  readProjectBudgets,
  readShare,
  remoteDirectory,
  seconds,
  secretUrl,
  setting,
  text,
  webUrl,
} from './values';

/** What a host's settings are, or every problem with them, each with variable, place and remedy. */
export type SettingsResult =
  | { readonly settings: Settings; readonly problems: readonly [] }
  | { readonly settings: undefined; readonly problems: readonly string[] };

/**
 * `cloud: false`: region and VPC may be missing (they are then ''), for what never asks the cloud.
 */
export interface SettingsNeeds {
  readonly cloud: boolean;
}

/**
 * Settings from the environment and the env file (see Settings for each variable).
 * @throws ConfigurationError that lists every problem.
 */
export function readSettings(variables: Variables, needs: SettingsNeeds = { cloud: true }): Settings {
  const result = checkSettings(variables, needs);
  if (result.settings) return result.settings;
  const unconfigured = notConfigured(variables, needs.cloud);
  if (unconfigured) throw unconfigured;
  throw new ConfigurationError(`The executor's settings are not right: ${result.problems.join('; ')}`, {
    remedy:
      'Fix them on the runner host (`gitlab-spot init` asks for account and network, `gitlab-spot doctor` checks all), then try again.',
  });
}

/** As readSettings, but tells the problems instead of throwing. */
export function checkSettings(variables: Variables, needs: SettingsNeeds = { cloud: true }): SettingsResult {
  const host = readHostEnvironment(variables);
  const parsed = schema.safeParse(withoutEmpty(host.values));
  const problems = [...host.problems];
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      const where = host.values[name] === undefined ? placeToSet(host) : host.originOf(name);
      problems.push(`${name} ${issueMessage(issue)} (${where})`);
    }
  }
  if (parsed.success) problems.push(...missingProblem(missing(parsed.data, host, needs), host));
  if (!parsed.success || problems.length > 0) return { settings: undefined, problems };
  return { settings: toSettings(parsed.data, host), problems: [] };
}

/**
 * What is said before `init`; undefined: it has been run, or nothing of an account is needed. An env
 * file that was named and isn't there is told in any case.
 */
export function notConfigured(variables: Variables, cloud = true): ConfigurationError | undefined {
  const { missingFile } = readHostEnvironment(variables);
  if (missingFile === undefined && !(cloud && isUnconfigured(variables))) return undefined;
  const why = missingFile === undefined ? '' : ` (the env file ${missingFile} does not exist)`;
  return new ConfigurationError(`Not configured yet${why}`, { remedy: 'Run `gitlab-spot init`.' });
}

/** Nobody has run `init` yet: there is no env file, and nothing of an account in the environment. */
function isUnconfigured(variables: Variables): boolean {
  const { file, values, problems } = readHostEnvironment(variables);
  const isOurs = (name: string): boolean => /^(ALICLOUD|ALIBABA_CLOUD)_|^GITLAB_SPOT_VPC_ID$/.test(name);
  return file === undefined && problems.length === 0 && !Object.keys(values).some(isOurs);
}

/** All of them in one sentence: they are missing from the same place. */
function missingProblem(names: readonly string[], host: HostEnvironment): string[] {
  if (names.length === 0) return [];
  const [last, ...others] = [...names].reverse();
  if (others.length === 0) return [`${last} is missing (${placeToSet(host)})`];
  return [`${others.reverse().join(', ')} and ${last} are missing (${placeToSet(host, 'them')})`];
}

function placeToSet(host: HostEnvironment, what = 'it'): string {
  return `set ${what} in the environment or in ${host.file ?? 'the env file (GITLAB_SPOT_ENV_FILE, default /etc/gitlab-spot/env)'}`;
}

function withoutEmpty(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''));
}

const ENDPOINT = /^(https?:\/\/)?[\w.-]+(:\d{1,5})?\/?$/;

const stateHome = (): string =>
  path.join(process.env.XDG_STATE_HOME || path.join(homedir(), '.local', 'state'), 'gitlab-spot');

const schema = z.object({
  GITLAB_SPOT_STATE_DIR: absolutePath(stateHome()),
  GITLAB_SPOT_PROFILES_FILE: absolutePath(''),
  GITLAB_SPOT_EXECUTOR_ID: setting(
    hostname(),
    (value) => (/^[\w.-]{1,64}$/.test(value) ? value : undefined),
    'must be at most 64 letters, digits, dots, hyphens or underscores',
  ),
  PULUMI_BACKEND_URL: matching(
    /^[a-z][a-z0-9+.-]*:\/\/\S/,
    'must be a URL such as file:///srv/pulumi or s3://BUCKET?region=…',
  ),
  PULUMI_CONFIG_PASSPHRASE: text,
  PULUMI_CONFIG_PASSPHRASE_FILE: setting<string | undefined>(undefined, absolute, 'must be an absolute path'),
  ALICLOUD_REGION: matching(/^[a-z0-9-]+$/, 'must be a region such as cn-hangzhou'),
  ALIBABA_CLOUD_REGION: matching(/^[a-z0-9-]+$/, 'must be a region such as cn-hangzhou'),
  GITLAB_SPOT_VPC_ID: matching(/^[\w-]+$/, 'must be a VPC id such as vpc-bp1…'),
  GITLAB_SPOT_VSWITCH_IDS: list(/^[\w-]+$/, 'must be vSwitch ids, separated by commas'),
  GITLAB_SPOT_SECURITY_GROUP_ID: matching(/^sg-\w+$/, 'must be a security group id such as sg-bp1…'),
  GITLAB_SPOT_EXECUTOR_CIDR: setting<readonly string[]>(
    [],
    readCidrs,
    'must be addresses such as 10.0.0.5/32, separated by commas, and not the whole Internet',
  ),
  ECS_ENDPOINT: matching(ENDPOINT, 'must be host or host:port'),
  VPC_ENDPOINT: matching(ENDPOINT, 'must be host or host:port'),
  STS_ENDPOINT: matching(ENDPOINT, 'must be host or host:port'),
  RAM_ENDPOINT: matching(ENDPOINT, 'must be host or host:port'),
  CMS_ENDPOINT: matching(ENDPOINT, 'must be host or host:port'),
  ALICLOUD_ACCESS_KEY: text,
  ALIBABA_CLOUD_ACCESS_KEY_ID: text,
  ALICLOUD_SECRET_KEY: text,
  ALIBABA_CLOUD_ACCESS_KEY_SECRET: text,
  ALICLOUD_SECURITY_TOKEN: text,
  ALIBABA_CLOUD_SECURITY_TOKEN: text,
  ALICLOUD_ECS_ROLE_NAME: text,
  ALIBABA_CLOUD_ECS_METADATA: text,
  GITLAB_SPOT_PUBLIC_ADDRESS: flag,
  GITLAB_SPOT_SSH_PORT: count(22, 1, 65535),
  GITLAB_SPOT_SSH_USER: setting(
    'root',
    (value) => (/^[a-z_][\w.-]{0,31}$/i.test(value) ? value : undefined),
    'must be a user name',
  ),
  GITLAB_SPOT_BUILDS_DIR: remoteDirectory('/builds'),
  GITLAB_SPOT_CACHE_DIR: remoteDirectory('/cache'),
  GITLAB_SPOT_BOOT_TIMEOUT: seconds(300, 1, 3600),
  GITLAB_SPOT_PLACEMENT_TIMEOUT: seconds(600, 1, 3600),
  GITLAB_SPOT_MAX_CANDIDATES: count(8, 1, 100),
  GITLAB_SPOT_PULL_TIMEOUT: seconds(900, 1, 7200),
  GITLAB_SPOT_SERVICE_TIMEOUT: seconds(30, 0, 3600),
  GITLAB_SPOT_RECONNECT_TIMEOUT: seconds(30, 1, 3600),
  GITLAB_SPOT_CONCURRENT_UPS: count(4, 1, 100),
  GITLAB_SPOT_ACCEPTED_UPS: count(6, 0, 100),
  GITLAB_SPOT_CONCURRENT_DESTROYS: count(2, 1, 100),
  GITLAB_SPOT_RELEASE_MARGIN: seconds(1800, 600, 86_400),
  GITLAB_SPOT_CLEANUP: oneOf('detached', 'detached', 'wait'),
  GITLAB_SPOT_GITLAB_TOKEN: text,
  GITLAB_SPOT_RETRY: flag,
  GITLAB_SPOT_GITLAB_CA_FILE: setting<string | undefined>(undefined, absolute, 'must be an absolute path'),
  GITLAB_SPOT_GITLAB_URL: setting<string | undefined>(
    undefined,
    webUrl,
    'must be a URL such as https://gitlab.example.com',
  ),
  GITLAB_SPOT_CURRENCY: setting(
    CNY,
    (value) => (/^[A-Z]{3}$/.test(value) ? value : undefined),
    'must be a currency such as CNY or USD',
  ),
  GITLAB_SPOT_BUDGET: amount,
  GITLAB_SPOT_BUDGET_PER_PROJECT: setting<Readonly<Record<string, number>>>(
    {},
    readProjectBudgets,
    'must be amounts by project, such as `group/app=50,*=20`',
  ),
  GITLAB_SPOT_BUDGET_SHARE: setting(1, readShare, 'must be a part such as 1/3 or 0.25, above 0 and at most 1'),
  GITLAB_SPOT_BUDGET_ACTION: oneOf('refuse', 'refuse', 'warn'),
  GITLAB_SPOT_RUNNER_HELPER: setting(
    'host',
    (value) => (/^(host|none|https?:\/\/\S+)$/.test(value) ? value : undefined),
    'must be `host`, `none` or a URL',
  ),
  GITLAB_SPOT_METADATA_URL: setting(
    'http://100.100.100.200',
    (value) => webUrl(value)?.replace(/\/+$/, ''),
    'must be a URL',
  ),
  GITLAB_SPOT_VERBOSE: flag,
  GITLAB_SPOT_WEBHOOK: secretUrl,
  GITLAB_SPOT_WEBHOOK_FILE: setting<string | undefined>(undefined, absolute, 'must be an absolute path'),
  GITLAB_SPOT_WEBHOOK_SECRET_FILE: setting<string | undefined>(undefined, absolute, 'must be an absolute path'),
  GITLAB_SPOT_WEBHOOK_KIND: oneOf('auto', 'auto', 'dingtalk', 'feishu', 'wecom', 'slack', 'json'),
  GITLAB_SPOT_SUMMARY: oneOf('off', 'daily', 'weekly', 'off'),
});

/** Every variable that is a setting. */
export const SETTING_NAMES: ReadonlySet<string> = new Set(Object.keys(schema.def.shape));

type Parsed = z.infer<typeof schema>;

function missing(values: Parsed, host: HostEnvironment, needs: SettingsNeeds): string[] {
  const { accessKeyId, accessKeySecret } = keys(values);
  const names: string[] = [];
  if (accessKeyId !== undefined && accessKeySecret === undefined) names.push('ALICLOUD_SECRET_KEY');
  if (accessKeyId === undefined && accessKeySecret !== undefined) names.push('ALICLOUD_ACCESS_KEY');
  if (!needs.cloud) return names;
  if (accessKeyId === undefined && accessKeySecret === undefined && !hasOtherCredentials(values, host))
    names.push('ALICLOUD_ACCESS_KEY', 'ALICLOUD_SECRET_KEY');
  if (region(values) === undefined) names.push('ALICLOUD_REGION');
  if (values.GITLAB_SPOT_VPC_ID === undefined) names.push('GITLAB_SPOT_VPC_ID');
  if (values.GITLAB_SPOT_PUBLIC_ADDRESS && values.GITLAB_SPOT_EXECUTOR_CIDR.length === 0)
    names.push('GITLAB_SPOT_EXECUTOR_CIDR');
  return names;
}

/**
 * A RAM role of the host, or what Alibaba Cloud's own tools know: a profile, a credentials URI, a
 * role to assume.
 */
function hasOtherCredentials(values: Parsed, host: HostEnvironment): boolean {
  const others =
    /^ALI(BABA_)?CLOUD_(PROFILE|CREDENTIALS_URI|SHARED_CREDENTIALS_FILE|CREDENTIALS_FILE|ASSUME_ROLE_ARN|ROLE_ARN)$/;
  return (
    values.ALICLOUD_ECS_ROLE_NAME !== undefined ||
    values.ALIBABA_CLOUD_ECS_METADATA !== undefined ||
    Object.keys(host.values).some((name) => others.test(name))
  );
}

const keys = (values: Parsed) => ({
  accessKeyId: values.ALICLOUD_ACCESS_KEY ?? values.ALIBABA_CLOUD_ACCESS_KEY_ID,
  accessKeySecret: values.ALICLOUD_SECRET_KEY ?? values.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
});

const region = (values: Parsed) => values.ALICLOUD_REGION ?? values.ALIBABA_CLOUD_REGION;

function toSettings(values: Parsed, host: HostEnvironment): Settings {
  const stateDir = values.GITLAB_SPOT_STATE_DIR;
  const { accessKeyId, accessKeySecret } = keys(values);
  return {
    stateDir,
    profilesFile: values.GITLAB_SPOT_PROFILES_FILE || packagedProfiles(),
    // It is compared with tags, and these can't begin with `aliyun`, as a host's name may.
    executorId: tagValue(values.GITLAB_SPOT_EXECUTOR_ID),
    pulumi: {
      backendUrl: values.PULUMI_BACKEND_URL ?? folderUrl(path.join(stateDir, 'pulumi')),
      passphraseFile:
        values.PULUMI_CONFIG_PASSPHRASE_FILE ??
        (values.PULUMI_CONFIG_PASSPHRASE === undefined ? path.join(stateDir, 'passphrase') : undefined),
    },
    cloud: {
      region: region(values) ?? '',
      vpcId: values.GITLAB_SPOT_VPC_ID ?? '',
      vSwitchIds: values.GITLAB_SPOT_VSWITCH_IDS,
      securityGroupId: values.GITLAB_SPOT_SECURITY_GROUP_ID,
      executorCidrs: values.GITLAB_SPOT_EXECUTOR_CIDR,
      endpoints: {
        ecs: values.ECS_ENDPOINT,
        vpc: values.VPC_ENDPOINT,
        sts: values.STS_ENDPOINT,
        ram: values.RAM_ENDPOINT,
        cms: values.CMS_ENDPOINT,
      },
      credentials:
        accessKeyId === undefined || accessKeySecret === undefined
          ? undefined
          : {
              accessKeyId,
              accessKeySecret,
              securityToken: values.ALICLOUD_SECURITY_TOKEN ?? values.ALIBABA_CLOUD_SECURITY_TOKEN,
            },
      ecsRoleName: values.ALICLOUD_ECS_ROLE_NAME ?? values.ALIBABA_CLOUD_ECS_METADATA,
      usePublicAddress: values.GITLAB_SPOT_PUBLIC_ADDRESS,
    },
    ssh: { port: values.GITLAB_SPOT_SSH_PORT, user: values.GITLAB_SPOT_SSH_USER },
    buildsDir: values.GITLAB_SPOT_BUILDS_DIR,
    cacheDir: values.GITLAB_SPOT_CACHE_DIR,
    limits: {
      bootMs: values.GITLAB_SPOT_BOOT_TIMEOUT,
      placementMs: values.GITLAB_SPOT_PLACEMENT_TIMEOUT,
      maxCandidates: values.GITLAB_SPOT_MAX_CANDIDATES,
      pullMs: values.GITLAB_SPOT_PULL_TIMEOUT,
      serviceMs: values.GITLAB_SPOT_SERVICE_TIMEOUT,
      reconnectMs: values.GITLAB_SPOT_RECONNECT_TIMEOUT,
      concurrentUps: values.GITLAB_SPOT_CONCURRENT_UPS,
      acceptedUps: values.GITLAB_SPOT_ACCEPTED_UPS,
      concurrentDestroys: values.GITLAB_SPOT_CONCURRENT_DESTROYS,
      releaseMarginMs: values.GITLAB_SPOT_RELEASE_MARGIN,
    },
    cleanup: values.GITLAB_SPOT_CLEANUP,
    gitlab: {
      token: values.GITLAB_SPOT_GITLAB_TOKEN,
      url: values.GITLAB_SPOT_GITLAB_URL,
      retry: values.GITLAB_SPOT_RETRY,
      caFile: values.GITLAB_SPOT_GITLAB_CA_FILE,
    },
    budget: {
      currency: values.GITLAB_SPOT_CURRENCY,
      monthlyYuan: values.GITLAB_SPOT_BUDGET && fen(values.GITLAB_SPOT_BUDGET * values.GITLAB_SPOT_BUDGET_SHARE),
      perProjectYuan: Object.fromEntries(
        Object.entries(values.GITLAB_SPOT_BUDGET_PER_PROJECT).map(([project, sum]) => [
          project,
          fen(sum * values.GITLAB_SPOT_BUDGET_SHARE),
        ]),
      ),
      action: values.GITLAB_SPOT_BUDGET_ACTION,
    },
    runnerHelper: values.GITLAB_SPOT_RUNNER_HELPER,
    metadataUrl: values.GITLAB_SPOT_METADATA_URL,
    verbose: values.GITLAB_SPOT_VERBOSE,
    notices: {
      webhook: values.GITLAB_SPOT_WEBHOOK,
      webhookFile: values.GITLAB_SPOT_WEBHOOK_FILE,
      secretFile: values.GITLAB_SPOT_WEBHOOK_SECRET_FILE,
      kind: values.GITLAB_SPOT_WEBHOOK_KIND,
      summary: values.GITLAB_SPOT_SUMMARY,
    },
    childEnvironment: childEnvironment(host.values),
  };
}

/** As Pulumi reads it back: in a URL these three are no part of a path. */
const folderUrl = (folder: string): string => `file://${folder.replace(/[%#?]/g, encodeURIComponent)}`;

/** Yuan, to the fen. */
function fen(yuan: number): number {
  return Math.round(yuan * 100) / 100;
}

/**
 * stacks/instances.yaml of this package; the bundles lie in dist/FOLDER, the sources in
 * src/settings.
 */
function packagedProfiles(): string {
  return path.resolve(__dirname, '../..', 'stacks', 'instances.yaml');
}
