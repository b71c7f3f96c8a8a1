/**
 * One life of the custom executor: config, prepare, any number of run, cleanup. Each prepare
 * attempt gets a fresh one.
 */
import { mkdtemp, readFile, mkdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Hooks, RunnerLimits } from '../types';
import type { JobPayload, JobVariable } from '../payload';
import type { RunnerVersion } from '../versions';
import { parseConfigAnswer, type ConfigAnswer } from './config-answer';
import { BuildFailed, SystemFailed } from './failure';
import { HookNotStarted, runHook, type HookExit } from './hook';
import { jobResponse } from './job-response';

const BUILD_FAILURE = 1;
const SYSTEM_FAILURE = 2;

/**
 * Told of each hook as it starts and ends; `hook` is `config`, `prepare`, `run-STAGE` or `cleanup`.
 */
export type HookObserver = (
  event:
    | {
        readonly hook: string;
        readonly phase: 'start';
        readonly env: Readonly<Record<string, string>>;
        readonly scriptFile?: string;
      }
    | { readonly hook: string; readonly phase: 'exit'; readonly exit: HookExit },
) => void;

export interface ExecutorOptions {
  readonly payload: JobPayload;
  readonly hooks: Hooks;
  readonly version: RunnerVersion;
  readonly limits: RunnerLimits;
  /** The runner process's own environment, which every hook inherits. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The job's variables as they are now, expanded. */
  readonly variables: () => readonly JobVariable[];
  /** Output for the job's log. */
  readonly output: (text: string) => void;
  /** cleanup's output: the runner's own log, not the job's. */
  readonly cleanupOutput: (text: string) => void;
  readonly observe: HookObserver;
}

export class CustomExecutor {
  private temporary = '';
  private jobEnvironment: Readonly<Record<string, string>> = {};

  constructor(private readonly options: ExecutorOptions) {}

  /** Makes the job's TMPDIR and asks config. */
  async config(signal: AbortSignal): Promise<ConfigAnswer> {
    this.temporary = await mkdtemp(path.join(this.options.environment['TMPDIR'] ?? os.tmpdir(), 'custom-executor'));
    await writeFile(this.responseFile, JSON.stringify(jobResponse(this.options.payload, this.options.version)), {
      mode: 0o600,
    });
    let stdout = '';
    const exit = await this.hook('config', this.options.hooks.config, signal, {
      onStdout: (text) => (stdout += text),
      limitMs: this.options.limits.configMs,
    });
    await this.judge(exit);
    const answer = parseConfigAnswer(stdout);
    this.jobEnvironment = answer.job_env ?? {};
    return answer;
  }

  async prepare(signal: AbortSignal): Promise<void> {
    const exit = await this.hook('prepare', this.options.hooks.prepare, signal, {
      limitMs: this.options.limits.prepareMs,
    });
    await this.judge(exit);
  }

  /** @throws BuildFailed or SystemFailed by the hook's exit code. */
  async run(stage: string, script: string, signal: AbortSignal): Promise<void> {
    const folder = await mkdtemp(path.join(this.temporary, 'script'));
    const scriptFile = path.join(folder, 'script.');
    await writeFile(scriptFile, script, { mode: 0o700 });
    const exit = await this.hook(`run-${stage}`, [...this.options.hooks.run, scriptFile, stage], signal, {
      scriptFile,
    });
    await this.judge(exit);
  }

  /** Always, and whatever it does: only the runner's log hears of it. */
  async cleanup(): Promise<void> {
    try {
      await mkdir(this.temporary, { recursive: true });
      await this.hook('cleanup', this.options.hooks.cleanup, new AbortController().signal, {
        onStdout: this.options.cleanupOutput,
        onStderr: this.options.cleanupOutput,
        limitMs: this.options.limits.cleanupMs,
      });
    } catch (error) {
      this.options.cleanupOutput(`${(error as Error).message}\n`);
    } finally {
      await rm(this.temporary, { recursive: true, force: true });
    }
  }

