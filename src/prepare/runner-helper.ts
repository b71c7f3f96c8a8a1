import { createReadStream, existsSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { SpotError, type Blame } from '../errors';
import type { HookContext } from '../gitlab/contract';
import type { Settings } from '../settings/types';
import { quote } from '../ssh/quote';
import { DEFAULT_INTERPRETER } from '../ssh/supervisor';
import type { SshConnection } from '../ssh/types';

/**
 * `gitlab-runner` on the instance: the scripts of cache and artifacts call it there, and without it
 * skip what they have to do with a warning, so that cache and artifacts are silently lost.
 */
export interface HelperRequest {
  readonly connection: SshConnection;
  /**
   * GITLAB_SPOT_RUNNER_HELPER: `host`, a URL (`{version}` and `{arch}` are filled in), or `none`.
   */
  readonly source: string;
  /** CI_RUNNER_VERSION; '' if unknown. */
  readonly runnerVersion: string;
  /** The PATH that the job's variables set for its scripts; undefined: that of a login. */
  readonly jobPath: string | undefined;
  /** Does the job use cache or artifacts? Undefined: an old runner doesn't say. */
  readonly used: boolean | undefined;
  readonly log: { line(text: string): void; warn(text: string): void };
  /** The runner's own binary on this host; undefined: not found. */
  readonly hostBinary: () => string | undefined;
}

/** The job uses cache or artifacts, and they would be lost. */
export class RunnerHelperMissing extends SpotError {
  readonly blame: Blame = 'configuration';
}

/**
 * Another instance of the same image would lose them too, so trying again does not help: the job or
 * its profile must change.
 */
class RunnerHelperNotWanted extends RunnerHelperMissing {
  override readonly blame = 'job';
}

const INSTALL_LIMIT_MS = 300_000;
const ENVIRONMENT = '. "$HOME/.gitlab-spot/environment" 2>/dev/null';
const FOLDER = '.gitlab-spot/bin';
const HELPER_MARK = `${FOLDER}.installed`;

/** The helper as a job needs it, from where the settings say: in prepare, and where a job has removed it. */
export function ensureHelperOf(
  { job, response, variables }: HookContext,
  settings: Pick<Settings, 'runnerHelper' | 'childEnvironment'>,
  { connection, log }: Pick<HelperRequest, 'connection' | 'log'>,
): Promise<void> {
  return ensureRunnerHelper({
    connection,
    source: settings.runnerHelper,
    runnerVersion: job.runner.version,
    jobPath: variables.PATH || undefined,
    used: response === undefined ? undefined : response.usesCache || response.usesArtifacts,
    log,
    hostBinary: () => hostRunnerBinary(settings.childEnvironment.PATH ?? ''),
  });
}

/**
 * Sees to it that the instance has a gitlab-runner that fits. A job that uses neither cache nor
 * artifacts doesn't wait for it.
 * @throws RunnerHelperMissing when it has none and none can be installed.
 */
export async function ensureRunnerHelper(request: HelperRequest): Promise<void> {
  if (request.used === false) return;
  await ensureInstalled(request);
  if (request.jobPath !== undefined) await ensureOnPath(request, request.jobPath);
}

async function ensureInstalled(request: HelperRequest): Promise<void> {
  const { source, runnerVersion, used, log } = request;
  const found = await versionOnInstance(request.connection);
  if (found !== undefined && fits(found, runnerVersion)) return;
  const lacks =
    found === undefined
      ? 'The instance has no gitlab-runner'
      : `The instance has gitlab-runner ${found}, the runner is ${runnerVersion}`;
  const startMs = Date.now();
  const from = source === 'host' ? 'this host' : 'its URL';
  if (source !== 'none') log.line(`${lacks}: installing it from ${from} (limit ${INSTALL_LIMIT_MS / 1000} s)`);
  const problem = source === 'none' ? 'GITLAB_SPOT_RUNNER_HELPER is none' : await install(request);
  if (problem === undefined) {
    log.line(`gitlab-runner was installed from ${from} in ${seconds(startMs)}`);
    return;
  }
  if (found !== undefined && major(found) === major(runnerVersion)) {
    log.warn(
      `${lacks}, and the same one could not be installed (${problem}): cache and artifacts use the one that is there`,
    );
    return;
  }
  if (used === undefined) {
    log.warn(`${lacks} and none could be installed (${problem}): cache and artifacts of this job would be lost`);
    return;
  }
  const Missing = source === 'none' ? RunnerHelperNotWanted : RunnerHelperMissing;
  throw new Missing(`${lacks}, so this job's cache and artifacts would be lost: ${problem}`, {
    remedy:
      'Put gitlab-runner into the image, or set GITLAB_SPOT_RUNNER_HELPER to `host` or to a URL that the instance can reach.',
  });
}

/**
 * The scripts of cache and artifacts have the job's PATH too: where that doesn't lead to
 * gitlab-runner, a link in one of its folders does.
 */
async function ensureOnPath({ connection, used, log }: HelperRequest, jobPath: string): Promise<void> {
  const command = `job=${quote(jobPath)}; ${LINK_INTO_PATH}`;
  const { exitCode } = await connection.exec(`sh -c ${quote(`${ENVIRONMENT}; ${command}`)}`, { timeoutMs: 30_000 });
  if (exitCode === 0) return;
  const message = `The job sets PATH to ${jobPath.slice(0, 300)}, which leads to no gitlab-runner, nor can one be put there: this job's cache and artifacts would be lost`;
  if (used === undefined) return log.warn(message);
  throw new RunnerHelperNotWanted(message, {
    remedy: 'Add a folder such as /usr/local/bin to it, or set PATH in the script instead of in `variables`.',
  });
}

/** The stages whose scripts call gitlab-runner, and skip that with a green job where it is not found. */
export function callsHelper(stage: string): boolean {
  return /^(restore_cache|download_artifacts|archive_cache|upload_artifacts)(_on_\w+)?$/.test(stage);
}

/**
 * How such a stage is run: bash holds the word gitlab-runner for the one on the login's PATH,
 * whatever the job's PATH and folders, or the profile's functions, would make of it. Where a job
 * has removed that one the stage fails. Another sh finds it on PATH.
 */
export const HELPER_INTERPRETER = `${DEFAULT_INTERPRETER} -c ${quote(`
if [ -n "\${BASH_VERSION-}" ]; then
  unset -f gitlab-runner
  set -- "$(type -P gitlab-runner)"
  if [ -z "$1" ]; then
    echo "A script has removed gitlab-runner from the instance: this job's cache or artifacts would be lost" >&2
    exit 1
  fi
  eval "gitlab-runner() { $(printf %q "$1") \\"\\$@\\"; }"
  set --
fi
. "$0"`)}`;

const LINK_INTO_PATH = `
helper=$(command -v gitlab-runner) || exit
(PATH=$job; command -v gitlab-runner >/dev/null) && exit
set -f
IFS=:
for folder in $job; do ln -s "$helper" "$folder/gitlab-runner" 2>/dev/null && exit; done
exit 1`;

async function versionOnInstance(connection: SshConnection): Promise<string | undefined> {
  const command = `${ENVIRONMENT}; gitlab-runner --version 2>/dev/null`;
  const { stdout, exitCode } = await connection.exec(`sh -c ${quote(command)}`, { timeoutMs: 30_000 });
  if (exitCode !== 0) return undefined;
  return /Version:\s*v?(\d[\w.+~-]*)/.exec(stdout)?.[1] ?? 'of an unknown version';
}

/**
 * GitLab keeps runner and helper compatible within a minor version. An unknown version of the
 * runner fits anything.
 */
function fits(found: string, runner: string): boolean {
  return runner === '' || minor(found) === minor(runner);
}

function minor(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

function major(version: string): string {
  return version.split('.')[0] ?? '';
}

/** @returns what went wrong, or undefined. */
async function install(request: HelperRequest): Promise<string | undefined> {
  const { connection, source, hostBinary } = request;
  const { stdout: machine } = await connection.exec('uname -m', { timeoutMs: 30_000 });
  const arch = archOf(machine.trim());
  if (source === 'host') {
    const binary = hostBinary();
    if (binary === undefined) return 'this host has no gitlab-runner either';
    if (arch !== ownArch()) return `this host's gitlab-runner is for ${ownArch()}, the instance is ${machine.trim()}`;
    const home = (await connection.exec('printf %s "$HOME"', { timeoutMs: 30_000 })).stdout;
    await connection.upload(createReadStream(binary), `${home}/${FOLDER}/gitlab-runner`, 0o755);
  } else {
    const url = source.replaceAll('{version}', request.runnerVersion).replaceAll('{arch}', arch);
    const { exitCode, stderr } = await connection.exec(`sh -c ${quote(DOWNLOAD)}`, {
      // Not in a command line: it may hold a signature.
      stdin: `${url}\n`,
      timeoutMs: INSTALL_LIMIT_MS,
    });
    if (exitCode !== 0) return `the download failed: ${lastLine(stderr.replaceAll(url, 'URL')) || `exit ${exitCode}`}`;
  }
  // Where the supervisor finds the mark and no gitlab-runner, all of ours is put there again.
  const path = `: >"$HOME/${HELPER_MARK}"; grep -q ${FOLDER} "$HOME/.gitlab-spot/environment" 2>/dev/null || echo 'PATH="$HOME/${FOLDER}:$PATH"; export PATH' >>"$HOME/.gitlab-spot/environment"`;
  await connection.exec(`sh -c ${quote(path)}`, { timeoutMs: 30_000 });
  const installed = await versionOnInstance(connection);
  return installed === undefined ? 'what was installed does not run on the instance' : undefined;
}

const DOWNLOAD = `
umask 022
read -r url
folder=$HOME/${FOLDER}
mkdir -p "$folder"
part=$folder/gitlab-runner.$$
if command -v curl >/dev/null; then
  printf 'url = "%s"\\n' "$url" | curl -fsSL --connect-timeout 20 --retry 2 -K - -o "$part" || exit
elif command -v wget >/dev/null; then
  printf '%s\\n' "$url" | wget -q -T 20 -i - -O "$part" || exit
else
  echo "the instance has neither curl nor wget" >&2
  exit 1
fi
chmod 755 "$part" && mv "$part" "$folder/gitlab-runner"
`;

function archOf(machine: string): string {
  return machine === 'aarch64' || machine === 'arm64' ? 'arm64' : 'amd64';
}

function ownArch(): string {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

function lastLine(text: string): string {
  return text.trim().split('\n').pop() ?? '';
}

function seconds(startMs: number): string {
  return `${((Date.now() - startMs) / 1000).toFixed(1)} s`;
}

/** The runner that started this hook, or the one on PATH. */
export function hostRunnerBinary(searchPath: string): string | undefined {
  try {
    const parent = readlinkSync(`/proc/${process.ppid}/exe`);
    if (/^gitlab-runner/.test(path.basename(parent)) && existsSync(parent)) return parent;
  } catch {
    // Not Linux, or another user's process.
  }
  return searchPath
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'gitlab-runner'))
    .find((file) => existsSync(file));
}
