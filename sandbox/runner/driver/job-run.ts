/**
 * The whole life of a job in a runner: attempts, stages, what fails and what runs all the same, and
 * the end.
 */
import path from 'node:path';
import type { Hooks, RunnerLimits } from '../types';
import type { JobPayload } from '../payload';
import type { RunnerVersion } from '../versions';
import type { Clock } from './clock';
import type { ConfigAnswer } from './config-answer';
import { duration, parseDurationMs } from './duration';
import { CustomExecutor, type HookObserver } from './executor';
import { attempt, BuildFailed, Canceled, Interrupted, OutOfTime, SystemFailed, type FailureReason } from './failure';
import type { JobControl } from './job-control';
import { JobLog } from './job-log';
import { StageRunner } from './stage-runner';
import { userStages } from './stages';
import {
  clonePath,
  jobVariables,
  NO_DIRECTORIES,
  projectDirectory,
  type Directories,
  type JobStatusVariable,
} from './variables';
import type { RunnerIdentity, Slot, Variables } from './variables';

const PREPARE_ATTEMPTS = 3;
const AFTER_SCRIPT_LIMIT_MS = 5 * 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const PROFILE_HINT = 'Check https://docs.gitlab.com/runner/shells/#shell-profile-loading for more information';

export interface JobOutcome {
  readonly state: 'success' | 'failed';
  readonly failureReason?: FailureReason;
  /** The script's own, where it failed. */
  readonly exitCode?: number;
  readonly canceled: boolean;
}

export interface JobRunOptions {
  readonly hooks: Hooks;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: RunnerVersion;
  readonly limits: RunnerLimits;
  readonly identity: RunnerIdentity;
  readonly slot: Slot;
  readonly control: JobControl;
  readonly clock: Clock;
  /** The job's log, piece by piece. */
  readonly log: (text: string) => void;
  /** What goes to the runner's own log. */
  readonly cleanupOutput: (text: string) => void;
  readonly observe: HookObserver;
}

/** Runs one job to its end; what goes wrong in it is its outcome, not an exception. */
export async function runJob(payload: JobPayload, options: JobRunOptions): Promise<JobOutcome> {
  return new JobRun(payload, options).run();
}

class JobRun {
  private readonly log: JobLog;
  private directories: Directories = NO_DIRECTORIES;
  private answer: ConfigAnswer = {};
  private status: JobStatusVariable = 'running';

  constructor(
    private readonly payload: JobPayload,
    private readonly options: JobRunOptions,
  ) {
    this.log = new JobLog(options.log, this.variables().masks(), () => options.clock.now());
  }

  async run(): Promise<JobOutcome> {
    const { identity, version, control } = this.options;
    const limitMs = this.payload.runner_info.timeout * 1000;
    const timer = setTimeout(() => control.timeOut(duration(limitMs)), Math.min(limitMs, LONGEST_TIMER_MS));
    this.log.println(`Running with gitlab-runner ${version.version} (${version.revision})`);
    this.log.println(`  on ${identity.name} ${identity.shortToken}, system ID: ${identity.systemId}`);
    const failure = await attempt(() => this.prepareAndExecute());
    clearTimeout(timer);
    const outcome = this.end(failure);
    this.log.end();
    return outcome;
  }

  private get signal(): AbortSignal {
    return this.options.control.signal;
  }

  private variables(): Variables {
    const { version, identity, slot } = this.options;
    const { payload, directories, status } = this;
    return jobVariables({ payload, version, identity, slot, directories, status });
  }

  private async prepareAndExecute(): Promise<void> {
    const executor = await this.log.section('prepare_executor', 'Preparing the "custom" executor', () =>
      this.prepare(),
    );
    try {
      await this.execute(this.stages(executor));
    } finally {
      await executor.cleanup();
    }
  }

  /**
   * Up to three executors, each with a config, a prepare, and, where it failed, a cleanup of its
   * own.
   */
  private async prepare(): Promise<CustomExecutor> {
    const { clock, limits } = this.options;
    let failure: Error | undefined;
    for (let number = 1; number <= PREPARE_ATTEMPTS; number += 1) {
      const executor = this.newExecutor();
      failure = await attempt(async () => {
        await this.configure(executor);
        await executor.prepare(this.signal);
        this.signal.throwIfAborted();
      });
      if (!failure) return executor;
      await executor.cleanup();
      this.signal.throwIfAborted();
      if (failure instanceof BuildFailed) break;
      this.log.error(`Preparation failed: ${failure.message}`);
      this.log.info(`Will be retried in ${duration(limits.retryPauseMs)} ...`);
      await clock.sleep(limits.retryPauseMs, this.signal);
      this.signal.throwIfAborted();
    }
    throw failure;
  }

  private newExecutor(): CustomExecutor {
    const { hooks, version, limits, environment, cleanupOutput, observe } = this.options;
    return new CustomExecutor({
      payload: this.payload,
      hooks,
      version,
      limits,
      environment,
      cleanupOutput,
      observe,
      variables: () => this.variables().all,
      output: (text) => this.log.output(text),
    });
  }

