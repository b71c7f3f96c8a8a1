/**
 * A whole sandbox: the simulated cloud, and all that programs need to reach it and nothing else.
 */
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { accessSync, constants, existsSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { startCloud, type StartCloudOptions } from './cloud';
import { whyNoNamespaces } from './instance';
import type { CloudControl, CloudInfo } from './cloud/types';
import type { SandboxEnvironment } from './environment';
import { realHelper } from './image-programs';
import { endProcesses } from './processes';
import { ACCESS_TOKEN } from './runner/run-pipeline';
import { temporaryFolder } from './temporary-folder';
import type { Hooks } from './runner/types';

export interface SandboxOptions extends Partial<Omit<StartCloudOptions, 'directory'>> {
  /** Everything lives in it; left out: a temporary one, which `close` removes. */
  readonly directory?: string;
  /** Real programs found on PATH are used instead of the stand-ins. */
  readonly real?: boolean;
  /** The stand-in provider's pauses; left out: short ones. */
  readonly providerSleeps?: string;
}

export interface Sandbox {
  readonly directory: string;
  readonly info: CloudInfo;
  readonly control: CloudControl;
  /** What the real programs know too; nothing else leads the product here. */
  readonly environment: SandboxEnvironment;
  /**
   * Ends what hooks left running, the cloud, and all its instances; removes the folder, where it is
   * a temporary one.
   */
  close(): Promise<void>;
}

/** Programs that the sandbox can stand in for. */
export const STAND_INS = ['pulumi', 'pulumi-resource-alicloud', 'gitlab-runner'];
/** For a destroyer that is about to end. */
const PATIENCE_MS = 5_000;
const QUICK = 'create=100,delete=50,network=20,poll=50,retry=50';

/**
 * Folders that all instances write to: a job's checkout is where this machine's docker finds it,
 * and caches are found by the next job.
 */
export function sharedFolders(directory: string): readonly string[] {
  return ['builds', 'cache'].map((name) => path.join(directory, name));
}

export class SandboxProblem extends Error {}

/** `dist/sandbox`, from the bundle or from source. */
export function builtFolder(): string {
  const found = [__dirname, path.resolve(__dirname, '../sandbox'), path.resolve(__dirname, '../dist/sandbox')].find(
    (folder) => existsSync(path.join(folder, 'bin')),
  );
  if (!found) throw new SandboxProblem('dist/sandbox/bin is missing: run `npm run build`');
  return found;
}

/** The built hooks, as a runner's config.toml would name them. */
export function builtHooks(): Hooks {
  const folder = path.resolve(builtFolder(), '../executor');
  const hook = (file: string) => [path.join(folder, file)];
  return { config: hook('config.js'), prepare: hook('prepare'), run: hook('run.js'), cleanup: hook('cleanup.js') };
}

/** The first such program on a PATH. */
export function programOn(searchPath: string, name: string): string | undefined {
  return searchPath
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Of this machine, found by its PATH. */
export function hostProgram(name: string): string | undefined {
  return programOn(process.env['PATH'] ?? '', name);
}

/** The folders of a sandbox, and its passphrase; all private. Idempotent. */
export async function furnish(directory: string, real: boolean): Promise<void> {
  for (const folder of ['', 'home', 'pulumi', 'backend', 'state', 'builds', 'cache', 'bin'])
    await mkdir(path.join(directory, folder), { recursive: true, mode: 0o700 });
  const passphrase = path.join(directory, 'passphrase');
  if (!existsSync(passphrase)) await writeFile(passphrase, randomBytes(18).toString('base64url'), { mode: 0o600 });
  await chmod(passphrase, 0o600);
  for (const name of STAND_INS) {
    const link = path.join(directory, 'bin', name);
    const standIn = path.join(builtFolder(), 'bin', name);
    await rm(link, { force: true });
    if (existsSync(standIn) && !(real && hostProgram(name))) await symlink(standIn, link);
  }
  // The command itself, as an installed host has it on PATH.
  const command = path.join(directory, 'bin', 'gitlab-spot');
  await rm(command, { force: true });
  await symlink(path.resolve(builtFolder(), '../cli/gitlab-spot.js'), command);
}

/** Says how programs reach a running cloud. */
export function environmentOf(directory: string, info: CloudInfo, providerSleeps = QUICK): SandboxEnvironment {
  const inside = (name: string) => path.join(directory, name);
  return {
    PATH: `${inside('bin')}${path.delimiter}${process.env['PATH'] ?? ''}`,
    PULUMI_HOME: inside('pulumi'),
    PULUMI_BACKEND_URL: `file://${inside('backend')}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: inside('passphrase'),
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    ALICLOUD_ACCESS_KEY: info.accessKeyId,
    ALICLOUD_SECRET_KEY: info.accessKeySecret,
    ALICLOUD_REGION: info.region,
    ECS_ENDPOINT: info.endpoint,
    VPC_ENDPOINT: info.endpoint,
    RAM_ENDPOINT: info.endpoint,
    STS_ENDPOINT: info.endpoint,
    CMS_ENDPOINT: info.endpoint,
    OSS_ENDPOINT: info.endpoint,
    SSL_CERT_FILE: info.caFile,
    NODE_EXTRA_CA_CERTS: info.caFile,
    ALIBABA_CLOUD_ACCOUNT_TYPE: 'Domestic',
    SANDBOX_PROVIDER_SLEEPS: providerSleeps,
    GITLAB_SPOT_STATE_DIR: inside('state'),
    GITLAB_SPOT_VPC_ID: info.vpcId,
    GITLAB_SPOT_EXECUTOR_CIDR: '127.0.0.1/32',
    GITLAB_SPOT_SSH_PORT: String(info.sshPort),
    GITLAB_SPOT_SSH_USER: info.sshUser,
    GITLAB_SPOT_BUILDS_DIR: inside('builds/{job}'),
    GITLAB_SPOT_CACHE_DIR: inside('cache'),
    GITLAB_SPOT_METADATA_URL: `http://${info.endpoint}/-/metadata/{instance}`,
    GITLAB_SPOT_GITLAB_TOKEN: ACCESS_TOKEN,
  };
}

/**
 * What a runner of this sandbox starts with: the sandbox's environment, and of the person's own
 * nothing that could lead elsewhere.
 */
export function runnerEnvironment(sandbox: Pick<Sandbox, 'directory' | 'environment'>): Record<string, string> {
  const kept = ['LANG', 'LC_ALL', 'TZ', 'USER', 'LOGNAME', 'NODE_OPTIONS'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), HOME: path.join(sandbox.directory, 'home'), ...sandbox.environment };
}

/**
 * A line for whoever starts a sandbox where a job reaches more than its instance; undefined where
 * it doesn't.
 */
export async function sharingNote(): Promise<string | undefined> {
  const reason = await whyNoNamespaces();
  if (reason === undefined) return undefined;
  return `instances share this machine's processes and files (${reason}): a job's \`kill -1\` or \`rm -rf /home\` reaches yours`;
}

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { directory: given, real = false, providerSleeps, programs, ...cloudOptions } = options;
  const directory = given ?? (await mkdtemp(path.join(temporaryFolder(), 'gitlab-spot-sandbox-')));
  await furnish(directory, real);
  const cloud = await startCloud({
    sharedFolders: sharedFolders(directory),
    ...cloudOptions,
    programs: { ...(real ? realHelper(hostProgram('gitlab-runner')) : {}), ...programs },
    directory: path.join(directory, 'cloud'),
  });
  const environment = environmentOf(directory, cloud.info, providerSleeps);
  return {
    directory,
    info: cloud.info,
    control: cloud.control,
    environment,
    close: async () => {
      await endProcesses(`GITLAB_SPOT_STATE_DIR=${environment.GITLAB_SPOT_STATE_DIR}`, PATIENCE_MS);
      await cloud.close();
      if (!given) await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
