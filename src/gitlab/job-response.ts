import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod/mini';
import { HostError } from '../errors';
import type { JobImage, JobResponse, JobService, OwnFields, When } from './types';

/**
 * JOB_RESPONSE_FILE: the job as GitLab handed it to the runner. GitLab owns the shape and changes
 * it with every version, so each part is read on its own: what is missing or strange counts as
 * absent. Who the job is, is another matter (job-facts.ts).
 */

/**
 * A job's variables have to fit into a process's environment (2 MiB), its scripts into GitLab's
 * limit for a file (2 MiB).
 */
const LARGEST_BYTES = 8 * 1024 * 1024;

/** The job response is there, and can't be used: nothing is known of the job then. */
export class JobResponseUnusable extends HostError {}

const lenient = <S extends z.ZodMiniType>(schema: S, fallback: () => z.output<S>) => z.catch(schema, fallback);
const listOf = <S extends z.ZodMiniType>(item: S) =>
  lenient(
    z.pipe(
      z.array(z.unknown()),
      z.transform((items) =>
        items.flatMap((one) => {
          const parsed = item.safeParse(one);
          return parsed.success ? [parsed.data] : [];
        }),
      ),
    ),
    () => [],
  );
const optionalText = lenient(z.optional(z.nullable(z.string())), () => undefined);

/** A runner that is newer than its GitLab writes 0 for what that did not say. */
const positive = lenient(z.optional(z.int().check(z.positive())), () => undefined);

/** When GitLab wants something saved; left out or empty: after a success. */
const when = (fallback: When) => lenient(z.enum(['on_success', 'on_failure', 'always']), () => fallback);

const variable = z.object({
  key: z.string(),
  value: lenient(z.string(), () => ''),
  masked: lenient(z.boolean(), () => false),
  file: lenient(z.boolean(), () => false),
  public: lenient(z.boolean(), () => false),
  raw: lenient(z.boolean(), () => false),
});

const imageFields = {
  name: lenient(z.string(), () => ''),
  entrypoint: lenient(z.optional(z.nullable(z.array(z.string()))), () => undefined),
  pull_policy: lenient(
    z.pipe(
      z.union([z.string(), z.array(z.string())]),
      z.transform((value) => (typeof value === 'string' ? [value] : value)),
    ),
    () => [],
  ),
  executor_opts: lenient(z.object({ docker: z.object({ user: optionalText, platform: optionalText }) }), () => ({
    docker: { user: undefined, platform: undefined },
  })),
};
const image = z.object(imageFields);
const service = z.object({
  ...imageFields,
  alias: optionalText,
  command: lenient(z.array(z.string()), () => []),
  variables: listOf(variable),
});

const response = z.object({
  id: positive,
  job_info: lenient(
    z.object({
      project_id: positive,
      project_full_path: optionalText,
      name: optionalText,
      user_id: positive,
      pipeline_id: positive,
    }),
    () => ({}),
  ),
  git_info: lenient(
    z.object({
      repo_url: optionalText,
      protected: lenient(z.optional(z.nullable(z.boolean())), () => undefined),
      ref: optionalText,
    }),
    () => ({}),
  ),
  runner_info: lenient(z.object({ timeout: positive }), () => ({})),
  variables: listOf(variable),
  image: lenient(image, () => image.parse({})),
  services: listOf(service),
  credentials: listOf(
    z.object({ type: lenient(z.string(), () => ''), url: z.string(), username: z.string(), password: z.string() }),
  ),
  steps: listOf(z.object({ name: z.string(), when: lenient(z.string(), () => 'on_success') })),
  artifacts: listOf(z.object({ when: when('on_success') })),
  cache: listOf(
    z.object({
      key: optionalText,
      paths: lenient(z.array(z.string()), () => []),
      untracked: lenient(z.boolean(), () => false),
      policy: lenient(z.string(), () => 'pull-push'),
      when: when('on_success'),
    }),
  ),
  dependencies: listOf(z.object({ artifacts_file: z.object({ filename: z.string() }) })),
});

