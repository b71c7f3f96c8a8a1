import * as z from 'zod/mini';
import { HostError } from '../errors';
import { parsedAs } from '../schema';
import type { JobFacts, JobResponse, JobVariable } from './types';

/**
 * Who a job is. Only the config hook asks, from fields of the job response that no job can write;
 * the answer goes on in job_env, which no job can write either. What GitLab leaves out closes: not
 * protected, a fork, no user. Which fields those are:
 * https://gitlab.com/gitlab-org/gitlab-runner/-/blob/main/common/spec/spec.go and, for GitLab's
 * side, lib/api/entities/ci/job_request/ in its source.
 */

/**
 * GitLab's own default, and the strictest that real jobs bear: for a response that names no
 * timeout. Seconds.
 */
const ASSUMED_TIMEOUT_SECONDS = 3600;
/** GitLab allows no job more than a month. */
const LONGEST_TIMEOUT_SECONDS = 31 * 24 * 3600;
/** Without a job response the timeout is the author's word. */
const LONGEST_UNVERIFIED_SECONDS = 24 * 3600;
/** Longer than any name that GitLab allows. */
const LONGEST_TEXT = 1024;

export class JobUnknown extends HostError {}

/**
 * By the job response alone.
 * @param gitlabUrl GITLAB_SPOT_GITLAB_URL: tells the server where the response does not, and a path
 * below which GitLab lives.
 * @throws JobUnknown when the response does not say which job this is.
 */
export function factsOf({ own, variables }: JobResponse, gitlabUrl: string | undefined): JobFacts {
  const repository = parseUrl(own.repoUrl);
  const projectId = own.projectId;
  const origin = repository?.origin ?? parseUrl(gitlabUrl)?.origin;
  if (own.jobId === undefined) throw unknown('its id');
  if (projectId === undefined) throw unknown('its project');
  if (origin === undefined) throw unknown('the address of its repository');
  const root = rootOf(repository, own.projectPath, parseUrl(gitlabUrl));
  const predefined = (key: string): string | undefined => predefinedValue(variables, key);
  const mergeRequest = mergeRequestOf(own.ref, projectId, predefined);
  const isProtected = own.protectedRef ?? predefined('CI_COMMIT_REF_PROTECTED') === 'true';
  return {
    verified: true,
    serverUrl: `${origin}${root}`,
    jobId: own.jobId,
    jobName: bounded(own.jobName ?? ''),
    projectId,
    projectPath: bounded(own.projectPath ?? pathBelow(root, repository) ?? predefined('CI_PROJECT_PATH') ?? ''),
    refName: bounded(own.ref ?? ''),
    // Protection is a branch's or a tag's: a merge request's ref has none of its own, whatever a
    // pattern such as `*` covers.
    protectedRef: isProtected && mergeRequest === undefined && own.ref !== undefined,
    ...(mergeRequest === undefined ? {} : { mergeRequest }),
    ...(own.userId === undefined ? {} : { userId: own.userId }),
    ...pipelineOf(own.pipelineId ?? positive(predefined('CI_PIPELINE_ID'))),
    timeoutSeconds: Math.min(own.timeoutSeconds ?? ASSUMED_TIMEOUT_SECONDS, LONGEST_TIMEOUT_SECONDS),
    ...(own.timeoutSeconds === undefined ? { timeoutAssumed: true } : {}),
  };
}

/**
 * For runners that write no job response: all of it may be the author's, so nothing restricted may
 * go by it.
 */
