/**
 * A job's variables as GitLab hands them out: where they come from, and in which order
 * (Ci::Build#variables, GitLab 17 to 18).
 */
import { createHash, randomBytes } from 'node:crypto';
import { expand } from '../driver/variables';
import { commitVariables, gitRef, projectVariables, slug, userVariables, type PipelineFacts } from '../pipeline/facts';
import type { JobDefinition } from '../pipeline/job-definition';
import type { JobDependency, JobVariable } from '../payload';

const DEFAULT_TIMEOUT_SECONDS = 3600;
const ENVIRONMENT_SLUG_LENGTH = 24;

export interface PayloadSources {
  readonly id: number;
  readonly job: JobDefinition;
  readonly facts: PipelineFacts;
  readonly dependencies: readonly JobDependency[];
  /** Of the runner that takes it. */
  readonly runnerTags: readonly string[];
  /** From the dotenv reports of earlier jobs. */
  readonly handedOn: Readonly<Record<string, string>>;
  /** The newest commit that touched any of these files. */
  readonly lastChange: (files: readonly string[]) => Promise<string>;
  readonly nowMs: number;
}

export interface HandedOutVariables {
  readonly variables: readonly JobVariable[];
  /** Replaces references in any text of the job's definition. */
  readonly expand: (text: string) => string;
  /** The value that counts: the last of a name. */
  readonly last: (key: string) => string | undefined;
}

export function variable(key: string, value: string, more: Partial<JobVariable> = {}): JobVariable {
  return { key, value, public: true, masked: false, file: false, raw: false, ...more };
}

const secret = { public: false, masked: true };

const plain = (values: Readonly<Record<string, string>>): JobVariable[] =>
  Object.entries(values).map(([key, value]) => variable(key, value));

/**
 * GitLab's order: what the job is (persisted), id_tokens, what it is called, server and project,
 * pipeline and commit, the runner, the file's, the user's, those of earlier jobs, those given for
 * the run, and the environment once more. So the first of a name is not always GitLab's: an
 * id_token or a variable of the file may carry any name.
 */
