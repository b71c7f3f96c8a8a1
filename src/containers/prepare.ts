import type { JobVariables } from '../gitlab/expand';
import type { JobImage, JobResponse } from '../gitlab/types';
import { quote } from '../ssh/quote';
import type { SshConnection } from '../ssh/types';
import { Docker, lastLine } from './docker';
import { ImageRefused, NoDocker } from './errors';
import { keepCredentials, provide } from './images';
import { BUILD_CONTAINER, NETWORK } from './names';
import { startService, waitForService } from './services';
import { sharedFolders } from './shared';

export interface ContainerRequest {
  readonly connection: SshConnection;
  readonly response: JobResponse;
  /** The job's variables, expanded. */
  readonly variables: JobVariables;
  /** On the instance; mounted into the job's container at the same place. */
  readonly buildsDir: string;
  readonly cacheDir: string;
  /** Limit for all images together. */
  readonly pullMs: number;
  /** Limit for the services to become ready; 0: nobody waits. */
  readonly serviceMs: number;
  readonly log: { line(text: string): void; warn(text: string): void };
  readonly signal: AbortSignal;
}

/**
 * Starts the job's `image:` and `services:` with the instance's docker: a network of the job's own, services under their aliases, and one
 * container in which the user's stages are run. A job without image and services costs nothing.
 * @throws NoDocker, ImageRefused, ContainerFailed
 */
export async function prepareContainers(request: ContainerRequest): Promise<void> {
  const { response, connection, log, signal } = request;
  const { image, services } = response;
  if (image === undefined && services.length === 0) return;
  const docker = new Docker(connection);
  await requireDocker(docker);
  try {
    await keepCredentials(docker, request);
    await makeFolders(docker, request);
    const pullsEndMs = Date.now() + request.pullMs;
    for (const one of [...services, ...(image === undefined ? [] : [image])]) {
      signal.throwIfAborted();
      await provide(docker, one, { ...request, pullMs: Math.max(1_000, pullsEndMs - Date.now()) });
    }
    await makeNetwork(docker);
    for (const [index, service] of services.entries()) await startService(docker, service, index, request);
    if (image !== undefined) await startBuild(docker, image, request);
    await Promise.all(services.map((service, index) => waitForService(docker, service, index, request)));
    if (services.length > 0 && image === undefined) {
      log.warn('The job has services but no image: its script runs on the instance, where their aliases are not known');
    }
  } finally {
    await docker.forget();
  }
}

async function requireDocker(docker: Docker): Promise<void> {
  const { exitCode, stderr, stdout } = await docker.run(['version', '--format', '{{.Server.Version}}'], {
    timeoutMs: 60_000,
  });
  if (exitCode === 0) return;
  const missing = exitCode === 127;
  throw new NoDocker(
    missing
      ? 'The job wants a container (image or services), but its instance has no docker'
      : `The job wants a container (image or services), but docker on its instance does not answer: ${lastLine(stderr || stdout)}`,
    { remedy: 'Use a profile whose image has docker, or take image and services out of the job.' },
  );
}

/** On an instance that was prepared before, what that left goes first. */
async function makeNetwork(docker: Docker): Promise<void> {
  const create = ['network', 'create', NETWORK];
  if ((await docker.run(create)).exitCode === 0) return;
  const earlier = (await docker.run(['ps', '--all', '--quiet', '--filter', 'name=gitlab-spot-'])).stdout.split('\n');
  const ids = earlier.filter((id) => id !== '');
  if (ids.length > 0) await docker.run(['rm', '--force', '--volumes', ...ids]);
  await docker.run(['network', 'rm', NETWORK]);
  await docker.must('Making the network', create);
}

/**
 * The first process only holds the container open; each stage is a process of its own in it. With an entry point that takes no words of a
 * command (`["/bin/sh", "-c"]` makes `sh` of these), it is the open standard input on which that shell waits.
 */
const HOLD = ['sh', '-c', 'while :; do sleep 3600; done'];

async function makeFolders(docker: Docker, { buildsDir, cacheDir }: ContainerRequest): Promise<void> {
  await docker.shell(`mkdir -p ${quote(buildsDir)} ${quote(cacheDir)}`, { timeoutMs: 30_000 });
}

async function startBuild(docker: Docker, image: JobImage, request: ContainerRequest): Promise<void> {
  const { buildsDir, variables, log } = request;
  const [program, ...words] = image.entrypoint ?? [];
  await docker.start({ name: BUILD_CONTAINER, what: `the image ${image.name}`, variables }, [
    ...['--interactive', '--network', NETWORK, '--network-alias', 'build'],
    ...sharedFolders(request),
    ...(program === undefined ? [] : ['--entrypoint', program]),
    ...(image.user === undefined ? [] : ['--user', image.user]),
    ...(image.platform === undefined ? [] : ['--platform', image.platform]),
    ...[image.name, ...words, ...HOLD],
  ]);
  const user = image.user === undefined ? [] : ['--user', image.user];
  const probe = await docker.run(['exec', ...user, BUILD_CONTAINER, 'sh', '-c', 'id -u; id -g']);
  if (probe.exitCode !== 0) throw await noShell(docker, image, probe.stderr);
  const [uid = '0', gid = '0'] = probe.stdout.trim().split(/\s+/);
  if (uid !== '0') await shareCheckout(docker, buildsDir, uid, gid);
  log.line(`The job's script runs in ${image.name}${uid === '0' ? '' : ` as user ${uid}:${gid}`}`);
}

/** The runner's scripts give the checkout to whoever owns this file, and remove it in the end. */
async function shareCheckout(docker: Docker, buildsDir: string, uid: string, gid: string): Promise<void> {
  if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return;
  const file = quote(`${buildsDir}/.gitlab-build-uid-gid`);
  await docker.shell(`: >${file} && chown ${uid}:${gid} ${file} ${quote(buildsDir)}`, { timeoutMs: 30_000 });
}

async function noShell(docker: Docker, image: JobImage, stderr: string): Promise<ImageRefused> {
  const detail = lastLine(await docker.lastLines(BUILD_CONTAINER, 5)) || lastLine(stderr);
  return new ImageRefused(`The image ${image.name} does not run a shell: ${detail}`, {
    remedy: 'It needs sh; an entry point that does not run its arguments is turned off with `entrypoint: [""]`.',
  });
}
