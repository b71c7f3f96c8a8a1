import * as z from 'zod/mini';
import { HostError, SpotError } from '../errors';
import type { Fetch } from '../web/fetch';
import { networkReason, networkRemedy } from '../web/reason';

/**
 * GitLab's word on a job. `missing`: GitLab answers, and knows no such job (deleted with its
 * project, say).
 */
export type JobStatus =
  | { readonly state: 'active' }
  | { readonly state: 'over'; readonly status: string; readonly finishedAt: Date | undefined }
  | { readonly state: 'missing' };

/**
 * GitLab took the token, but shows no such project: it is hidden from the token, or the address is
 * wrong.
 */
export class ProjectHidden extends HostError {}

export interface GitLabApi {
  /** @throws HostError when GitLab can't be asked; ProjectHidden when it shows no such project. */
  job(projectIdOrPath: number | string, jobId: number): Promise<JobStatus>;
  /**
   * Asks for another run of a finished job. False: GitLab says it can't be (it was run again
   * already, or still runs). @throws HostError
   */
  retry(projectIdOrPath: number | string, jobId: number): Promise<boolean>;
  /**
   * The first hundred jobs of a pipeline by name: whether each is still to be handed to a runner.
   * @throws HostError
   */
  pipelineJobs(projectIdOrPath: number | string, pipelineId: number): Promise<ReadonlyMap<string, 'coming' | 'over'>>;
}

export interface GitLabApiOptions {
  /** `https://gitlab.example.com` */
  readonly url: string;
  readonly token: string;
  readonly fetch: Fetch;
}

const jobsSchema = z.array(z.object({ name: z.string(), status: z.string() }));

/** A job that no runner has yet, and that nobody needs to start by hand. */
const COMING = new Set(['created', 'waiting_for_resource', 'preparing', 'pending', 'scheduled']);

const jobSchema = z.object({ status: z.string(), finished_at: z.nullish(z.string()) });

/**
 * The final states (https://docs.gitlab.com/ci/jobs/#available-job-statuses). An unknown state
 * counts as active: never destroy on a guess.
 */
const FINAL = new Set(['success', 'failed', 'canceled', 'skipped']);

/**
 * The calls of GitLab's job API that we need (https://docs.gitlab.com/api/jobs/). The token
 * needs `api` scope to retry, `read_api` to ask.
 */
export function gitlabApi({ url, token, fetch }: GitLabApiOptions): GitLabApi {
  const base = url.replace(/\/+$/, '');
  async function call(method: 'GET' | 'POST', project: number | string, rest = ''): Promise<Response> {
    const address = `${base}/api/v4/projects/${encodeURIComponent(project)}${rest}`;
    try {
      return await fetch(address, { method, headers: { 'PRIVATE-TOKEN': token } });
    } catch (error) {
      throw noAnswer(base, error, 'Check GITLAB_SPOT_GITLAB_URL from this host.');
    }
  }
  function refused(response: Response, what: string): HostError {
    const remedy =
      response.status === 401 || response.status === 403
        ? 'Check the scope and expiry of GITLAB_SPOT_GITLAB_TOKEN.'
        : '';
    return new HostError(`GitLab at ${base} refused to ${what} (HTTP ${response.status})`, {
      remedy,
      retryable: response.status >= 500 || response.status === 429,
    });
  }
  /**
   * A project that the token can't see, or a wrong address, answers 404 for each of its jobs. Only
   * in one that is seen is a job missing.
   */
  async function missingJob(project: number | string, jobId: number): Promise<JobStatus> {
    const seen = await call('GET', project);
    if (seen.ok) return { state: 'missing' };
    if (seen.status !== 404) throw refused(seen, `tell about project ${project}`);
    throw new ProjectHidden(`GitLab at ${base} shows no project ${project}, so it can't tell about job ${jobId}`, {
      remedy: 'Give GITLAB_SPOT_GITLAB_TOKEN a role in that project, or check GITLAB_SPOT_GITLAB_URL.',
    });
  }
  return {
    async job(project, jobId) {
      const response = await call('GET', project, `/jobs/${jobId}`);
      if (response.status === 404) return missingJob(project, jobId);
      if (!response.ok) throw refused(response, `tell about job ${jobId}`);
      const parsed = jobSchema.safeParse(await response.json().catch(() => undefined));
      if (!parsed.success)
        throw new HostError(`GitLab at ${base} did not answer with a job`, {
          remedy: 'Check GITLAB_SPOT_GITLAB_URL.',
        });
      const { status, finished_at: finished } = parsed.data;
      if (!FINAL.has(status)) return { state: 'active' };
      const finishedAt = new Date(finished ?? NaN);
      return { state: 'over', status, finishedAt: Number.isNaN(finishedAt.getTime()) ? undefined : finishedAt };
    },
    async pipelineJobs(project, pipelineId) {
      const response = await call('GET', project, `/pipelines/${pipelineId}/jobs?per_page=100`);
      if (!response.ok) throw refused(response, `list the jobs of pipeline ${pipelineId}`);
      const parsed = jobsSchema.safeParse(await response.json().catch(() => undefined));
      if (!parsed.success)
        throw new HostError(`GitLab at ${base} did not answer with a list of jobs`, {
          remedy: 'Check GITLAB_SPOT_GITLAB_URL.',
        });
      return new Map(parsed.data.map(({ name, status }) => [name, COMING.has(status) ? 'coming' : 'over']));
    },
    async retry(project, jobId) {
      const response = await call('POST', project, `/jobs/${jobId}/retry`);
      if (response.ok) return true;
      const text = await response.text().catch(() => '');
      // GitLab answers 403 both for "not retryable" and for a token without rights; only the text
      // tells.
      if (response.status === 403 && /not retryable/i.test(text)) return false;
      throw refused(response, `run job ${jobId} again`);
    },
  };
}

/** GitLab could not be asked at all. */
export function noAnswer(base: string, error: unknown, otherwise: string): SpotError {
  if (error instanceof SpotError) return error;
  const reason = networkReason(error);
  const certificate =
    'Name the authority’s certificate (PEM) by GITLAB_SPOT_GITLAB_CA_FILE, or by `register --ca-file`.';
  return new HostError(`GitLab at ${base} does not answer (${reason.reason})`, {
    remedy: networkRemedy(reason, { certificate, otherwise }),
    retryable: true,
    cause: error,
  });
}
