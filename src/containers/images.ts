import type { JobImage, JobResponse } from '../gitlab/types';
import { lastWord, type Docker } from './docker';
import { ContainerFailed, ImageRefused } from './errors';
import type { ContainerRequest } from './prepare';

/**
 * Logs in with what GitLab gave the job, for the time of the pulls. DOCKER_AUTH_CONFIG, a variable that GitLab documents, comes first.
 * A refused login is a warning: the image may be public.
 */
export async function logIn(docker: Docker, response: JobResponse, log: ContainerRequest['log']): Promise<void> {
  const given = response.variables.DOCKER_AUTH_CONFIG;
  if (given !== undefined && isJsonObject(given)) await docker.keep('config.json', given);
  for (const { url, username, password } of response.registryCredentials) {
    const { exitCode, stderr } = await docker.run(['login', '--username', username, '--password-stdin', url], {
      stdin: password,
    });
    if (exitCode !== 0) log.warn(`The registry ${url} does not take the job's credentials: ${lastWord(stderr)}`);
  }
}

/** A registry that is not there is not worth a job that finds its image on the machine; GitLab's default is `always` alone. */
const DEFAULT_POLICIES = ['always', 'if-not-present'] as const;

/** Gets an image by the job's pull policies, each tried in its order. @throws ImageRefused, ContainerFailed */
export async function provide(docker: Docker, image: JobImage, request: ContainerRequest): Promise<void> {
  const policies = image.pullPolicies.length > 0 ? image.pullPolicies : DEFAULT_POLICIES;
  let problem = '';
  for (const policy of policies) {
    const present = policy !== 'always' && (await docker.run(['image', 'inspect', image.name])).exitCode === 0;
    if (present) {
      request.log.line(
        `Image ${image.name}: the one on the instance${problem === '' ? '' : ` (the pull failed: ${problem})`}`,
      );
      return;
    }
    if (policy === 'never') problem = 'it is not on the instance, and the pull policy is never';
    // Once is enough: the second policy would ask the same registry again.
    else if (problem === '' || policies.length === 1) problem = await pull(docker, image, request);
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
    if (exitCode !== 0) return lastWord(stderr) || `exit ${exitCode}`;
  } catch (error) {
    return (error as Error).message;
  }
  log.line(`Pulled ${image.name} in ${((Date.now() - startMs) / 1000).toFixed(1)} s`);
  return '';
}

/** What the registry says about this image will be said again. */
function isFinal(problem: string): boolean {
  return /manifest unknown|not found|does not exist|denied|unauthorized|invalid reference|no matching manifest|policy is never/i.test(
    problem,
  );
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}