export function unverifiedFacts(given: {
  readonly serverUrl: string;
  readonly jobId: number;
  readonly jobName: string;
  readonly projectId: number;
  readonly projectPath: string;
  readonly refName: string;
  readonly pipelineId: number | undefined;
  readonly timeoutSeconds: number | undefined;
}): JobFacts {
  const { pipelineId, timeoutSeconds, ...rest } = given;
  return {
    ...rest,
    verified: false,
    jobName: bounded(given.jobName),
    projectPath: bounded(given.projectPath),
    refName: bounded(given.refName),
    protectedRef: false,
    ...pipelineOf(pipelineId),
    timeoutSeconds: Math.min(timeoutSeconds || ASSUMED_TIMEOUT_SECONDS, LONGEST_UNVERIFIED_SECONDS),
    ...(timeoutSeconds ? {} : { timeoutAssumed: true }),
  };
}

const line = z.string().check(z.maxLength(LONGEST_TEXT));
const id = z.int().check(z.minimum(1));
const schema = z.strictObject({
  verified: z.boolean(),
  serverUrl: z.string().check(z.regex(/^https?:\/\//), z.maxLength(2 * LONGEST_TEXT)),
  jobId: id,
  jobName: line,
  projectId: z.int().check(z.minimum(0)),
  projectPath: line,
  refName: line,
  protectedRef: z.boolean(),
  mergeRequest: z.optional(z.enum(['own', 'fork'])),
  userId: z.optional(id),
  pipelineId: z.optional(id),
  timeoutSeconds: z.int().check(z.minimum(1), z.maximum(LONGEST_TIMEOUT_SECONDS)),
  timeoutAssumed: z.optional(z.boolean()),
});

/** What config handed on in job_env. Undefined: it is not that. */
export function parseFacts(text: string): JobFacts | undefined {
  return parsedAs(schema, text) as JobFacts | undefined;
}

/**
 * The first variable of a name is not always GitLab's: a token of `id_tokens` stands before it.
 * Those are masked; GitLab's own are public and not masked.
 */
function predefinedValue(variables: readonly JobVariable[], key: string): string | undefined {
  return variables.find((one) => one.key === key && one.public && !one.masked)?.value;
}

/**
 * https://docs.gitlab.com/ci/pipelines/merge_request_pipelines/ : from a fork unless both projects
 * are said to be this one.
 */
function mergeRequestOf(
  ref: string | undefined,
  projectId: number,
  predefined: (key: string) => string | undefined,
): JobFacts['mergeRequest'] {
  if (!ref?.startsWith('refs/merge-requests/')) return undefined;
  const isOwn = ['CI_MERGE_REQUEST_PROJECT_ID', 'CI_MERGE_REQUEST_SOURCE_PROJECT_ID'].every(
    (key) => predefined(key) === String(projectId),
  );
  return isOwn ? 'own' : 'fork';
}

/**
 * The path below which GitLab lives: of the repository's address, less the project; else as the
 * setting says. '' for none.
 */
function rootOf(repository: URL | undefined, projectPath: string | undefined, configured: URL | undefined): string {
  const ofProject = `/${projectPath}.git`;
  if (repository && projectPath !== undefined && repository.pathname.endsWith(ofProject))
    return repository.pathname.slice(0, -ofProject.length);
  const root = configured?.pathname.replace(/\/+$/, '') ?? '';
  if (!repository) return root;
  return configured?.host === repository.host && repository.pathname.startsWith(`${root}/`) ? root : '';
}

function pathBelow(root: string, repository: URL | undefined): string | undefined {
  return repository?.pathname.slice(root.length).replace(/^\/+|\.git$/g, '');
}

function pipelineOf(pipelineId: number | undefined): { pipelineId?: number } {
  return pipelineId === undefined ? {} : { pipelineId };
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

function parseUrl(text: string | undefined): URL | undefined {
  return text !== undefined && /^https?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
}

function bounded(text: string): string {
  return text.slice(0, LONGEST_TEXT);
}

function unknown(what: string): JobUnknown {
  return new JobUnknown(
    `The job response (JOB_RESPONSE_FILE) does not tell ${what}, so the job can't be told from others`,
    {
      remedy: 'Run the job again; if it happens twice, check the versions of GitLab and gitlab-runner.',
    },
  );
}
