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
}

export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

/** Variables that GitLab gives every job of a pipeline, under GitLab's names. */
export function pipelineVariables(facts: PipelineFacts): Record<string, string> {
  const server = new URL(facts.serverUrl);
  const [project = ''] = facts.projectPath.split('/').slice(-1);
  const [title = '', ...rest] = facts.commitMessage.split('\n');
  const url = `${facts.serverUrl}/${facts.projectPath}`;
  return {
    CI_PIPELINE_ID: String(facts.pipelineId),
    CI_PIPELINE_IID: String(facts.pipelineId),
    CI_PIPELINE_URL: `${url}/-/pipelines/${facts.pipelineId}`,
    CI_PIPELINE_SOURCE: 'push',
    CI: 'true',
    GITLAB_CI: 'true',
    CI_SERVER_URL: facts.serverUrl,
    CI_SERVER_HOST: server.hostname,
    CI_SERVER_PORT: server.port,
    CI_SERVER_PROTOCOL: server.protocol.replace(':', ''),
    CI_SERVER_NAME: 'GitLab',
    CI_SERVER_VERSION: '18.5.0',
    CI_API_V4_URL: `${facts.serverUrl}/api/v4`,
    CI_PROJECT_ID: String(facts.projectId),
    CI_PROJECT_NAME: project,
    CI_PROJECT_TITLE: project,
    CI_PROJECT_PATH: facts.projectPath,
    CI_PROJECT_PATH_SLUG: slug(facts.projectPath),
    CI_PROJECT_NAMESPACE: facts.projectPath.split('/').slice(0, -1).join('/'),
    CI_PROJECT_ROOT_NAMESPACE: facts.projectPath.split('/')[0] ?? '',
    CI_PROJECT_URL: url,
    CI_PROJECT_VISIBILITY: 'private',
    CI_DEFAULT_BRANCH: facts.defaultBranch,
    CI_CONFIG_PATH: '.gitlab-ci.yml',
    CI_COMMIT_SHA: facts.sha,
    CI_COMMIT_SHORT_SHA: facts.sha.slice(0, 8),
    CI_COMMIT_BEFORE_SHA: facts.beforeSha,
    CI_COMMIT_REF_NAME: facts.ref,
    CI_COMMIT_REF_SLUG: slug(facts.ref),
    ...(facts.refType === 'branch' ? { CI_COMMIT_BRANCH: facts.ref } : { CI_COMMIT_TAG: facts.ref }),
    CI_COMMIT_REF_PROTECTED: String(facts.ref === facts.defaultBranch),
    CI_COMMIT_MESSAGE: facts.commitMessage,
    CI_COMMIT_TITLE: title,
    CI_COMMIT_DESCRIPTION: rest.join('\n').replace(/^\n/, ''),
    CI_COMMIT_AUTHOR: facts.commitAuthor,
    CI_COMMIT_TIMESTAMP: facts.commitTimestamp,
    GITLAB_USER_ID: '1',
    GITLAB_USER_LOGIN: 'root',
    GITLAB_USER_NAME: 'Administrator',
    GITLAB_USER_EMAIL: 'root@example.com',
    CI_RUNNER_ID: '1',
  };
}
