import * as z from 'zod/mini';
import type { JobVariables } from '../gitlab/expand';
import type { JobImage, JobResponse } from '../gitlab/types';
import { lastLine, type Docker } from './docker';
import { ContainerFailed, ImageRefused } from './errors';
import type { ContainerRequest } from './prepare';

/**
 * Keeps what the job may pull with for the time of the pulls: DOCKER_AUTH_CONFIG, a variable that GitLab documents, and what GitLab gave the
 * job for registries that it doesn't name. https://docs.gitlab.com/ci/docker/using_docker_images/#use-statically-defined-credentials
 */
export async function keepCredentials(docker: Docker, { response, variables, log }: ContainerRequest): Promise<void> {
  const given = authConfig(response, variables);
  if (given === undefined) log.warn('DOCKER_AUTH_CONFIG is not JSON, so it is not used');
  const ofJob = response.registryCredentials.map(
    ({ url, username, password }) =>
      [url, { auth: Buffer.from(`${username}:${password}`).toString('base64') }] as const,
  );
  const config = { ...given, auths: { ...Object.fromEntries(ofJob), ...given?.auths } };
  if (Object.keys(config).length > 1 || Object.keys(config.auths).length > 0)
    await docker.keep('config.json', JSON.stringify(config));
}

const dockerConfig = z.looseObject({ auths: z.optional(z.record(z.string(), z.unknown())) });

/** Undefined: it can't be read. As a variable of type file it is the content that counts. */
function authConfig(response: JobResponse, variables: JobVariables): z.infer<typeof dockerConfig> | undefined {
  const own = response.variables.findLast(({ key }) => key === 'DOCKER_AUTH_CONFIG');
  const text = own?.file ? own.value : (variables.DOCKER_AUTH_CONFIG ?? own?.value ?? '');
  if (text.trim() === '') return {};
  try {
    return dockerConfig.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A registry that is not there is not worth a job that finds its image on the machine; GitLab's default is `always` alone. */
const DEFAULT_POLICIES = ['always', 'if-not-present'] as const;

/** Gets an image by the job's pull policies, each tried in its order. @throws ImageRefused, ContainerFailed */
export async function provide(docker: Docker, image: JobImage, request: ContainerRequest): Promise<void> {
  const policies = image.pullPolicies.length > 0 ? image.pullPolicies : DEFAULT_POLICIES;
  let problem = '';
  let pulled = false;
  for (const policy of policies) {
    const present = policy !== 'always' && (await docker.run(['image', 'inspect', image.name])).exitCode === 0;
    if (present) {
      request.log.line(
        `Image ${image.name}: the one on the instance${problem === '' ? '' : ` (the pull failed: ${problem})`}`,
      );
      return;
    }
    if (policy === 'never') {
      problem ||= 'it is not on the instance, and the pull policy is never';
      continue;
    }
    // Once is enough: another policy would ask the same registry again.
    if (pulled) continue;
    pulled = true;
    problem = await pull(docker, image, request);
    if (problem === '') return;
  }
  const message = `The image ${image.name} can't be had: ${problem}`;
  if (isFinal(problem)) {
    throw new ImageRefused(message, { remedy: 'Check its name and tag, and that the job may read that registry.' });
  }
  throw new ContainerFailed(message, { retryable: true });
}

async function pull(docker: Docker, image: JobImage, { log, pullMs }: ContainerRequest): Promise<string> {
  log.line(`Pulling ${image.name} (limit ${Math.round(pullMs / 1000)} s)`);
  const startMs = Date.now();
  const platform = image.platform === undefined ? [] : ['--platform', image.platform];
  try {
    const { exitCode, stderr } = await docker.run(['pull', '--quiet', ...platform, image.name], { timeoutMs: pullMs });
    if (exitCode !== 0) return lastLine(stderr) || `exit ${exitCode}`;
  } catch (error) {
    return (error as Error).message;
  }
  log.line(`Pulled ${image.name} in ${((Date.now() - startMs) / 1000).toFixed(1)} s`);
  return '';
}

/** What the registry says about this image will be said again. */
function isFinal(problem: string): boolean {
  return /manifest unknown|not found|does not exist|denied|unauthorized|no basic auth credentials|invalid reference|no matching manifest|policy is never/i.test(
    problem,
  );
}
