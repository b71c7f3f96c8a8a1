import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { expandVariables, type JobVariables } from './expand';
import type { JobImage, JobResponse, JobService, When } from './types';

/**
 * JOB_RESPONSE_FILE: the job as GitLab handed it to the runner. GitLab owns the shape and changes it with every version, so each part is
 * read on its own: what is missing or strange counts as absent, and never fails a job.
 */

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
  id: lenient(z.optional(z.int().check(z.positive())), () => undefined),
  job_info: lenient(
    z.object({
      project_id: lenient(z.optional(z.int()), () => undefined),
      project_full_path: optionalText,
      name: optionalText,
    }),
    () => ({ project_id: undefined, project_full_path: undefined, name: undefined }),
  ),
  git_info: lenient(
    z.object({ protected: lenient(z.optional(z.nullable(z.boolean())), () => undefined), ref: optionalText }),
    () => ({ protected: undefined, ref: undefined }),
  ),
  runner_info: lenient(
    z.object({ timeout: lenient(z.optional(z.int().check(z.positive())), () => undefined) }),
    () => ({ timeout: undefined }),
  ),
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
      policy: lenient(z.string(), () => 'pull-push'),
      when: when('on_success'),
    }),
  ),
  dependencies: listOf(z.object({ artifacts_file: z.object({ filename: z.string() }) })),
});

type Parsed = z.infer<typeof response>;

/**
 * Undefined: there is no such file (an old runner), or it is not JSON.
 * @param variables the job's, expanded: not every version of the runner has filled them in where names of images refer to them.
 */
export function readJobResponse(file: string | undefined, variables: JobVariables): JobResponse | undefined {
  if (file === undefined) return undefined;
  try {
    const response = parseJobResponse(JSON.parse(readFileSync(file, 'utf8')));
    return response && withImagesExpanded(response, variables);
  } catch {
    return undefined;
  }
}

function withImagesExpanded(response: JobResponse, variables: JobVariables): JobResponse {
  const expand = (text: string): string => expandVariables(text, variables);
  const image = <I extends JobImage>(one: I): I => ({
    ...one,
    name: expand(one.name),
    user: one.user === undefined ? undefined : expand(one.user),
    platform: one.platform === undefined ? undefined : expand(one.platform),
  });
  return {
    ...response,
    image: response.image && image(response.image),
    services: response.services.map((one) => ({ ...image(one), alias: expand(one.alias) })),
  };
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
    usesCache: parsed.cache.some((one) => one.paths.length > 0),
    usesArtifacts: parsed.artifacts.length > 0 || parsed.dependencies.length > 0,
    savesArtifacts: parsed.artifacts.map((one) => one.when),
    savesCache: parsed.cache.filter((one) => one.policy !== 'pull' && one.paths.length > 0).map((one) => one.when),
    hasFileVariables: parsed.variables.some((one) => one.file),
    maskedValues: parsed.variables.filter((one) => one.masked && one.value !== '').map((one) => one.value),
    variables: parsed.variables,
    trusted: trusted(parsed),
  };
}

/**
 * What GitLab itself says. A job's author may set CI_* variables of his own, which override the predefined ones in the hooks'
 * environment; in the list they come later, so the first of a name is GitLab's.
 */
function trusted(parsed: Parsed): JobResponse['trusted'] {
  const predefined = (key: string): string | undefined => parsed.variables.find((one) => one.key === key)?.value;
  const protectedRef = parsed.git_info.protected ?? booleanOf(predefined('CI_COMMIT_REF_PROTECTED'));
  return {
    jobId: parsed.id,
    projectId: parsed.job_info.project_id,
    projectPath: parsed.job_info.project_full_path || predefined('CI_PROJECT_PATH'),
    serverUrl: predefined('CI_SERVER_URL'),
    protectedRef,
    refName: parsed.git_info.ref || predefined('CI_COMMIT_REF_NAME'),
    jobName: parsed.job_info.name || predefined('CI_JOB_NAME'),
    pipelineId: predefined('CI_PIPELINE_ID'),
    userLogin: predefined('GITLAB_USER_LOGIN'),
    // CI_JOB_TIMEOUT comes from the runner, behind the author's own.
    timeoutSeconds: parsed.runner_info.timeout,
  };
}

function booleanOf(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text === 'true';
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
