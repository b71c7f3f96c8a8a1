import * as z from 'zod/mini';
import { parseDurationMs } from '../duration';
import { HostError } from '../errors';
import type { JobVariables } from './expand';
import { withNamesExpanded } from './expand-names';
import { factsOf, parseFacts, unverifiedFacts } from './job-facts';
import { readJobResponse } from './job-response';
import type { JobContext, JobFacts, JobResponse } from './types';

/**
 * The custom executor's contract, read from a hook's environment.
 * https://docs.gitlab.com/runner/executors/custom/ : job variables come as CUSTOM_ENV_*, the
 * contract's own without prefix.
 */

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * What config hands on to the later hooks in job_env: no job can set them, since they have no
 * CUSTOM_ENV_ prefix.
 */
export const ATTEMPT_VARIABLE = 'GITLAB_SPOT_ATTEMPT';
/** Who the job is (JobFacts), as JSON. */
export const FACTS_VARIABLE = 'GITLAB_SPOT_JOB';

const wholeNumber = z.pipe(
  z.string().check(z.regex(/^\d{1,15}$/, 'must be a whole number')),
  z.transform((text) => Number(text)),
);
const text = z.catch(z.optional(z.string()), undefined);
const looseNumber = z.catch(z.optional(wholeNumber), undefined);

