import { linkSync, rmSync } from 'node:fs';
import type { Cloud } from '../cloud/types';
import { formatDuration } from '../duration';
import { SpotError } from '../errors';
import type { JobLog } from '../gitlab/job-log';
import type { RecordStore } from '../jobs/record-store';
import { claimFailed, claiming, givenUp, handedOver, type Preparing, type Spare } from '../jobs/transitions';
import type { InstanceFacts, Pool } from '../jobs/types';
import { releaseTime } from '../prepare/stack-args';
import type { Profile, Settings } from '../settings/types';
import type { SshConnection, WaitForSsh } from '../ssh';
import { readJobKey } from '../stages/job-key';
import { unfit } from './decide';
import { shapeOf } from './shape';

export interface ClaimDependencies {
  readonly settings: Pick<Settings, 'cloud' | 'ssh' | 'limits'>;
  readonly store: RecordStore;
  readonly cloud: Pick<Cloud, 'describeInstance' | 'tagInstance' | 'setReleaseTime'>;
  /**
   * The id of the profile's newest image, of a minute ago at most; undefined: it can't be asked
   * now.
   */
  readonly imageId: (profile: Profile) => Promise<string | undefined>;
  /** Pools that were taken from earlier tries of the job. */
  readonly losses: (jobKey: string) => Promise<readonly Pool[]>;
  readonly waitForSsh: WaitForSsh;
  readonly log: Pick<JobLog, 'line' | 'warn'>;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export interface ClaimRequest {
  /** On disk already. */
  readonly record: Preparing;
  readonly profile: Profile;
  /** What the instance is tagged with for the job. */
  readonly tags: (claimedAt: string) => Readonly<Record<string, string>>;
  /** So long the job wants it, milliseconds; it releases itself a margin later. */
  readonly lifeMs: number;
  /** What the job needs beyond what each spare has. */
  readonly provision: (connection: SshConnection) => Promise<void>;
}

/** A machine that waits answers within milliseconds; one that takes longer is no gain. */
const ANSWER_LIMIT_MS = 5_000;
/** If two can't be had (a missing permission, say), a third will fail for the same reason. */
const MOST_REFUSED = 2;

/**
 * Gives the job a spare machine, if one fits: taken on this disk first (only one job can win), then
 * told to the cloud, then to the job. A process that dies in between leaves a job's record that
 * names the spare, and a spare that names its taker.
 * @returns the job's instance; its record says `running` then. Undefined: there is none, and the
 * record names none.
 * @throws what `provision` throws, and the signal's reason: the spare is the job's then, and is
 * destroyed with it
 */
export async function claimSpare(
  request: ClaimRequest,
  dependencies: ClaimDependencies,
): Promise<InstanceFacts | undefined> {
  const { store, signal, now, log } = dependencies;
  let { record } = request;
  const { stackName } = record.identity;
  let refused = 0;
  for (const spare of await candidates(request, dependencies)) {
    const name = spare.identity.stackName;
    signal.throwIfAborted();
    // A claim that was cut off and taken up again keeps its time.
    if (record.spare?.stackName !== name) store.write((record = claiming(record, name, now())));
    if (store.takerOf(name) !== stackName && !store.take(name, stackName)) continue;
    const { instance } = spare;
    log.line(
      `Taking the spare machine ${instance.instanceId} (${instance.pool.instanceType} in ${instance.pool.zoneId}), ready since ${formatDuration(now() - Date.parse(instance.readyAt))}`,
    );
    const releaseAt = releaseTime(now(), request.lifeMs + dependencies.settings.limits.releaseMarginMs);
    let connection: SshConnection;
    try {
      connection = await answering(spare, request.tags(record.spare!.claimedAt), releaseAt, dependencies);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof SpotError)) throw error;
      log.warn(`The spare machine can't be used: ${error.message}`);
      // The spare's own record first: whoever dies here leaves it to the destroyer, and the job
      // without it.
      store.write(givenUp(spare, now()));
      if (++refused === MOST_REFUSED) break;
      continue;
    }
    await provisioned(connection, request, signal);
    const running = handedOver(record, spare, releaseAt, now());
    takeKey(store, name, stackName);
    store.write(running);
    store.remove(name);
    return running.instance;
  }
  if (record.spare) store.write(claimFailed(record));
  return undefined;
}

/**
 * Those that fit, the oldest first; one that the job has taken already before all others. Nothing
 * is asked where there is none.
 */
async function candidates(
  { record, profile }: ClaimRequest,
  { store, settings, imageId, losses, now }: ClaimDependencies,
): Promise<readonly Spare[]> {
  const { stackName } = record.identity;
  const wanted = { profile, shape: shapeOf(profile, settings), timeoutMs: record.timeoutMs, nowMs: now() };
  const waiting = store.spares().filter((spare): spare is Spare => spare.phase === 'spare');
  const own = waiting.filter(({ identity }) => store.takerOf(identity.stackName) === stackName);
  const fitting = waiting
    .filter((spare) => unfit(spare, { ...wanted, imageId: undefined }) === undefined)
    .filter(({ identity }) => store.takerOf(identity.stackName) === undefined)
    .sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  if (fitting.length === 0) return own;
  // The next try of a job that was interrupted has pools of its own to avoid.
  const [newest, lost] = await Promise.all([imageId(profile), losses(record.jobKey ?? '')]);
  if (newest === undefined || lost.length > 0) return own;
  return [...own, ...fitting.filter((spare) => spare.imageId === newest)];
}

class SpareGone extends SpotError {
  readonly blame = 'cloud';
}

/**
 * Tells the cloud whose it is now, and sees that it runs and answers: three calls and a login, side
 * by side. @throws SpotError
 */
async function answering(
  { identity, instance }: Spare,
  tags: Readonly<Record<string, string>>,
  releaseAt: string,
  { store, cloud, waitForSsh, signal }: ClaimDependencies,
): Promise<SshConnection> {
  const { instanceId, address, sshPort, sshUser, hostPublicKey } = instance;
  const stop = new AbortController();
  const login = waitForSsh(
    {
      address,
      port: sshPort,
      user: sshUser,
      hostPublicKey,
      privateKey: readJobKey(store.files(identity.stackName).privateKey),
    },
    { limitMs: ANSWER_LIMIT_MS, log: () => undefined, signal: AbortSignal.any([signal, stop.signal]) },
  );
  try {
    const [connection] = await Promise.all([
      login,
      cloud.tagInstance(instanceId, tags),
      cloud.setReleaseTime(instanceId, releaseAt),
      cloud.describeInstance(instanceId).then((seen) => {
        if (seen?.status !== 'Running') throw new SpareGone(`the cloud says that it is ${seen?.status ?? 'gone'}`);
        if (seen.recycling) throw new SpareGone('the cloud is about to take it back');
      }),
    ]);
    return connection;
  } catch (error) {
    stop.abort();
    await login.then(
      (connection) => connection.close(),
      () => undefined,
    );
    throw error;
  }
}

/** An image that is being pulled is not waited for. */
async function provisioned(connection: SshConnection, { provision }: ClaimRequest, signal: AbortSignal): Promise<void> {
  const hangUp = (): void => connection.close();
  signal.addEventListener('abort', hangUp);
  try {
    await provision(connection);
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', hangUp);
    connection.close();
  }
}

/** Before the job's record says that it runs: an instance that nobody can reach is of no use. */
function takeKey(store: RecordStore, spareName: string, stackName: string): void {
  const own = store.files(stackName).privateKey;
  rmSync(own, { force: true });
  linkSync(store.files(spareName).privateKey, own);
}