export function jobVariables(sources: PayloadSources, token: string): HandedOutVariables {
  const { id, job, facts, handedOn, nowMs, runnerTags } = sources;
  const url = `${facts.serverUrl}/${facts.projectPath}`;
  const all = (environment: Environment) => [
    ...plain({
      CI_PIPELINE_ID: String(facts.pipelineId),
      CI_PIPELINE_URL: `${url}/-/pipelines/${facts.pipelineId}`,
      CI_JOB_ID: String(id),
      CI_JOB_URL: `${url}/-/jobs/${id}`,
    }),
    variable('CI_JOB_TOKEN', token, secret),
    ...plain({ CI_JOB_STARTED_AT: new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z'), CI_BUILD_ID: String(id) }),
    variable('CI_REGISTRY_USER', 'gitlab-ci-token'),
    variable('CI_REGISTRY_PASSWORD', token, secret),
    variable('CI_REPOSITORY_URL', repositoryUrl(facts, token), { public: false }),
    ...Object.entries(job.idTokens).map(([key, audiences]) => variable(key, idToken(sources, audiences), secret)),
    ...plain({
      CI_JOB_NAME: job.name,
      CI_JOB_NAME_SLUG: slug(job.name),
      CI_JOB_GROUP_NAME: job.baseName,
      CI_JOB_STAGE: job.stage,
      ...(job.when === 'manual' || job.when === 'delayed' ? { CI_JOB_MANUAL: 'true' } : {}),
      ...(job.node.index === undefined ? {} : { CI_NODE_INDEX: String(job.node.index) }),
      CI_NODE_TOTAL: String(job.node.total),
      ...environment.predefined,
    }),
    ...plain(projectVariables(facts)),
    ...Object.entries(commitVariables(facts)).map(([key, value]) =>
      variable(key, value, { raw: key.startsWith('CI_COMMIT_') }),
    ),
    ...plain({ CI_RUNNER_ID: '1', CI_RUNNER_DESCRIPTION: 'sandbox', CI_RUNNER_TAGS: JSON.stringify(runnerTags) }),
    ...job.variables.map(({ key, value, raw }) => variable(key, value, { raw })),
    ...plain(userVariables()),
    ...plain(handedOn),
    ...plain(facts.given),
    ...plain(environment.persisted),
    variable('CI_JOB_TIMEOUT', String(timeoutSeconds(job))),
  ];
  const resolved = resolve(all(NO_ENVIRONMENT));
  return job.environment ? resolve(all(environmentOf(job.environment, resolved.expand))) : resolved;
}

export function repositoryUrl(facts: PipelineFacts, token: string): string {
  return `${facts.serverUrl.replace('://', `://gitlab-ci-token:${token}@`)}/${facts.projectPath}.git`;
}

/** The job's own limit, seconds. */
export function timeoutSeconds(job: JobDefinition): number {
  return job.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
}

/**
 * Variables within variables, as GitLab replaces them before a runner sees the job: one that nobody
 * knows stays as it is, `$$` too, and so does what refers to itself.
 */
function resolve(variables: readonly JobVariable[]): HandedOutVariables {
  const byKey = new Map(variables.map((one) => [one.key, one]));
  const within = (text: string, chain: readonly string[]): string =>
    expand(text, (name, written) => {
      const inner = byKey.get(name);
      return !inner || chain.includes(name) ? written : valueOf(inner, [...chain, name]);
    });
  const valueOf = (one: JobVariable, chain: readonly string[]): string =>
    one.raw ? one.value : within(one.value, chain);
  const last = new Map(variables.map((one) => [one.key, valueOf(one, [one.key])]));
  return {
    variables: variables.map((one) => ({ ...one, value: valueOf(one, [one.key]) })),
    expand: (text) => within(text, []),
    last: (key) => last.get(key),
  };
}

interface Environment {
  readonly predefined: Readonly<Record<string, string>>;
  readonly persisted: Readonly<Record<string, string>>;
}

const NO_ENVIRONMENT: Environment = { predefined: {}, persisted: {} };

function environmentOf(
  environment: NonNullable<JobDefinition['environment']>,
  expandText: (text: string) => string,
): Environment {
  const name = expandText(environment.name);
  return {
    predefined: {
      CI_ENVIRONMENT_NAME: name,
      CI_ENVIRONMENT_ACTION: environment.action ?? 'start',
      CI_ENVIRONMENT_TIER: environment.tier ?? 'other',
    },
    persisted: {
      CI_ENVIRONMENT_SLUG: environmentSlug(name),
      ...(environment.url ? { CI_ENVIRONMENT_URL: environment.url } : {}),
    },
  };
}

/**
 * Of 24 characters at most; one that is not the name itself ends with six that stand for the name.
 */
export function environmentSlug(name: string): string {
  const simple = name.toLowerCase().replace(/[^a-z0-9]/g, '-');
  const whole = (/^[a-z]/.test(simple) ? simple : `env-${simple}`).replace(/-+/g, '-');
  if (whole === name && whole.length <= ENVIRONMENT_SLUG_LENGTH) return whole.replace(/-$/, '');
  const hash = BigInt(`0x${createHash('sha256').update(name).digest('hex')}`).toString(36);
  return `${whole.slice(0, 17).replace(/-$/, '')}-${hash.slice(-6)}`;
}

/** A token with the claims that GitLab's have. Nobody can check its signature. */
function idToken({ id, job, facts, nowMs }: PayloadSources, audiences: readonly string[]): string {
  const now = Math.floor(nowMs / 1000);
  const claims = {
    iss: facts.serverUrl,
    aud: audiences.length === 1 ? audiences[0] : audiences,
    sub: `project_path:${facts.projectPath}:ref_type:${facts.refType}:ref:${facts.ref}`,
    iat: now,
    exp: now + timeoutSeconds(job),
    project_id: String(facts.projectId),
    project_path: facts.projectPath,
    pipeline_id: String(facts.pipelineId),
    pipeline_source: facts.source,
    job_id: String(id),
    ref: facts.ref,
    ref_path: facts.mergeRequest ? gitRef(facts) : `refs/${facts.refType === 'tag' ? 'tags' : 'heads'}/${facts.ref}`,
    ref_protected: String(facts.protectedRef),
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${randomBytes(32).toString('base64url')}`;
}
