/** The variables of a job as a runner sees them: where they come from, which wins, and how references expand. */
import path from 'node:path';
import type { JobPayload, JobVariable } from '../payload';
import type { RunnerVersion } from '../versions';

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

/** Replaces `$NAME` and `${NAME}`; a name that is not there becomes nothing, as in the runner (Go's os.Expand). */
export function expand(text: string, lookup: (name: string) => string): string {
  return text.replace(/\$(?:\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*)|([*#$@!?0-9-]))/g, (_all, braced, plain, special) =>
    lookup((braced ?? plain ?? special) as string),
  );
}

function variable(key: string, value: string): JobVariable {
  return { key, value, public: true, masked: false, file: false, raw: false };
}

/** An ordered list in which the last of a name wins. */
export class Variables {
  private readonly byName = new Map<string, JobVariable>();

  constructor(readonly all: readonly JobVariable[]) {
    for (const one of all) this.byName.set(one.key, one);
  }

  /** The expanded value, '' where there is none. */
  get(key: string): string {
    const found = this.byName.get(key);
    if (!found) return '';
    return found.raw || found.file ? found.value : this.expand(found.value, [key]);
  }

  has(key: string): boolean {
    return this.byName.has(key);
  }

  bool(key: string): boolean {
    return ['true', '1'].includes(this.get(key).toLowerCase());
  }

  /** Replaces references in any text of the job (a cache key, an artifact's name). */
  expand(text: string, seen: readonly string[] = []): string {
    return expand(text, (name) => {
      const found = this.byName.get(name);
      if (!found || seen.length > 20) return '';
      if (seen.includes(name)) return `$${name}`;
      return found.raw || found.file ? found.value : this.expand(found.value, [...seen, name]);
    });
  }

  /** All with their references replaced; the order, and names that come twice, stay. */
  expanded(): JobVariable[] {
    return this.all.map((one) => (one.raw || one.file ? one : { ...one, value: this.expand(one.value, [one.key]) }));
  }

  /** Values that must not be seen in the log. */
  masks(): string[] {
    const values = this.expanded().filter((one) => one.masked && one.value.length > 0);
    return [...new Set(values.map((one) => one.value))];
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

/** Everything a job knows, in the runner's own order: feature flags, the runner's word, GitLab's, the runner's last word. */
export function jobVariables(sources: VariableSources): Variables {
  const { payload, version, identity, slot, directories, status } = sources;
  return new Variables([
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

/** Where the project is cloned: a builds_dir that jobs share gets a folder for each runner and slot. */
export function projectDirectory(
  payload: JobPayload,
  identity: RunnerIdentity,
  slot: Slot,
  config: { buildsDir: string; shared: boolean },
): string {
  const own = config.shared ? [identity.shortToken, String(slot.concurrentProjectId)] : [];
  return path.posix.join(config.buildsDir, ...own, projectPath(payload));
}

/** `group/project`, as the repository's URL has it. */
export function projectPath(payload: JobPayload): string {
  const url = payload.git_info.repo_url.replace(/^[a-z]+:\/\/[^/]+\//, '');
  return url.replace(/\.git$/, '');
}
