/** What a pipeline is about: the project, the commit, and who started it. */
export interface PipelineFacts {
  readonly projectId: number;
  /** `group/project` */
  readonly projectPath: string;
  /** `http://127.0.0.1:PORT` */
  readonly serverUrl: string;
  readonly pipelineId: number;
  readonly ref: string;
  readonly refType: 'branch' | 'tag';
  readonly defaultBranch: string;
  readonly sha: string;
  readonly beforeSha: string;
  readonly commitMessage: string;
  /** `Name <mail>` */
  readonly commitAuthor: string;
  /** ISO 8601. */
  readonly commitTimestamp: string;
  /** Files that this commit changed; undefined where nobody can tell (then `changes` is true). */
  readonly changedFiles: readonly string[] | undefined;
  /** Values given for this run: they win over those in the file. */
  readonly given: Readonly<Record<string, string>>;
  /** What GitLab says of the ref: the default branch is protected, a merge request's ref never. */
  readonly protectedRef: boolean;
  readonly source: PipelineSource;
  /** The pipeline is one of a merge request; `ref` is then its source branch. */
  readonly mergeRequest?: MergeRequest | undefined;
}

export type PipelineSource = 'push' | 'web' | 'schedule' | 'api' | 'trigger' | 'merge_request_event';

export interface MergeRequest {
  readonly iid: number;
  readonly targetBranch: string;
  /** Where source and target part. */
  readonly baseSha: string;
}

/** Who started the pipeline. */
export const USER = { id: 1, login: 'root', name: 'Administrator', email: 'root@example.com' } as const;

/** As the job response has it: `main`, `refs/merge-requests/1/head`. */
export function gitRef({ ref, mergeRequest }: PipelineFacts): string {
  return mergeRequest ? `refs/merge-requests/${mergeRequest.iid}/head` : ref;
}

/** What GitLab's documents call a branch pipeline. */
export function isBranchPipeline({ refType, mergeRequest }: PipelineFacts): boolean {
  return refType === 'branch' && !mergeRequest;
}

export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

const REGISTRY_PORT = 5050;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
const VERSION = '18.5.0';

type Values = Readonly<Record<string, string>>;

/** Of the server and the project, under GitLab's names. */
export function projectVariables(facts: PipelineFacts): Values {
  const server = new URL(facts.serverUrl);
  const [major = '', minor = '', patch = ''] = VERSION.split('.');
  const folders = facts.projectPath.split('/');
  const project = folders.at(-1) ?? '';
  // No registry listens there: without these a job's `docker login` would go to Docker Hub.
  const registry = `${server.hostname}:${REGISTRY_PORT}`;
  return {
    CI: 'true',
    GITLAB_CI: 'true',
    CI_SERVER_FQDN: server.host,
    CI_SERVER_URL: facts.serverUrl,
    CI_SERVER_HOST: server.hostname,
    CI_SERVER_PORT: server.port || (DEFAULT_PORTS[server.protocol] ?? ''),
    CI_SERVER_PROTOCOL: server.protocol.replace(':', ''),
    CI_SERVER_NAME: 'GitLab',
    CI_SERVER_VERSION: VERSION,
    CI_SERVER_VERSION_MAJOR: major,
    CI_SERVER_VERSION_MINOR: minor,
    CI_SERVER_VERSION_PATCH: patch,
    CI_API_V4_URL: `${facts.serverUrl}/api/v4`,
    CI_PROJECT_ID: String(facts.projectId),
    CI_PROJECT_NAME: project,
    CI_PROJECT_TITLE: project,
    CI_PROJECT_PATH: facts.projectPath,
    CI_PROJECT_PATH_SLUG: slug(facts.projectPath),
    CI_PROJECT_NAMESPACE: folders.slice(0, -1).join('/'),
    CI_PROJECT_ROOT_NAMESPACE: folders[0] ?? '',
    CI_PROJECT_URL: `${facts.serverUrl}/${facts.projectPath}`,
    CI_PROJECT_VISIBILITY: 'private',
    CI_DEFAULT_BRANCH: facts.defaultBranch,
    CI_CONFIG_PATH: '.gitlab-ci.yml',
    CI_REGISTRY: registry,
    CI_REGISTRY_IMAGE: `${registry}/${facts.projectPath.toLowerCase()}`,
  };
}

