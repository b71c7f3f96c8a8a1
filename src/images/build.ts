import { CloudUnreachable } from '../cloud/errors';
import type { Cloud } from '../cloud/types';
import type { Images, OwnImage } from '../cloud/images';
import { PlacementRefused, type Engine } from '../engine';
import { ConfigurationError, SpotError } from '../errors';
import { TAG } from '../jobs/types';
import { BootTimeout, InstanceDisappeared, type Launched } from '../prepare/launch';
import type { JobStackArgs } from '../engine/types';
import { anotherPoolMayDo, refusalOf } from '../placement/refusals';
import type { Candidate } from '../placement/types';

/** The provisioning script ended with an exit code of its own. */
export class ProvisioningFailed extends SpotError {
  readonly blame = 'machine';
}

/** Something that was waited for did not come within its limit. */
export class ImageNotReady extends SpotError {
  readonly blame = 'cloud';
}

export interface BuildRequest {
  /** Also the image's family: a profile that names it gets the newest. */
  readonly name: string;
  readonly candidates: readonly Candidate[];
  readonly stackArgs: (candidate: Candidate, stackName: string, tags: Readonly<Record<string, string>>) => JobStackArgs;
  readonly executorId: string;
  readonly machine: string | undefined;
  /** How many images of the family stay. */
  readonly keep: number;
}