  private async configure(executor: CustomExecutor): Promise<void> {
    this.answer = await executor.config(this.signal);
    this.signal.throwIfAborted();
    const { builds_dir: buildsDir, cache_dir: cacheDir, builds_dir_is_shared: shared = false, driver } = this.answer;
    const named = [driver?.name, driver?.version].filter((word) => word).join(' ');
    this.log.println(named ? `Using Custom executor with driver ${named}...` : 'Using Custom executor...');
    if (!buildsDir) throw new SystemFailed('the builds_dir is not configured');
    if (!cacheDir) throw new SystemFailed('the cache_dir is not configured');
    const { identity, slot } = this.options;
    const known = {
      buildsDir,
      cacheDir: shared ? path.posix.join(cacheDir, identity.shortToken) : cacheDir,
      projectDir: '',
    };
    this.directories = known;
    const wish = this.variables().get('GIT_CLONE_PATH');
    const projectDir =
      wish === '' ? projectDirectory(this.payload, identity, slot, { buildsDir, shared }) : clonePath(wish, buildsDir);
    this.directories = { ...known, projectDir };
  }

  private stages(executor: CustomExecutor): StageRunner {
    return new StageRunner(executor, this.log, this.options.clock, this.answer.shell ?? 'bash', () => ({
      payload: this.payload,
      version: this.options.version,
      variables: this.variables(),
      directories: this.directories,
      hostname: this.answer.hostname ?? 'custom',
    }));
  }

  /** All stages; after a failure the later ones still run, and the first failure is the job's. */
  private async execute(stages: StageRunner): Promise<void> {
    const prepared = await attempt(() => stages.run('prepare_script', this.signal));
    if (prepared instanceof SystemFailed)
      throw new SystemFailed(`prepare environment: ${prepared.message}. ${PROFILE_HINT}`);
    if (prepared) throw prepared;
    const failure = (await attempt(() => this.fetch(stages))) ?? (await this.script(stages));
    const kept = await this.keep(stages, !failure);
    const cleaned = await attempt(() => stages.run('cleanup_file_variables', this.signal));
    const first = failure ?? kept ?? cleaned;
    if (first) throw first;
  }

  private async fetch(stages: StageRunner): Promise<void> {
    await stages.repeat('get_sources', 'GET_SOURCES_ATTEMPTS', this.signal, async (number) => {
      if (number === 2) await stages.run('clear_worktree', this.signal);
    });
    await stages.repeat('restore_cache', 'RESTORE_CACHE_ATTEMPTS', this.signal);
    await stages.repeat('download_artifacts', 'ARTIFACT_DOWNLOAD_ATTEMPTS', this.signal);
  }

  /** The job's own steps and then its after_script, whose failure changes nothing. */
  private async script(stages: StageRunner): Promise<Error | undefined> {
    const { control } = this.options;
    const signal = control.beginScript();
    const limit = this.limit('RUNNER_SCRIPT_TIMEOUT', (reason) => control.endScript(reason));
    const failure = await attempt(async () => {
      for (const stage of userStages(stages.context())) await stages.run(stage, signal);
    });
    clearTimeout(limit);
    this.status = failure instanceof Canceled ? 'canceled' : failure ? 'failed' : 'success';
    await this.afterScript(stages);
    return failure;
  }

  private async afterScript(stages: StageRunner): Promise<void> {
    const own = new AbortController();
    const limit = this.limit('RUNNER_AFTER_SCRIPT_TIMEOUT', (reason) => own.abort(reason), AFTER_SCRIPT_LIMIT_MS);
    const failure = await attempt(() => stages.run('after_script', AbortSignal.any([this.signal, own.signal])));
    clearTimeout(limit);
    if (failure && !this.signal.aborted)
      this.log.warning(`after_script failed, but job will continue unaffected: ${failure.message}`);
  }

  /** Saves cache and artifacts; one that fails does not keep the other from it. */
  private async keep(stages: StageRunner, succeeded: boolean): Promise<Error | undefined> {
    const cache = await attempt(() =>
      stages.run(succeeded ? 'archive_cache' : 'archive_cache_on_failure', this.signal),
    );
    const artifacts = await attempt(() =>
      stages.run(succeeded ? 'upload_artifacts_on_success' : 'upload_artifacts_on_failure', this.signal),
    );
    return artifacts ?? cache;
  }

  /** A limit that a variable sets (`10m`); unset and without a default there is none. */
  private limit(name: string, reached: (reason: Error) => void, otherwiseMs?: number): NodeJS.Timeout | undefined {
    const ms = parseDurationMs(this.variables().get(name)) ?? otherwiseMs;
    if (!ms) return undefined;
    return setTimeout(
      () => reached(new OutOfTime(`execution took longer than ${duration(ms)} seconds`)),
      Math.min(ms, LONGEST_TIMER_MS),
    );
  }

  private end(failure: Error | undefined): JobOutcome {
    if (!failure) {
      this.log.info('Job succeeded');
      return { state: 'success', canceled: false };
    }
    const { reason, system } = this.verdict(failure);
    this.log.error(`Job failed${system ? ' (system failure)' : ''}: ${failure.message}`);
    return {
      state: 'failed',
      failureReason: this.known(reason),
      canceled: failure instanceof Canceled,
      ...(failure instanceof BuildFailed ? { exitCode: failure.exitCode } : {}),
    };
  }

  private verdict(failure: Error): { reason: FailureReason; system: boolean } {
    if (failure instanceof BuildFailed) return { reason: 'script_failure', system: false };
    if (failure instanceof Canceled) return { reason: 'unknown_failure', system: false };
    if (failure instanceof OutOfTime) return { reason: 'job_execution_timeout', system: false };
    const interrupted = failure instanceof Interrupted && this.options.version.saysInterrupted;
    return { reason: interrupted ? 'runner_interrupted' : 'runner_system_failure', system: true };
  }

  /** A GitLab names the reasons that it knows. */
  private known(reason: FailureReason): FailureReason {
    const known = this.payload.features['failure_reasons'];
    return !Array.isArray(known) || known.includes(reason) ? reason : 'unknown_failure';
  }
}
