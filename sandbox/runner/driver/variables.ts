/**
 * The variables of a job as a runner sees them: where they come from, which wins, and how
 * references expand.
 */
import path from 'node:path';
import type { JobPayload, JobVariable } from '../payload';
import type { RunnerVersion } from '../versions';
import { BuildFailed } from './failure';

/** Where the job's files are, once config has answered. */
export interface Directories {
  readonly buildsDir: string;
  readonly cacheDir: string;
  readonly projectDir: string;
}

/** Before config has answered nobody knows any folder. */
export const NO_DIRECTORIES: Directories = { buildsDir: '', cacheDir: '', projectDir: '' };

export interface RunnerIdentity {
  readonly name: string;
  readonly shortToken: string;
  readonly systemId: string;
}

export interface Slot {
  /** Which of the runner's concurrent jobs this is. */
  readonly concurrentId: number;
  /** Which of this project's. */
  readonly concurrentProjectId: number;
}

export type JobStatusVariable = 'running' | 'success' | 'failed' | 'canceled';

/**
 * Replaces `$NAME`, `${NAME}`, and the shell's special ones, as the runner (Go's os.Expand) finds
 * them.
 */
export function expand(text: string, lookup: (name: string, written: string) => string): string {
  return text.replace(
    /\$(?:\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*)|([*#$@!?0-9-]))/g,
    (written, braced, plain, special) => lookup((braced ?? plain ?? special) as string, written as string),
  );
}

function variable(key: string, value: string): JobVariable {
  return { key, value, public: true, masked: false, file: false, raw: false };
}

/**
 * An ordered list in which the last of a name wins. References are replaced once, by the values as
 * they came: variables within variables are GitLab's work, done before a runner sees the job. `$$`
 * stands for a dollar.
 */
export class Variables {
  /** With references replaced; the order, and names that come twice, stay. */
  readonly all: readonly JobVariable[];
  private readonly byName: ReadonlyMap<string, JobVariable>;

  constructor(given: readonly JobVariable[]) {
    const values = new Map(given.map((one) => [one.key, one.value]));
    const lookup = (name: string) => (name === '$' ? '$' : (values.get(name) ?? ''));
    this.all = given.map((one) => (one.raw || one.file ? one : { ...one, value: expand(one.value, lookup) }));
    this.byName = new Map(this.all.map((one) => [one.key, one]));
  }

  /** '' where there is none. */
  get(key: string): string {
    return this.byName.get(key)?.value ?? '';
  }

  /** Replaces references in any text of the job (a cache key, an artifact's name). */
  expand(text: string): string {
    return expand(text, (name) => (name === '$' ? '$' : this.get(name)));
  }

  /** Values that must not be seen in the log. */
  masks(): string[] {
    return [...new Set(this.all.filter((one) => one.masked && one.value !== '').map((one) => one.value))];
  }
}

export interface VariableSources {
  readonly payload: JobPayload;
  readonly version: RunnerVersion;
  readonly identity: RunnerIdentity;
  readonly slot: Slot;
  readonly directories: Directories;
  readonly status: JobStatusVariable;
}

export function temporaryProjectDir(directories: Directories): string {
  return `${directories.projectDir}.tmp`;
}

/**
 * Everything a job knows, in the runner's own order: feature flags, the runner's word, GitLab's,
 * the runner's last word.
 */
export function jobVariables(sources: VariableSources): Variables {
  const { payload, version, identity, slot, directories, status } = sources;
  return new Variables([
    ...(payload.image?.name ? [variable('CI_JOB_IMAGE', payload.image.name)] : []),
    ...version.featureFlags.map(([name, value]) => variable(name, String(value))),
    variable('CI_RUNNER_SHORT_TOKEN', identity.shortToken),
    variable('CI_BUILDS_DIR', directories.buildsDir),
    variable('CI_PROJECT_DIR', directories.projectDir),
    variable('CI_CONCURRENT_ID', String(slot.concurrentId)),
    variable('CI_CONCURRENT_PROJECT_ID', String(slot.concurrentProjectId)),
    variable('CI_SERVER', 'yes'),
    variable('CI_JOB_STATUS', status),
    variable('CI_JOB_TIMEOUT', String(payload.runner_info.timeout)),
    ...payload.variables,
    variable('CI_SHARED_ENVIRONMENT', 'true'),
    variable('CI_RUNNER_VERSION', version.version),
    variable('CI_RUNNER_REVISION', version.revision),
    variable('CI_RUNNER_EXECUTABLE_ARCH', 'linux/amd64'),
    variable('RUNNER_TEMP_PROJECT_DIR', temporaryProjectDir(directories)),
  ]);
}

/**
 * Where the project is cloned: a builds_dir that jobs share gets a folder for each runner and slot.
 */
export function projectDirectory(
  payload: JobPayload,
  identity: RunnerIdentity,
  slot: Slot,
  config: { buildsDir: string; shared: boolean },
): string {
  const own = config.shared ? [identity.shortToken, String(slot.concurrentProjectId)] : [];
  return path.posix.join(config.buildsDir, ...own, projectPath(payload));
}

/**
 * GIT_CLONE_PATH, which `register` allows jobs to set. @throws BuildFailed where it leads out of
 * the builds folder.
 */
export function clonePath(wish: string, buildsDir: string): string {
  const clean = path.posix.normalize(wish);
  if (path.posix.relative(buildsDir, clean).startsWith('..'))
    throw new BuildFailed(1, `the GIT_CLONE_PATH="${wish}" has to be within "${buildsDir}"`);
  return clean.replace(/(.)\/$/, '$1');
}

/** `group/project`, as the repository's URL has it. */
export function projectPath(payload: JobPayload): string {
  const url = payload.git_info.repo_url.replace(/^[a-z]+:\/\/[^/]+\//, '');
  return url.replace(/\.git$/, '');
}
