import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HostError } from '../errors';
import { createPrivate, readPrivate, writePrivate } from '../host/private-file';
import { makePrivate } from '../host/private-folder';
import type { Settings } from '../settings/types';
import { hasProxy, noProxy } from '../web/proxy';

export const PROJECT = 'gitlab-spot';

const PROJECT_FILE = `name: ${PROJECT}\nruntime: nodejs\ndescription: One ephemeral stack for each GitLab CI job\n`;

/** Where a host's RAM role has its keys. */
const METADATA_ADDRESS = '100.100.100.200';

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html */
const S3_CHECKSUMS = {
  AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
  AWS_RESPONSE_CHECKSUM_VALIDATION: 'when_required',
} as const;

/**
 * Go's collector does not begin before a process holds so much. By its own rule it runs at 4, 8, 16
 * MiB and so on, eight times while CLI or provider start. Of what an `up` has made so far, 40 MiB are
 * in use at most; one that needs more than this costs up to twice the CPU, and works (docs/adr/0022).
 */
const COLLECTOR = { GOGC: 'off', GOMEMLIMIT: '72MiB' } as const;

/**
 * What the CLI needs besides its arguments: environment, backend folder, passphrase. Made where
 * missing.
 */
export function cliEnvironment(settings: Settings): Record<string, string> {
  const { backendUrl, passphraseFile } = settings.pulumi;
  makePrivate(settings.stateDir);
  if (backendUrl.startsWith('file://')) makeBackend(backendDirectory(backendUrl));
  if (passphraseFile !== undefined) ensurePassphrase(passphraseFile, backendUrl);
  // Our own settings (a GitLab token among them) are none of Pulumi's business.
  const inherited = Object.fromEntries(
    Object.entries(settings.childEnvironment).filter(([name]) => !name.startsWith('GITLAB_SPOT_')),
  );
  return {
    // The CLI (3.249 and newer) keeps a log of every start in PULUMI_HOME/logs, 500 MB of them, and
    // looks through all of them each time.
    PULUMI_LOG_ROTATION_MAX_TOTAL_MB: '20',
    // A bucket at OSS knows none of the checksums that newer S3 libraries send and want, and each
    // answer without one is a warning.
    ...(backendUrl.startsWith('s3://') ? S3_CHECKSUMS : {}),
    // CLI and provider live for seconds and mostly wait: on a busy host Go takes whatever processor is
    // there from other jobs (docs/adr/0022).
    GOMAXPROCS: '1',
    ...(inherited.GOGC === undefined && inherited.GOMEMLIMIT === undefined ? COLLECTOR : {}),
    ...inherited,
    ...withoutProxy(inherited),
    PULUMI_BACKEND_URL: backendUrl,
    ...(passphraseFile === undefined ? {} : { PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile }),
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    PULUMI_AUTOMATION_API: 'true',
    // Shows --event-log, as the Automation API wants it.
    PULUMI_DEBUG_COMMANDS: 'true',
    // A job's stack lives for minutes: copies of its checkpoint would only pile up.
    PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS: 'true',
    ...(settings.cloud.region === '' ? {} : { ALICLOUD_REGION: settings.cloud.region }),
    ...(inherited.PULUMI_HOME || inherited.HOME ? {} : { PULUMI_HOME: path.join(settings.stateDir, 'pulumi-home') }),
  };
}

/**
 * Go's HTTP client would ask a proxy even for the metadata service, which only this host itself
 * reaches.
 */
function withoutProxy(environment: Readonly<Record<string, string>>): Record<string, string> {
  if (!hasProxy(environment)) return {};
  const value = [noProxy(environment), METADATA_ADDRESS].filter((part) => part !== '').join(',');
  // Programs differ in which of the two they read first.
  return { NO_PROXY: value, no_proxy: value };
}

function makeBackend(directory: string): void {
  try {
    makePrivate(directory);
  } catch (error) {
    throw new HostError(
      `Pulumi’s backend folder ${directory} can't be made (${(error as NodeJS.ErrnoException).code})`,
      {
        remedy: 'Set PULUMI_BACKEND_URL to a folder of the runner’s user, or leave it out.',
        cause: error,
      },
    );
  }
}

/** `~` and relative paths are the CLI's own business; it resolves them as we do. */
export function backendDirectory(backendUrl: string): string {
  const withoutQuery = backendUrl.split('?')[0]!;
  try {
    return fileURLToPath(withoutQuery);
  } catch {
    return path.resolve(withoutQuery.slice('file://'.length).replace(/^~/, process.env.HOME ?? '~'));
  }
}

/**
 * A work dir for the CLI, with the project's file in it: whole, since a stack beside half a file
 * could never be destroyed.
 */
export function ensureWorkDir(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, 'Pulumi.yaml');
  const known = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (known !== PROJECT_FILE) writePrivate(file, PROJECT_FILE);
}

/**
 * The first hook of a host makes it; hooks side by side agree on one, since only one of them can
 * create the file.
 */
function ensurePassphrase(file: string, backendUrl: string): void {
  if (!existsSync(file)) {
    makePrivate(path.dirname(file));
    createPrivate(file, `${randomBytes(32).toString('base64url')}\n`);
    if (backendUrl.startsWith('file://') && hasStacks(backendDirectory(backendUrl)))
      process.stderr.write(
        `The passphrase file ${file} was gone and is made anew: stacks of before can still be destroyed, but not read\n`,
      );
    return;
  }
  const text = readPrivate({
    file,
    what: 'the passphrase file',
    failure: HostError,
    remedy: 'Give it to the user that gitlab-runner runs as, or change PULUMI_CONFIG_PASSPHRASE_FILE.',
  });
  if (text.trim() === '')
    throw new HostError(`The passphrase file ${file} is empty`, {
      remedy: 'Write the backend’s passphrase into it, or remove it if no stack was made with it yet.',
    });
}

function hasStacks(backend: string): boolean {
  try {
    const files = readdirSync(path.join(backend, '.pulumi/stacks'), { recursive: true, encoding: 'utf8' });
    return files.some((name) => name.endsWith('.json'));
  } catch {
    return false;
  }
}