export interface BuildDependencies {
  readonly cloud: Pick<Cloud, 'describeInstance'>;
  readonly images: Images;
  readonly engine: Pick<Engine, 'destroy'>;
  /** Brings the stack up and waits for SSH. */
  readonly launch: (args: JobStackArgs) => Promise<Launched>;
  /** Runs the script on the instance and shows what it prints. @returns its exit code */
  readonly provision: (instance: Launched) => Promise<number>;
  /** Called before there is a stack, and once it is gone. */
  readonly atWork: (stackName: string) => void;
  readonly done: (stackName: string) => void;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

const STOP_LIMIT_MS = 5 * 60_000;
/** A snapshot of 40 GiB takes some minutes; of a large disk much longer. */
const IMAGE_LIMIT_MS = 60 * 60_000;
const FIRST_LOOK_MS = 500;
const LOOK_EVERY_MS = 5_000;

export const IMAGE_STACK = 'image-';

/**
 * Makes an image: an instance in a stack of its own, the script on it, a clean stop, the image;
 * whatever happens, the stack goes. Then the family's older images go, until `keep` are left.
 * @throws ProvisioningFailed, ImageNotReady, PlacementRefused, CloudRefused and what the engine
 * throws
 */
export async function buildImage(request: BuildRequest, dependencies: BuildDependencies): Promise<OwnImage> {
  const { images, now } = dependencies;
  const stamp = new Date(now()).toISOString().replace(/\D/g, '').slice(0, 14);
  const stackName = `${IMAGE_STACK}${request.name}-${stamp}`;
  const tags = {
    [TAG.kind]: 'image',
    [TAG.stack]: stackName,
    [TAG.executor]: request.executorId,
    ...(request.machine === undefined ? {} : { [TAG.machine]: request.machine }),
  };
  dependencies.atWork(stackName);
  let image: OwnImage;
  try {
    const instance = await launchSomewhere(request, stackName, tags, dependencies);
    await provisionOn(instance, dependencies);
    await stop(instance.instanceId, dependencies);
    const name = `${request.name}-${stamp}`;
    const description = `Made by gitlab-spot image build ${request.name}`;
    const imageId = await images.create(instance.instanceId, { name, family: request.name, description, tags });
    image = await finished(imageId, request.name, dependencies);
  } finally {
    await destroyStack(stackName, dependencies);
  }
  await prune(request, image, dependencies);
  return image;
}

/**
 * Reports the build's own failure, not that of destroying the stack: the reaper tries that again.
 */
async function destroyStack(stackName: string, { engine, done, say }: BuildDependencies): Promise<void> {
  say(`Destroying the stack ${stackName}`);
  try {
    await engine.destroy(stackName, { log: say });
    done(stackName);
  } catch (error) {
    say(`${stackName} is not destroyed yet: ${(error as Error).message}. \`gitlab-spot reap\` tries again`);
  }
}

/** The image once it is there; one that will not be is removed. */
async function finished(imageId: string, family: string, dependencies: BuildDependencies): Promise<OwnImage> {
  const { images, say } = dependencies;
  try {
    return await waitForImage(imageId, family, dependencies);
  } catch (error) {
    const half = (await images.own(family).catch(() => [])).find((one) => one.imageId === imageId);
    const removed = images.remove(half ?? { imageId, snapshotIds: [] });
    await removed.catch((problem: unknown) =>
      say(`The unfinished image ${imageId} stays (${(problem as Error).message}): \`gitlab-spot image rm\` removes it`),
    );
    throw error;
  }
}

async function launchSomewhere(
  { candidates, stackArgs }: BuildRequest,
  stackName: string,
  tags: Readonly<Record<string, string>>,
  { launch, engine, say, signal }: BuildDependencies,
): Promise<Launched> {
  let last: MayDoElsewhere | undefined;
  for (const candidate of candidates) {
    signal.throwIfAborted();
    say(`Starting ${candidate.instanceType} in ${candidate.zoneId} (${candidate.market})`);
    try {
      return await launch(stackArgs(candidate, stackName, tags));
    } catch (error) {
      if (!mayDoElsewhere(error)) throw error;
      say(`${candidate.instanceType} in ${candidate.zoneId}: ${error.message}; trying the next`);
      last = error;
      await engine.destroy(stackName, { log: say });
    }
  }
  throw new ConfigurationError(
    `No pool that was tried has an instance now (tried: ${candidates.length}; last: ${last?.message})`,
    {
      remedy: `${refusalOf(last?.code ?? '').remedy} Try again later, or with another --profile.`.trim(),
      retryable: true,
      cause: last,
    },
  );
}

type MayDoElsewhere = PlacementRefused | InstanceDisappeared | BootTimeout;

function mayDoElsewhere(error: unknown): error is MayDoElsewhere {
  if (error instanceof PlacementRefused) return error.isInstance && anotherPoolMayDo(error.code);
  return error instanceof InstanceDisappeared || error instanceof BootTimeout;
}

async function provisionOn(instance: Launched, { provision, say }: BuildDependencies): Promise<void> {
  say(`Provisioning ${instance.instanceId} at ${instance.address}`);
  const exitCode = await provision(instance).finally(() => instance.connection.close());
  if (exitCode === 0) return;
  throw new ProvisioningFailed(`The provisioning script ended with exit ${exitCode} on ${instance.instanceId}`, {
    remedy: 'What it printed stands above; fix the script (deploy/image/provision.sh, or --script).',
  });
}

async function stop(instanceId: string, dependencies: BuildDependencies): Promise<void> {
  const { images, cloud, say } = dependencies;
  await images.stop(instanceId);
  await waitFor(`${instanceId} to stop`, STOP_LIMIT_MS, dependencies, async () => {
    const instance = await cloud.describeInstance(instanceId);
    if (!instance)
      throw new ImageNotReady(`${instanceId} was taken back by the cloud before its image was made`, {
        retryable: true,
        remedy: 'Run image build again.',
      });
    return instance.status === 'Stopped' ? instance : undefined;
  });
  say(`${instanceId} is stopped`);
}

async function waitForImage(imageId: string, family: string, dependencies: BuildDependencies): Promise<OwnImage> {
  const { images, say } = dependencies;
  let shown = -1;
  return waitFor(`image ${imageId}`, IMAGE_LIMIT_MS, dependencies, async () => {
    const image = (await images.own(family)).find((one) => one.imageId === imageId);
    if (image?.status === 'CreateFailed')
      throw new ImageNotReady(`The cloud could not make image ${imageId}`, { remedy: 'Run image build again.' });
    if (image && image.progress !== shown) say(`Image ${imageId}: ${(shown = image.progress)} %`);
    return image?.status === 'Available' ? image : undefined;
  });
}

async function waitFor<T>(
  what: string,
  limitMs: number,
  { say, signal, now, pause }: BuildDependencies,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const untilMs = now() + limitMs;
  say(`Waiting for ${what} (limit ${limitMs / 60_000} min)`);
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(2 * pauseMs, LOOK_EVERY_MS)) {
    signal.throwIfAborted();
    const found = await look().catch(askAgain);
    if (found instanceof CloudUnreachable) say(`${found.message}; it is asked again`);
    else if (found !== undefined) return found;
    if (now() >= untilMs)
      throw (
        found ??
        new ImageNotReady(`Waited ${limitMs / 60_000} min for ${what}`, {
          remedy: 'Look at it in the console, then run image build again.',
        })
      );
    await pause(pauseMs);
  }
}

/** A network that is gone for a while is no reason to throw away what was built. */
function askAgain(error: unknown): CloudUnreachable {
  if (error instanceof CloudUnreachable) return error;
  throw error;
}

/**
 * Only what `image build` made: an image of the same family that somebody made by hand stays. The
 * new one counts, whatever becomes of the older: a job may still run on one.
 */
async function prune({ name, keep }: BuildRequest, made: OwnImage, { images, say }: BuildDependencies): Promise<void> {
  const family = (await images.own(name).catch(() => [])).filter((one) => one.tags[TAG.kind] === 'image');
  const good = family.filter((one) => one.status === 'Available' && one.imageId !== made.imageId);
  const failed = family.filter((one) => one.status === 'CreateFailed');
  const older = [...good.slice(Math.max(0, keep - 1)), ...failed];
  for (const image of older) {
    const which = `older image ${image.name} (${image.imageId})`;
    await images.remove(image).then(
      () => say(`Removed the ${which}`),
      (problem: Error) => say(`The ${which} stays: ${problem.message}. The next build tries again`),
    );
  }
  await images
    .removeRest()
    .catch((problem: Error) => say(`Snapshots of removed images may be left: ${problem.message}`));
}
