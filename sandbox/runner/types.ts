/**
 * What the stand-in runner takes and gives. Facts about the hooks: the custom executor's
 * documentation.
 */

import type { RunnerVersionName } from './versions';

/** The four hooks as argument lists; the runner appends script and stage to `run`. */
export interface Hooks {
  readonly config: readonly string[];
  readonly prepare: readonly string[];
  readonly run: readonly string[];
  readonly cleanup: readonly string[];
}

/** Limits of the contract, in milliseconds; defaults are gitlab-runner's own. */
export interface RunnerLimits {
  readonly configMs: number;
  readonly prepareMs: number;
  readonly cleanupMs: number;
  readonly gracefulKillMs: number;
  readonly forceKillMs: number;
  /** Pause between prepare attempts (3 s). */
  readonly retryPauseMs: number;
}

export interface RunnerOptions {
  readonly hooks: Hooks;
  /** Environment of the hooks besides what the contract adds (what a real runner inherits). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Jobs side by side. */
  readonly concurrency: number;
  readonly limits?: Partial<RunnerLimits>;
  /** Which gitlab-runner to behave as; left out: the newest. */
  readonly version?: RunnerVersionName;
}

/** `scheduled`: a delayed job whose time has not come. */
export type JobState =
  'created' | 'scheduled' | 'waiting' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped' | 'manual';

export interface JobResult {
  readonly id: number;
  readonly name: string;
  readonly stage: string;
  readonly state: JobState;
  /** As GitLab names them: script_failure, runner_system_failure, job_execution_timeout. */
  readonly failureReason?: string;
  readonly exitCode?: number;
  readonly allowFailure: boolean;
  readonly attempts: number;
  /** GitLab gives each attempt an id of its own; the last one is `id`. */
  readonly attemptIds: readonly number[];
  readonly durationMs: number;
  /** The log as GitLab would show it (ANSI and section marks included). */
  readonly log: string;
}

export interface PipelineResult {
  readonly jobs: readonly JobResult[];
  readonly succeeded: boolean;
}

export type RunnerEvent =
  | { readonly type: 'job-state'; readonly name: string; readonly id: number; readonly state: JobState }
  | {
      readonly type: 'hook';
      readonly id: number;
      readonly name: string;
      readonly hook: string;
      readonly phase: 'start' | 'exit';
      readonly exit?: number;
    }
  | { readonly type: 'runner-log'; readonly id: number; readonly name: string; readonly text: string }
  | { readonly type: 'log'; readonly id: number; readonly name: string; readonly text: string };