type Parsed = z.infer<typeof response>;

/**
 * Undefined: the runner is too old to write one. Image names are not expanded yet
 * (gitlab/expand-names.ts).
 * @throws JobResponseUnusable
 */
export function readJobResponse(file: string | undefined): JobResponse | undefined {
  if (file === undefined) return undefined;
  const response = parseJobResponse(contentOf(file));
  if (response === undefined) throw unusable(file, 'is not a job');
  return response;
}

function contentOf(file: string): unknown {
  try {
    const stats = statSync(file);
    // A pipe would hold the hook until somebody writes.
    if (!stats.isFile()) throw unusable(file, 'is not a regular file');
    if (stats.size > LARGEST_BYTES) throw unusable(file, `is larger than ${LARGEST_BYTES / 1024 / 1024} MiB`);
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof JobResponseUnusable) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(file, code === undefined ? 'is not JSON' : `can't be read (${code})`);
  }
}

function unusable(file: string, why: string): JobResponseUnusable {
  return new JobResponseUnusable(`The job response ${file} ${why}, so it is unknown which job this is`, {
    remedy:
      'Run the job again; if it happens twice, check the disk of the runner host and the version of gitlab-runner.',
  });
}

export function parseJobResponse(value: unknown): JobResponse | undefined {
  const parsed = response.safeParse(value);
  return parsed.success ? toJobResponse(parsed.data) : undefined;
}

function toJobResponse(parsed: Parsed): JobResponse {
  return {
    image: parsed.image.name === '' ? undefined : toImage(parsed.image),
    services: parsed.services.filter((one) => one.name !== '').map(toService),
    registryCredentials: parsed.credentials
      .filter((one) => one.type === 'registry' || one.type === '')
      .map(({ url, username, password }) => ({ url, username, password })),
    steps: parsed.steps,
    usesCache: parsed.cache.some(hasContent),
    usesArtifacts: parsed.artifacts.length > 0 || parsed.dependencies.length > 0,
    savesArtifacts: parsed.artifacts.map((one) => one.when),
    savesCache: parsed.cache.filter((one) => one.policy !== 'pull' && hasContent(one)).map((one) => one.when),
    hasFileVariables: parsed.variables.some((one) => one.file),
    maskedValues: parsed.variables.filter((one) => one.masked && one.value !== '').map((one) => one.value),
    variables: parsed.variables,
    own: ownFields(parsed),
  };
}

/** The runner passes by a cache that has neither. */
function hasContent({ paths, untracked }: Parsed['cache'][number]): boolean {
  return paths.length > 0 || untracked;
}

function ownFields({ id, job_info: job, git_info: git, runner_info: runner }: Parsed): OwnFields {
  return {
    jobId: id,
    projectId: job.project_id,
    projectPath: job.project_full_path || undefined,
    repoUrl: git.repo_url || undefined,
    ref: git.ref || undefined,
    protectedRef: git.protected ?? undefined,
    jobName: job.name || undefined,
    userId: job.user_id,
    pipelineId: job.pipeline_id,
    timeoutSeconds: runner.timeout,
  };
}

const PULL_POLICIES = ['always', 'if-not-present', 'never'] as const;

function toImage(parsed: z.infer<typeof image>): JobImage {
  return {
    name: parsed.name,
    entrypoint: parsed.entrypoint ?? undefined,
    pullPolicies: PULL_POLICIES.filter((policy) => parsed.pull_policy.includes(policy)).sort(
      (a, b) => parsed.pull_policy.indexOf(a) - parsed.pull_policy.indexOf(b),
    ),
    user: parsed.executor_opts.docker.user || undefined,
    platform: parsed.executor_opts.docker.platform || undefined,
  };
}

function toService(parsed: z.infer<typeof service>): JobService {
  return {
    ...toImage(parsed),
    alias: parsed.alias ?? '',
    command: parsed.command,
    variables: parsed.variables,
  };
}
