import * as z from 'zod/mini';
import type { JobVariables } from '../gitlab/expand';
import type { JobImage, JobResponse } from '../gitlab/types';
import { configForImage, parseDockerConfig, passwordLogin, type DockerConfig, type Logins } from './credentials';
import { lastLine, type Docker } from './docker';
import { ContainerFailed, ImageRefused } from './errors';
import type { ContainerRequest } from './request';

const HELPER_LIMIT_MS = 30_000;
const LONGEST_CONFIG = 1024 * 1024;

/**
 * What the job may pull with, in GitLab's order: DOCKER_AUTH_CONFIG, the config of the user on the
 * instance (GitLab's docker executor: on the runner's host), what GitLab gave the job. Programs
 * that hold credentials are asked on the instance.
 */
export async function jobLogins(docker: Docker, { response, variables, log }: ContainerRequest): Promise<Logins[]> {
  const given = authConfig(response, variables);
  const config = given.trim() === '' ? undefined : parseDockerConfig(given);
  if (config === undefined && given.trim() !== '')
    log.warn('DOCKER_AUTH_CONFIG is ignored: it is not a docker configuration');
  const ofUser = parseDockerConfig(await readUserConfig(docker));
  return [
    ...(config ? [await loginsOf(docker, config, log)] : []),
    ...(ofUser ? [await loginsOf(docker, ofUser, log)] : []),
    Object.fromEntries(
      response.registryCredentials.map(({ url, username, password }) => [url, passwordLogin(username, password)]),
    ),
  ];
}

/** As a variable of type file it is the content that counts. */
function authConfig(response: JobResponse, variables: JobVariables): string {
  const own = response.variables.findLast(({ key }) => key === 'DOCKER_AUTH_CONFIG');
  return own?.file ? own.value : (variables.DOCKER_AUTH_CONFIG ?? own?.value ?? '');
}

async function readUserConfig(docker: Docker): Promise<string> {
  const files = '"$HOME/.docker/config.json" "$HOME/.dockercfg"';
  const command = `for file in ${files}; do if [ -f "$file" ]; then head -c ${LONGEST_CONFIG} "$file"; exit; fi; done`;
  return (await docker.shell(command, { timeoutMs: HELPER_LIMIT_MS })).stdout;
}

/**
 * Within one config, a helper of a registry comes before the store of all, and that before what is
 * written out.
 */
async function loginsOf(docker: Docker, config: DockerConfig, log: ContainerRequest['log']): Promise<Logins> {
  const logins: Record<string, Logins[string]> = { ...config.auths };
  const store = config.credsStore;
  const stored = store ? await ask(docker, store, 'list', '', registries, log) : undefined;
  const ofStore = Object.keys(stored ?? {}).map((registry) => [registry, store!] as const);
  for (const [registry, program] of [...ofStore, ...Object.entries(config.credHelpers ?? {})]) {
    const found = await ask(docker, program, 'get', registry, credential, log);
    if (found) logins[registry] = loginOf(found);
  }
  return logins;
}

const registries = z.record(z.string(), z.string());
const credential = z.object({ Username: z.string(), Secret: z.string() });

function loginOf({ Username, Secret }: z.infer<typeof credential>): Logins[string] {
  return Username === '<token>' ? { identitytoken: Secret } : passwordLogin(Username, Secret);
}

/**
 * https://github.com/docker/docker-credential-helpers: a registry on standard input, JSON on
 * standard output.
 */
async function ask<T>(
  docker: Docker,
  program: string,
  verb: 'list' | 'get',
  registry: string,
  schema: z.ZodMiniType<T>,
  log: ContainerRequest['log'],
): Promise<T | undefined> {
  const command = `exec docker-credential-${program} ${verb}`;
  const { stdout, stderr, exitCode } = await docker.shell(command, { stdin: registry, timeoutMs: HELPER_LIMIT_MS });
  let reason = 'its answer is not what docker expects';
  try {
    if (exitCode === 0) return schema.parse(JSON.parse(stdout));
    reason = lastLine(stderr) || lastLine(stdout) || `exit ${exitCode}`;
  } catch {
    // What it printed holds the credentials: nothing of it is told.
  }
  log.warn(`docker-credential-${program} on the instance gave no credentials: ${reason}`);
  return undefined;
}

/**
 * If the registry does not answer, a job whose image is on the machine need not fail; GitLab's
 * default is `always` alone.
 */
const DEFAULT_POLICIES = ['always', 'if-not-present'] as const;

/**
 * Gets an image by the job's pull policies, each tried in its order. @throws ImageRefused,
 * ContainerFailed
 */
export async function provide(
  docker: Docker,
  image: JobImage,
  logins: readonly Logins[],
  request: ContainerRequest,
): Promise<void> {
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
    await docker.keep('config.json', configForImage(image.name, logins));
    problem = await pull(docker, image, request);
    if (problem === '') return;
  }
  const message = `The image ${image.name} can't be had: ${problem}`;
  const remedy = remedyOf(problem);
  if (remedy !== undefined) throw new ImageRefused(message, { remedy });
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

/** Of what will be said again on another instance: by the registry about this image, or by a disk of that size. */
function remedyOf(problem: string): string | undefined {
  if (/no space left on device/i.test(problem))
    return 'It needs a larger disk: `SPOT_DISK`, or another profile (`disk` in instances.yaml).';
  return /(manifest|name) unknown|not found|does not exist|denied|unauthorized|no basic auth credentials|invalid reference|no matching manifest|policy is never/i.test(
    problem,
  )
    ? 'Check its name and tag, and that the job may read that registry.'
    : undefined;
}