const schema = z.object({
  CUSTOM_ENV_CI_JOB_ID: looseNumber,
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
  CUSTOM_ENV_GITLAB_USER_LOGIN: text,
  CUSTOM_ENV_CI_RUNNER_ID: text,
  CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN: text,
  CUSTOM_ENV_CI_RUNNER_VERSION: text,
  CUSTOM_ENV_SPOT_PROFILE: text,
  CUSTOM_ENV_SPOT_CPU: text,
  CUSTOM_ENV_SPOT_MEMORY: text,
  CUSTOM_ENV_SPOT_DISK: text,
  CUSTOM_ENV_SPOT_ARCH: text,
  CUSTOM_ENV_SPOT_DEBUG_KEEP: text,
  CUSTOM_ENV_SPOT_NO_RETRY: text,
  CUSTOM_ENV_SPOT_ON_INTERRUPTION: text,
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
  /**
   * Every variable of the job as the runner hands it to the hooks (CUSTOM_ENV_*): expanded, files
   * by their path. Never to be logged.
   */
  readonly variables: JobVariables;
}

/**
 * For config alone, which finds out who the job is.
 * @throws JobResponseUnusable, JobUnknown; HostError when this is not a hook's environment at all.
 */
export function findOutJob(variables: Variables, gitlabUrl?: string): JobFacts {
  const response = readJobResponse(nonEmpty(variables.JOB_RESPONSE_FILE));
  return response ? factsOf(response, gitlabUrl) : givenFacts(schema.parse(variables));
}

/**
 * For prepare and run: who the job is, as config found out, and what it wants.
 * @throws HostError when config did not hand it on, JobResponseUnusable; ExpansionTooLong: the
 * job's own failure
 */
export function readHookContext(variables: Variables): HookContext {
  const facts = handedOn(variables);
  if (!facts) throw notConfigured();
  const given = jobVariables(variables);
  const response = readJobResponse(nonEmpty(variables.JOB_RESPONSE_FILE));
  // Both are the runner's; where they differ, the folder of one job was used for another.
  if (response && response.own.jobId !== facts.jobId)
    throw new HostError(
      `The job response belongs to job ${response.own.jobId ?? '(none)'}, not to job ${facts.jobId}`,
      {
        remedy: 'Run the job again; check that each runner on this host has a TMPDIR of its own.',
      },
    );
  return {
    job: toJobContext(schema.parse(variables), facts),
    response: response && withNamesExpanded(response, given),
    variables: given,
  };
}

/**
 * For cleanup, which also runs where config failed: then the job response tells. Undefined: neither
 * does, so nothing of this job was made here.
 */
export function readEndedJob(variables: Variables, gitlabUrl?: string): JobContext | undefined {
  try {
    const { JOB_RESPONSE_FILE: file } = variables;
    const facts = handedOn(variables) ?? (nonEmpty(file) === undefined ? undefined : findOutJob(variables, gitlabUrl));
    return facts && toJobContext(schema.parse(variables), facts);
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}

function handedOn(variables: Variables): JobFacts | undefined {
  return parseFacts(variables[FACTS_VARIABLE] ?? '');
}

function notConfigured(): HostError {
  return new HostError('The config hook did not say which job this is (GITLAB_SPOT_JOB)', {
    remedy:
      'Hooks are started by gitlab-runner with executor = "custom" and config_exec = dist/executor/config.js; to try one by hand, use `npm run sandbox`.',
  });
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

function toJobContext(values: Parsed, facts: JobFacts): JobContext {
  return {
    serverUrl: facts.serverUrl,
    jobId: facts.jobId,
    jobName: facts.jobName,
    jobStage: values.CUSTOM_ENV_CI_JOB_STAGE ?? '',
    jobUrl: values.CUSTOM_ENV_CI_JOB_URL ?? '',
    pipelineId: facts.pipelineId,
    project: { id: facts.projectId, path: facts.projectPath },
    ref: { name: facts.refName, protected: facts.protectedRef, mergeRequest: facts.mergeRequest },
    verified: facts.verified,
    userLogin: values.CUSTOM_ENV_GITLAB_USER_LOGIN ?? '',
    userId: facts.userId,
    runner: {
      id: values.CUSTOM_ENV_CI_RUNNER_ID ?? '',
      shortToken: values.CUSTOM_ENV_CI_RUNNER_SHORT_TOKEN ?? '',
      version: values.CUSTOM_ENV_CI_RUNNER_VERSION ?? '',
    },
    timeoutMs: facts.timeoutSeconds * 1000,
    startedAt: dateOf(values.CUSTOM_ENV_CI_JOB_STARTED_AT),
    attempt: values[ATTEMPT_VARIABLE] || undefined,
    choice: {
      profile: nonEmpty(values.CUSTOM_ENV_SPOT_PROFILE?.trim()),
      ...sizeOf(values),
      debugKeepMs: parseDurationMs(values.CUSTOM_ENV_SPOT_DEBUG_KEEP ?? ''),
      onInterruption: nonEmpty(values.CUSTOM_ENV_SPOT_ON_INTERRUPTION?.trim()),
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

function sizeOf(values: Parsed): Pick<JobContext['choice'], 'size'> {
  const size = {
    vcpu: nonEmpty(values.CUSTOM_ENV_SPOT_CPU?.trim()),
    memoryGiB: nonEmpty(values.CUSTOM_ENV_SPOT_MEMORY?.trim()),
    diskGiB: nonEmpty(values.CUSTOM_ENV_SPOT_DISK?.trim()),
    architecture: nonEmpty(values.CUSTOM_ENV_SPOT_ARCH?.trim()),
  };
  return Object.values(size).some((one) => one !== undefined) ? { size } : {};
}

/** With a runner that writes no job response. */
function givenFacts(values: Parsed): JobFacts {
  const jobId = values.CUSTOM_ENV_CI_JOB_ID;
  if (!jobId)
    throw new HostError(
      'This is not the environment of a gitlab-runner hook: CUSTOM_ENV_CI_JOB_ID must be a whole number',
      {
        remedy:
          'Hooks are started by gitlab-runner with executor = "custom"; to try one by hand, use `npm run sandbox`.',
      },
    );
  return unverifiedFacts({
    serverUrl: serverUrl(values.CUSTOM_ENV_CI_SERVER_URL, values),
    jobId,
    jobName: values.CUSTOM_ENV_CI_JOB_NAME ?? '',
    projectId: values.CUSTOM_ENV_CI_PROJECT_ID ?? 0,
    projectPath: values.CUSTOM_ENV_CI_PROJECT_PATH ?? '',
    refName: values.CUSTOM_ENV_CI_COMMIT_REF_NAME ?? '',
    pipelineId: values.CUSTOM_ENV_CI_PIPELINE_ID || undefined,
    timeoutSeconds: values.CUSTOM_ENV_CI_JOB_TIMEOUT,
  });
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
