/**
 * gitlab-runner's config.toml, as far as the stand-in obeys it:
 * https://docs.gitlab.com/runner/configuration/advanced-configuration/
 */
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { z } from 'zod';
import type { Hooks, RunnerLimits } from './types';

class RunnerConfigProblem extends Error {}

export interface RunnerConfig {
  readonly name: string;
  readonly url: string;
  readonly token: string;
  readonly concurrency: number;
  /** Between two requests for jobs. */
  readonly checkEveryMs: number;
  readonly hooks: Hooks;
  /** What the file leaves out has gitlab-runner's own default. */
  readonly limits: Partial<RunnerLimits>;
}

const words = z.array(z.string()).default([]);
const seconds = z.number().positive().optional();

const customSchema = z.object({
  config_exec: z.string(),
  config_args: words,
  prepare_exec: z.string(),
  prepare_args: words,
  run_exec: z.string(),
  run_args: words,
  cleanup_exec: z.string(),
  cleanup_args: words,
  config_exec_timeout: seconds,
  prepare_exec_timeout: seconds,
  cleanup_exec_timeout: seconds,
  graceful_kill_timeout: seconds,
  force_kill_timeout: seconds,
});

const fileSchema = z.object({
  concurrent: z.number().int().positive().default(1),
  check_interval: z.number().int().nonnegative().default(0),
  runners: z
    .array(
      z.object({
        name: z.string(),
        url: z.string(),
        token: z.string(),
        limit: z.number().int().nonnegative().default(0),
        executor: z.literal('custom'),
        custom: customSchema,
      }),
    )
    .min(1, 'there is no runner in it yet (gitlab-spot register)'),
});

/** gitlab-runner's own. Seconds. */
const CHECK_INTERVAL = 3;

/**
 * The file's first runner. gitlab-runner asks once in each check_interval for each section, and
 * counts jobs and requests by token: further sections of the same token ask more often, and run no
 * more jobs.
 * @throws RunnerConfigProblem
 */
export function readRunnerConfig(file: string): RunnerConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new RunnerConfigProblem(`${file} can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const parsed = fileSchema.safeParse({ runners: [], ...parse(text) });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RunnerConfigProblem(`${file}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { concurrent, check_interval: interval, runners } = parsed.data;
  const { name, url, token, limit, custom } = runners[0]!;
  const sections = runners.filter((one) => one.token === token && one.url === url).length;
  return {
    name,
    url: url.replace(/\/+$/, ''),
    token,
    concurrency: limit === 0 ? concurrent : Math.min(limit, concurrent),
    checkEveryMs: ((interval || CHECK_INTERVAL) * 1000) / sections,
    hooks: {
      config: [custom.config_exec, ...custom.config_args],
      prepare: [custom.prepare_exec, ...custom.prepare_args],
      run: [custom.run_exec, ...custom.run_args],
      cleanup: [custom.cleanup_exec, ...custom.cleanup_args],
    },
    limits: milliseconds({
      configMs: custom.config_exec_timeout,
      prepareMs: custom.prepare_exec_timeout,
      cleanupMs: custom.cleanup_exec_timeout,
      gracefulKillMs: custom.graceful_kill_timeout,
      forceKillMs: custom.force_kill_timeout,
    }),
  };
}

function milliseconds(limits: Readonly<Record<string, number | undefined>>): Partial<RunnerLimits> {
  const given = Object.entries(limits).flatMap(([name, value]) => (value === undefined ? [] : [[name, value * 1000]]));
  return Object.fromEntries(given) as Partial<RunnerLimits>;
}
