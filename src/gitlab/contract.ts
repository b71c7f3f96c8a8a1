import * as z from 'zod/mini';
import { parseDurationMs } from '../duration';
import { HostError } from '../errors';
import { issueLines } from '../schema';
import type { JobVariables } from './expand';
import { readJobResponse } from './job-response';
import type { JobContext, JobResponse } from './types';

/**
 * The custom executor's contract, read from a hook's environment.
 * https://docs.gitlab.com/runner/executors/custom/ : job variables come as CUSTOM_ENV_*, the contract's own without prefix.
 */

type Variables = Readonly<Record<string, string | undefined>>;

/** The variable that config hands on to the later hooks in job_env: no job can set it, since it has no CUSTOM_ENV_ prefix. */
export const ATTEMPT_VARIABLE = 'GITLAB_SPOT_ATTEMPT';

const DEFAULT_TIMEOUT_SECONDS = 3600;
/** GitLab allows no job more than a month; what a job's author writes into CI_JOB_TIMEOUT must not keep an instance for longer. */
const LONGEST_TIMEOUT_SECONDS = 31 * 24 * 3600;

const wholeNumber = z.pipe(
  z.string().check(z.regex(/^\d{1,15}$/, 'must be a whole number')),
  z.transform((text) => Number(text)),
);
const text = z.catch(z.optional(z.string()), undefined);
const looseNumber = z.catch(z.optional(wholeNumber), undefined);

const schema = z.object({
  CUSTOM_ENV_CI_JOB_ID: wholeNumber,
  CUSTOM_ENV_CI_SERVER_URL: text,
  CUSTOM_ENV_CI_SERVER_PROTOCOL: text,
  CUSTOM_ENV_CI_SERVER_HOST: text,
  CUSTOM_ENV_CI_SERVER_PORT: text,
  CUSTOM_ENV_CI_JOB_NAME: text,
  CUSTOM_ENV_CI_JOB_STAGE: text,
  CUSTOM_ENV_CI_JOB_URL: text,
  CUSTOM_ENV_CI_JOB_STARTED_AT: text,
  CUSTOM_ENV_CI_JOB_TIMEOUT: looseNumber,
  CUSTOM_ENV_CI_PIPELINE_ID: looseNumber,
  CUSTOM_ENV_CI_PROJECT_ID: looseNumber,
  CUSTOM_ENV_CI_PROJECT_PATH: text,
  CUSTOM_ENV_CI_COMMIT_REF_NAME: text,
  CUSTOM_ENV_CI_COMMIT_REF_PROTECTED: text,
  CUSTOM_ENV_GITLAB_USER_LOGIN: text,
  CUSTOM_ENV_CI_RUNNER_ID: text,
  CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN: text,
  CUSTOM_ENV_CI_RUNNER_VERSION: text,
  CUSTOM_ENV_SPOT_PROFILE: text,
  CUSTOM_ENV_SPOT_DEBUG_KEEP: text,
  CUSTOM_ENV_SPOT_NO_RETRY: text,
  [ATTEMPT_VARIABLE]: looseNumber,
  TMPDIR: text,
  JOB_RESPONSE_FILE: text,
  BUILD_EXIT_CODE_FILE: text,
  BUILD_FAILURE_EXIT_CODE: looseNumber,
  SYSTEM_FAILURE_EXIT_CODE: looseNumber,
});

type Parsed = z.infer<typeof schema>;

/** A hook's view of its job, and the job as GitLab handed it out (undefined with old runners). */
export interface HookContext {
  readonly job: JobContext;
  readonly response: JobResponse | undefined;
  /** Every variable of the job as the runner hands it to the hooks (CUSTOM_ENV_*): expanded, files by their path. Never to be logged. */
  readonly variables: JobVariables;
}

/**
 * Reads a hook's environment.
 * @throws HostError when this is not a hook's environment at all.
 */
export function readHookContext(variables: Variables): HookContext {
  const given = jobVariables(variables);
  const response = readJobResponse(nonEmpty(variables.JOB_RESPONSE_FILE), given);
  const jobId = response?.trusted.jobId ?? variables.CUSTOM_ENV_CI_JOB_ID;
  const parsed = schema.safeParse({ ...variables, CUSTOM_ENV_CI_JOB_ID: jobId?.toString() }, { reportInput: true });
  if (!parsed.success) {
    throw new HostError(
      `This is not the environment of a gitlab-runner hook: ${issueLines(parsed.error, 'it').join('; ')}`,
      {
        remedy:
          'Hooks are started by gitlab-runner with executor = "custom"; to try one by hand, use `npm run sandbox`.',
      },
    );
  }
  return { job: toJobContext(parsed.data, response), response, variables: given };
}

const PREFIX = 'CUSTOM_ENV_';

