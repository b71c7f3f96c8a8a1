import type { JobImage } from '../gitlab/types';
import { quote } from '../ssh/quote';
import { Docker, lastLine } from './docker';
import { ContainerFailed, ImageRefused, NoDocker } from './errors';
import { jobLogins, provide } from './images';
import { BUILD_CONTAINER, NETWORK } from './names';
import type { ContainerRequest } from './request';
import { startService, waitForService } from './services';
import { sharedFolders } from './shared';
import { SHELL, START } from './stage';

/**
 * Starts the job's `image:` and `services:` with the instance's docker: a network of the job's own,
 * services under their aliases, and one container in which the user's stages are run. A job without
 * image and services costs nothing.
 * @throws NoDocker, ImageRefused, ContainerFailed
 */
export async function prepareContainers(request: ContainerRequest): Promise<void> {
  const { response, connection, log, signal } = request;
  const { image, services } = response;
  if (image === undefined && services.length === 0) return;
  const docker = new Docker(connection);
  await requireDocker(docker);
  try {
    const logins = await jobLogins(docker, request);
    await makeFolders(docker, request);
    const pullsEndMs = Date.now() + request.pullMs;
    for (const one of [...services, ...(image === undefined ? [] : [image])]) {
      signal.throwIfAborted();
      await provide(docker, one, logins, { ...request, pullMs: Math.max(1_000, pullsEndMs - Date.now()) });
    }
    await makeNetwork(docker);
    for (const [index, service] of services.entries()) await startService(docker, service, index, request);
    if (image !== undefined) await makeBuild(docker, image, request);
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
  const remedy = 'Use a profile whose image has docker, or take image and services out of the job.';
  if (exitCode === 127)
    throw new NoDocker('The job wants a container (image or services), but its instance has no docker', { remedy });
  throw new ContainerFailed(
    `The job wants a container (image or services), but docker on its instance does not answer: ${lastLine(stderr || stdout)}`,
    { remedy, retryable: true },
  );
}

/**
 * Ranges for the job's network, of which one is in no network of docker's. They are for
 * measurements (RFC 2544), so that neither a VPC, what is peered with it, nor a company's network
 * is there: docker's own choice, 172.16.0.0/12, is the default VPC's range too.
 */
const SUBNETS = ['198.18.0.0/24', '198.19.0.0/24'];

/** On an instance that was prepared before, what that left goes first. */
async function makeNetwork(docker: Docker): Promise<void> {
  const create = (subnet: string) => ['network', 'create', '--subnet', subnet, NETWORK];
  if ((await docker.run(create(SUBNETS[0]!))).exitCode === 0) return;
  const earlier = (await docker.run(['ps', '--all', '--quiet', '--filter', 'name=gitlab-spot-'])).stdout.split('\n');
  const ids = earlier.filter((id) => id !== '');
  if (ids.length > 0) await docker.run(['rm', '--force', '--volumes', ...ids]);
  await docker.run(['network', 'rm', NETWORK]);
  for (const subnet of SUBNETS) if ((await docker.run(create(subnet))).exitCode === 0) return;
  // Rather where docker would have it than nowhere.
  await docker.must('Making the network', ['network', 'create', NETWORK]);
}

async function makeFolders(docker: Docker, { buildsDir, cacheDir }: ContainerRequest): Promise<void> {
  await docker.shell(`mkdir -p ${quote(buildsDir)} ${quote(cacheDir)}`, { timeoutMs: 30_000 });
}

/**
 * Makes the job's container, and tries whether it runs a script: it is started anew for each stage.
 */
async function makeBuild(docker: Docker, image: JobImage, request: ContainerRequest): Promise<void> {
  const gpus = await gpuOptions(docker, request);
  await createBuild(docker, image, gpus, SHELL, request);
  let tried = await tryScript(docker, image, request);
  if (!tried.takesArguments) {
    // `["/bin/sh", "-c"]` runs the first word alone.
    await docker.must('Removing a container', ['rm', '--force', BUILD_CONTAINER]);
    await createBuild(docker, image, gpus, SHELL.slice(-1), request);
    tried = await tryScript(docker, image, request);
  }
  const { uid, gid } = tried;
  if (uid !== '0') await shareCheckout(docker, request.buildsDir, uid, gid);
  request.log.line(`The job's script runs in ${image.name}${uid === '0' ? '' : ` as user ${uid}:${gid}`}`);
}

/** NVIDIA's driver, and what docker looks for where it is asked for GPUs (nvidia-container-toolkit). */
const LOOK_FOR_GPUS =
  '[ ! -d /proc/driver/nvidia/gpus ] || { command -v nvidia-container-runtime-hook >/dev/null && echo usable || echo useless; }';

/** The job's container has all of its instance's GPUs, as with `gpus = "all"` of the docker executor. */
async function gpuOptions(docker: Docker, { log }: ContainerRequest): Promise<readonly string[]> {
  const found = (await docker.shell(LOOK_FOR_GPUS, { timeoutMs: 30_000 })).stdout.trim();
  if (found === 'useless')
    log.warn('The job’s container has no GPU: its instance has, but no nvidia-container-toolkit for docker');
  return found === 'usable' ? ['--gpus', 'all'] : [];
}

async function createBuild(
  docker: Docker,
  image: JobImage,
  gpus: readonly string[],
  command: readonly string[],
  request: ContainerRequest,
): Promise<void> {
  const [program, ...words] = image.entrypoint ?? [];
  const what = `the image ${image.name}`;
  await docker.make('create', { name: BUILD_CONTAINER, what, variables: request.variables }, [
    ...['--interactive', '--network', NETWORK, '--network-alias', 'build'],
    // Its output is a stage's, which is kept elsewhere.
    ...['--log-driver', 'none'],
    ...sharedFolders(request),
    ...gpus,
    ...(program === undefined ? [] : ['--entrypoint', program]),
    ...(image.user === undefined ? [] : ['--user', image.user]),
    ...(image.platform === undefined ? [] : ['--platform', image.platform]),
    ...[image.name, ...words, ...command],
  ]);
}

interface Trial {
  /** Who the script runs as, after the entry point's work. */
  readonly uid: string;
  readonly gid: string;
  /**
   * False where bash is there and a plain sh read the script: what should have chosen bash did not
   * run.
   */
  readonly takesArguments: boolean;
}

const TRIAL = 'echo "gitlab-spot: $(id -u):$(id -g):$0:$(command -v bash)."\n';

/** @throws ImageRefused, ContainerFailed */
async function tryScript(docker: Docker, image: JobImage, { entryPointMs }: ContainerRequest): Promise<Trial> {
  const tried = await docker.run(START, { stdin: TRIAL, timeoutMs: entryPointMs }).catch(async (error: unknown) => {
    // It ended what ran into the limit; after whatever else went wrong there is nothing to end.
    if ((await docker.run(['kill', BUILD_CONTAINER])).exitCode !== 0) throw error;
    return undefined;
  });
  const [, uid, gid, shell, bash] = /^gitlab-spot: (\d*):(\d*):([^:]*):(.*)\.$/m.exec(tried?.stdout ?? '') ?? [];
  if (uid !== undefined && gid !== undefined)
    return { uid: uid || '0', gid: gid || '0', takesArguments: bash === '' || shell !== 'sh' };
  const failure = tried && (await docker.failureOf(BUILD_CONTAINER, tried.exitCode));
  if (failure && !failure.isRefusal)
    throw new ContainerFailed(`Starting the image ${image.name} failed: ${failure.reason}`, { retryable: true });
  const why =
    tried === undefined
      ? `its entry point has not run a shell within ${entryPointMs / 1000} s`
      : lastLine(`${tried.stdout}\n${tried.stderr}`) || `it ended with exit code ${tried.exitCode}`;
  throw new ImageRefused(`The image ${image.name} does not run a shell: ${why}`, {
    remedy: /exec format error/i.test(why)
      ? 'It is for another processor than the instance’s: name an image that is for both, or another profile or SPOT_ARCH.'
      : 'It needs sh; an entry point that does not run its arguments is turned off with `entrypoint: [""]`.',
  });
}

/**
 * The runner's scripts give the checkout to whoever owns this file, and remove it in the end. Git on
 * the instance has to list the files in it all the same (`untracked: true`).
 */
async function shareCheckout(docker: Docker, buildsDir: string, uid: string, gid: string): Promise<void> {
  if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return;
  const file = quote(`${buildsDir}/.gitlab-build-uid-gid`);
  const share = `: >${file} && chown ${uid}:${gid} ${file} ${quote(buildsDir)}`;
  await docker.shell(`${share}; git config --global --add safe.directory '*'`, { timeoutMs: 30_000 });
}