/** Of the pipeline and its commit. */
export function commitVariables(facts: PipelineFacts): Values {
  const [title = '', ...rest] = facts.commitMessage.split('\n');
  return {
    CI_PIPELINE_IID: String(facts.pipelineId),
    CI_PIPELINE_SOURCE: facts.source,
    CI_COMMIT_SHA: facts.sha,
    CI_COMMIT_SHORT_SHA: facts.sha.slice(0, 8),
    CI_COMMIT_BEFORE_SHA: facts.beforeSha,
    CI_COMMIT_REF_NAME: facts.ref,
    CI_COMMIT_REF_SLUG: slug(facts.ref),
    ...(isBranchPipeline(facts) ? { CI_COMMIT_BRANCH: facts.ref } : {}),
    CI_COMMIT_MESSAGE: facts.commitMessage,
    CI_COMMIT_TITLE: title,
    CI_COMMIT_DESCRIPTION: rest.join('\n').replace(/^\n/, ''),
    CI_COMMIT_REF_PROTECTED: String(facts.protectedRef),
    CI_COMMIT_TIMESTAMP: facts.commitTimestamp,
    CI_COMMIT_AUTHOR: facts.commitAuthor,
    ...(facts.refType === 'tag' ? { CI_COMMIT_TAG: facts.ref } : {}),
    ...(facts.mergeRequest ? mergeRequestVariables(facts, facts.mergeRequest, title) : {}),
  };
}

function mergeRequestVariables(facts: PipelineFacts, request: MergeRequest, title: string): Values {
  const url = `${facts.serverUrl}/${facts.projectPath}`;
  return {
    CI_MERGE_REQUEST_EVENT_TYPE: 'detached',
    CI_MERGE_REQUEST_DIFF_ID: '1',
    CI_MERGE_REQUEST_DIFF_BASE_SHA: request.baseSha,
    CI_MERGE_REQUEST_ID: String(request.iid),
    CI_MERGE_REQUEST_IID: String(request.iid),
    CI_MERGE_REQUEST_REF_PATH: gitRef(facts),
    CI_MERGE_REQUEST_PROJECT_ID: String(facts.projectId),
    CI_MERGE_REQUEST_PROJECT_PATH: facts.projectPath,
    CI_MERGE_REQUEST_PROJECT_URL: url,
    CI_MERGE_REQUEST_TARGET_BRANCH_NAME: request.targetBranch,
    CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED: String(request.targetBranch === facts.defaultBranch),
    CI_MERGE_REQUEST_SOURCE_PROJECT_ID: String(facts.projectId),
    CI_MERGE_REQUEST_SOURCE_PROJECT_PATH: facts.projectPath,
    CI_MERGE_REQUEST_SOURCE_PROJECT_URL: url,
    CI_MERGE_REQUEST_SOURCE_BRANCH_NAME: facts.ref,
    CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED: String(facts.ref === facts.defaultBranch),
    CI_MERGE_REQUEST_TITLE: title,
    CI_OPEN_MERGE_REQUESTS: `${facts.projectPath}!${request.iid}`,
  };
}

export function userVariables(): Values {
  return {
    GITLAB_USER_ID: String(USER.id),
    GITLAB_USER_EMAIL: USER.email,
    GITLAB_USER_LOGIN: USER.login,
    GITLAB_USER_NAME: USER.name,
  };
}

/**
 * What every job of the pipeline has and the expressions of the file see; a job's own come on top.
 */
export function pipelineVariables(facts: PipelineFacts): Values {
  return {
    CI_PIPELINE_ID: String(facts.pipelineId),
    CI_PIPELINE_URL: `${facts.serverUrl}/${facts.projectPath}/-/pipelines/${facts.pipelineId}`,
    ...projectVariables(facts),
    ...commitVariables(facts),
    ...userVariables(),
  };
}