function jobVariables(variables: Variables): JobVariables {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      name.startsWith(PREFIX) && value !== undefined ? [[name.slice(PREFIX.length), value]] : [],
    ),
  );
}

/** The contract's exit codes, also where the rest of the environment is unreadable. */
export function readExitCodes(variables: Variables): JobContext['exitCodes'] {
  const code = (name: string, fallback: number): number => {
    const value = Number(variables[name] ?? NaN);
    return Number.isInteger(value) && value > 0 && value < 256 ? value : fallback;
  };
  return { buildFailure: code('BUILD_FAILURE_EXIT_CODE', 1), systemFailure: code('SYSTEM_FAILURE_EXIT_CODE', 2) };
}

function toJobContext(values: Parsed, response: JobResponse | undefined): JobContext {
  const trusted = response?.trusted;
  return {
    serverUrl: serverUrl(trusted?.serverUrl ?? values.CUSTOM_ENV_CI_SERVER_URL, values),
    jobId: values.CUSTOM_ENV_CI_JOB_ID,
    jobName: trusted?.jobName ?? values.CUSTOM_ENV_CI_JOB_NAME ?? '',
    jobStage: values.CUSTOM_ENV_CI_JOB_STAGE ?? '',
    jobUrl: values.CUSTOM_ENV_CI_JOB_URL ?? '',
    pipelineId: wholeNumber.safeParse(trusted?.pipelineId).data ?? values.CUSTOM_ENV_CI_PIPELINE_ID,
    project: {
      id: trusted?.projectId ?? values.CUSTOM_ENV_CI_PROJECT_ID ?? 0,
      path: trusted?.projectPath ?? values.CUSTOM_ENV_CI_PROJECT_PATH ?? '',
    },
    ref: {
      name: trusted?.refName ?? values.CUSTOM_ENV_CI_COMMIT_REF_NAME ?? '',
      protected: trusted?.protectedRef ?? values.CUSTOM_ENV_CI_COMMIT_REF_PROTECTED === 'true',
    },
    userLogin: trusted?.userLogin ?? values.CUSTOM_ENV_GITLAB_USER_LOGIN ?? '',
    runner: {
      id: values.CUSTOM_ENV_CI_RUNNER_ID ?? '',
      shortToken: values.CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN ?? '',
      version: values.CUSTOM_ENV_CI_RUNNER_VERSION ?? '',
    },
    timeoutMs: timeoutMs(trusted?.timeoutSeconds ?? values.CUSTOM_ENV_CI_JOB_TIMEOUT),
    startedAt: dateOf(values.CUSTOM_ENV_CI_JOB_STARTED_AT),
    attempt: values[ATTEMPT_VARIABLE] || undefined,
    choice: {
      profile: nonEmpty(values.CUSTOM_ENV_SPOT_PROFILE?.trim()),
      debugKeepMs: parseDurationMs(values.CUSTOM_ENV_SPOT_DEBUG_KEEP ?? ''),
      noRetry: /^(1|true|yes)$/i.test(values.CUSTOM_ENV_SPOT_NO_RETRY ?? ''),
    },
    files: {
      tmpDir: nonEmpty(values.TMPDIR),
      jobResponse: nonEmpty(values.JOB_RESPONSE_FILE),
      buildExitCode: nonEmpty(values.BUILD_EXIT_CODE_FILE),
    },
    exitCodes: readExitCodes({
      BUILD_FAILURE_EXIT_CODE: values.BUILD_FAILURE_EXIT_CODE?.toString(),
      SYSTEM_FAILURE_EXIT_CODE: values.SYSTEM_FAILURE_EXIT_CODE?.toString(),
    }),
  };
}

function timeoutMs(seconds: number | undefined): number {
  return Math.min(seconds || DEFAULT_TIMEOUT_SECONDS, LONGEST_TIMEOUT_SECONDS) * 1000;
}

function serverUrl(given: string | undefined, values: Parsed): string {
  const { CUSTOM_ENV_CI_SERVER_PROTOCOL: protocol, CUSTOM_ENV_CI_SERVER_HOST: host } = values;
  const parts = `${protocol ?? 'https'}://${host ?? ''}${values.CUSTOM_ENV_CI_SERVER_PORT ? `:${values.CUSTOM_ENV_CI_SERVER_PORT}` : ''}`;
  for (const candidate of [given, host === undefined ? undefined : parts, values.CUSTOM_ENV_CI_JOB_URL]) {
    const url = parseUrl(candidate);
    if (url)
      return candidate === values.CUSTOM_ENV_CI_JOB_URL
        ? url.origin
        : `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  }
  return 'https://unknown';
}

function parseUrl(value: string | undefined): URL | undefined {
  if (!value || !/^https?:\/\//.test(value)) return undefined;
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

function dateOf(value: string | undefined): Date {
  const date = new Date(value ?? NaN);
  return Number.isNaN(date.getTime()) ? new Date() : date;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