  private get responseFile(): string {
    return path.join(this.temporary, 'response.json');
  }

  private get exitCodeFile(): string {
    return path.join(this.temporary, 'build_exit_code');
  }

  private environment(): Record<string, string> {
    const environment: Record<string, string> = {};
    for (const [key, value] of Object.entries(this.options.environment))
      if (value !== undefined) environment[key] = value;
    for (const one of this.options.variables()) environment[`CUSTOM_ENV_${one.key}`] = one.value;
    environment['CUSTOM_ENV_CI_JOB_SERVICES'] = servicesOf(this.options.payload, this.options.version);
    return {
      ...environment,
      TMPDIR: this.temporary,
      JOB_RESPONSE_FILE: this.responseFile,
      BUILD_FAILURE_EXIT_CODE: String(BUILD_FAILURE),
      SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
      ...(this.options.version.hasBuildExitCodeFile ? { BUILD_EXIT_CODE_FILE: this.exitCodeFile } : {}),
      ...this.jobEnvironment,
    };
  }

  private async hook(
    name: string,
    command: readonly string[],
    signal: AbortSignal,
    own: {
      limitMs?: number;
      onStdout?: (text: string) => void;
      onStderr?: (text: string) => void;
      scriptFile?: string;
    },
  ): Promise<HookExit> {
    const { limits, observe, output } = this.options;
    const env = this.environment();
    observe({ hook: name, phase: 'start', env, ...(own.scriptFile ? { scriptFile: own.scriptFile } : {}) });
    try {
      const exit = await runHook({
        command,
        cwd: this.temporary,
        env,
        signal,
        onStdout: own.onStdout ?? output,
        onStderr: own.onStderr ?? output,
        limitMs: own.limitMs ?? NO_LIMIT,
        gracefulKillMs: limits.gracefulKillMs,
        forceKillMs: limits.forceKillMs,
      });
      observe({ hook: name, phase: 'exit', exit });
      return exit;
    } catch (error) {
      observe({
        hook: name,
        phase: 'exit',
        exit: { code: 127, words: (error as Error).message, stopped: false, outOfTime: false },
      });
      if (error instanceof HookNotStarted) throw new SystemFailed(error.message);
      throw error;
    }
  }

  private async judge(exit: HookExit): Promise<void> {
    if (exit.outOfTime) throw new SystemFailed('context deadline exceeded');
    if (exit.code === 0) return;
    if (exit.code === BUILD_FAILURE) throw new BuildFailed(await this.scriptExitCode());
    if (exit.code === SYSTEM_FAILURE) throw new SystemFailed(exit.words);
    throw new SystemFailed(
      `unknown Custom executor executable exit code ${exit.code}; executable execution terminated with: ${exit.words}`,
    );
  }

  /** The script's own exit code, where the hook wrote one: a bare integer on the first line. */
  private async scriptExitCode(): Promise<number> {
    if (!this.options.version.hasBuildExitCodeFile) return BUILD_FAILURE;
    const text = await readFile(this.exitCodeFile, 'utf8').catch(() => '');
    const first = text.split('\n')[0]?.trim() ?? '';
    return /^\d+$/.test(first) ? Number(first) : BUILD_FAILURE;
  }
}

/** setTimeout's longest. */
const NO_LIMIT = 2 ** 31 - 1;

/** `services:` as an executor finds them; empty where there are none. */
function servicesOf(payload: JobPayload, version: RunnerVersion): string {
  const services = payload.services.map((one) => ({
    name: one.name,
    alias: one.alias ?? '',
    entrypoint: one.entrypoint ?? null,
    command: one.command ?? null,
    ...(one.variables && version.writesFullJobResponse
      ? { variables: Object.fromEntries(one.variables.map(({ key, value }) => [key, value])) }
      : {}),
  }));
  return services.length > 0 ? JSON.stringify(services) : '';
}
