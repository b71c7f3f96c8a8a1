import writeFileAtomic from 'write-file-atomic';
import { mayPay, type BudgetedJob } from '../billing/budget-check';
import type { Cloud, CloudImage } from '../cloud/types';
import { PlacementRefused, type Engine, type UpApart } from '../engine';
import { ConfigurationError, SpotError } from '../errors';
import type { JobLog } from '../gitlab/job-log';
import type { Slot } from '../host/queue';
import { acceptedQueue } from '../host/slots';
import { UpSlot } from '../host/up-slot';
import type { RecordStore } from '../jobs/record-store';
import {
  beaten,
  cutOff,
  deleting,
  failedLaunch,
  launched,
  launchForgotten,
  launching,
  poolFailed,
  reserved,
  type Preparing,
} from '../jobs/transitions';
import type { InstanceFacts, JobRecord } from '../jobs/types';
import { refusalOf, type Candidate, type Placement } from '../placement';
import { described, noCandidate } from '../placement/messages';
import { counted } from '../plural';
import type { Profile, Settings } from '../settings/types';
import { generateHostKeyPair, loginKeyPair, type SshConnection, type SshKeyPair, type WaitForSsh } from '../ssh';
import { BootTimeout, InstanceDisappeared, launch, type LaunchPoint, type Launched, type Seen } from './launch';
import { instanceFacts } from './instance-facts';
import { imageOf, releaseTime, stackArgs, type StackFacts } from './stack-args';
import { userData } from './user-data';

export interface MakerDependencies {
  readonly settings: Settings;
  readonly store: RecordStore;
  readonly log: Pick<JobLog, 'line' | 'warn'>;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /**
   * Reserves the most the job may cost in the month's budget, by writing its record.
   * @returns warnings @throws BudgetExhausted, TooManyJobs
   */
  readonly checkBudget: (job: BudgetedJob) => Promise<readonly string[]>;
  readonly cloud: Cloud;
  readonly engine: Engine;
  /**
   * Brings a stack up in a process of its own, which prepare may leave running. Left out: in this
   * process.
   */
  readonly upApart?: (stackName: string) => UpApart;
  readonly placement: Placement;
  readonly waitForSsh: WaitForSsh;
  /**
   * How a starting instance is watched: one call serves all jobs of the host. Left out: each asks
   * the cloud itself.
   */
  readonly lookUp?: Cloud['findInstances'];
  /** Between two looks at an instance that starts. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
  /**
   * Called for an instance that ran but never answered: it is gone, and was billed all the same.
   */
  readonly onGone: (record: JobRecord, goneAt: Date) => Promise<void>;
  /** Called at each point on an instance's way; once more for each further pool. */
  readonly onPoint?: (point: LaunchPoint) => void;
}

/** What is to be made, for a job or to wait for one. */
export interface Order {
  /** On disk already. */
  readonly record: Preparing;
  readonly profile: Profile;
  readonly tags: Readonly<Record<string, string>>;
  /** How long the instance is needed, in milliseconds; it releases itself some time after that. */
  readonly lifeMs: number;
  /** True: GitLab itself says which project's it is, or it is a spare machine. */
  readonly verified: boolean;
  /** Waits for a slot to create an instance, or throws. */
  readonly acquireSlot: () => Promise<Slot>;
  /** Makes a reachable instance ready for stages. */
  readonly provision: (connection: SshConnection) => Promise<void>;
  /** The record of one that is ready. */
  readonly ready: (record: Preparing, instance: InstanceFacts, image: CloudImage) => JobRecord;
}

const HEARTBEAT_MS = 30_000;

/**
 * Makes an instance, pool after pool, until one answers. Whatever ends it, and whenever, the record
 * tells what to destroy.
 */
export class InstanceMaker {
  private readonly heartbeat: NodeJS.Timeout;
  private slot: UpSlot | undefined;
  private apart: UpApart | undefined;
  private readonly hostKey: SshKeyPair;
  /**
   * Taken from the reserve, or made on another thread while the job waits for its slot and for the
   * cloud.
   */
  private readonly ownKey: Promise<SshKeyPair>;

  private record: Preparing;
  private readonly stackName: string;
  private readonly profile: Profile;

  constructor(
    private readonly order: Order,
    private readonly dependencies: MakerDependencies,
  ) {
    this.record = order.record;
    this.profile = order.profile;
    this.stackName = order.record.identity.stackName;
    this.hostKey = generateHostKeyPair(this.stackName);
    this.ownKey = loginKeyPair(dependencies.settings.stateDir, this.stackName);
    // A failure is reported where the key is awaited. Until then it must not count as an unhandled
    // rejection.
    this.ownKey.catch(() => undefined);
    this.heartbeat = setInterval(() => this.beat(), HEARTBEAT_MS);
    this.heartbeat.unref();
  }

  /** Candidate after candidate until one answers. */
  async make(): Promise<InstanceFacts> {
    const { settings, placement, cloud, signal, log, now, engine } = this.dependencies;
    // Wait for the slot before asking for prices, so that they are current when used, and so that a
    // waiting job has loaded little code.
    await this.acquireSlot();
    // It loads what it needs while the cloud is asked.
    this.apart = this.dependencies.upApart?.(this.stackName);
    const image = await imageOf(this.profile, cloud);
    this.beginApart();
    const { candidates, rejected, warnings } = await placement.candidates({
      profile: this.profile,
      timeoutMs: this.record.timeoutMs,
      jobKey: this.record.jobKey ?? '',
    });
    warnings.forEach((warning) => log.warn(warning));
    if (candidates.length === 0) throw noCandidate(this.profile, rejected);
    await this.reserve(candidates);
    const facts = await this.stackFacts(image);
    const pools = counted(candidates.length + rejected.length, 'pool');
    log.line(`Profile ${this.profile.name}: ${candidates.length} of ${pools} available`);

    const deadlineMs = now() + settings.limits.placementMs;
    let create = true;
    let last: SpotError | undefined;
    for (const [index, candidate] of candidates.slice(0, settings.limits.maxCandidates).entries()) {
      if (index > 0 && now() > deadlineMs) break;
      signal.throwIfAborted();
      await this.acquireSlot();
      log.line(`${index === 0 ? 'Taking' : 'Trying next:'} ${described(candidate)}`);
      try {
        return await this.launchOn(candidate, facts, create);
      } catch (error) {
        last = await this.refused(candidate, error);
        create = false;
        // It may stand in the stack's state: on that, another `up` would change the old instance
        // instead of making a new one.
        if (!(error instanceof PlacementRefused)) {
          const destroyed = await engine
            .destroy(this.stackName, {
              log: (line) => log.line(line),
              onDeleting: () => this.save(deleting(this.record, now())),
              signal,
            })
            .catch((failure: unknown) => {
              // A cancelled prepare fails in many ways; report the cancellation itself.
              signal.throwIfAborted();
              throw failure;
            });
          const { launched: instance } = this.record;
          const takenAt = error instanceof InstanceDisappeared ? error.takenAt : undefined;
          const goneAt = destroyed.instanceGoneAt ?? takenAt;
          if (instance && goneAt) await this.dependencies.onGone(failedLaunch(this.record, instance, takenAt), goneAt);
          // Forgotten only now: until the ledger has the instance, the record must name it.
          this.save(launchForgotten(this.record));
          create = true;
        }
      }
    }
    throw new ConfigurationError(
      `No pool that was tried for profile ${this.profile.name} has an instance now (tried: ${this.record.tried.length}; last: ${last?.message})`,
      {
        remedy: [
          refusalOf(codeOf(last) ?? '').remedy || (last?.remedy ?? ''),
          'Run the job again later, or give the profile more types or a higher maxPrice in instances.yaml.',
        ]
          .filter((one) => one !== '')
          .join(' '),
        retryable: true,
        cause: last,
      },
    );
  }

  cutOff(): void {
    this.save(cutOff(this.record));
  }

  async end(): Promise<void> {
    clearInterval(this.heartbeat);
    await this.apart?.end();
    this.slot?.release();
  }

  /**
   * Starts the engine while prices are asked for; it then waits to learn what to make. Not before
   * the cloud has answered once: if this host can't reach the cloud, the stack could not be
   * destroyed either.
   */
  private beginApart(): void {
    const { signal, log, now, settings } = this.dependencies;
    if (!this.apart) return;
    this.save(launching(this.record, releaseTime(now(), this.order.lifeMs + settings.limits.releaseMarginMs)));
    this.apart.begin({ signal, log: (line) => log.line(line) });
  }

  /**
   * Writes the job's key to disk first: an instance that nobody can log in to must never be
   * created.
   */
  private async stackFacts(image: CloudImage): Promise<Omit<StackFacts, 'nowMs'>> {
    const { settings, store } = this.dependencies;
    const { stackName } = this;
    const { privateKey, publicKey } = await this.ownKey;
    await writeFileAtomic(store.files(stackName).privateKey, privateKey, { mode: 0o600 });
    return {
      stackName,
      tags: this.order.tags,
      profile: this.profile,
      image,
      publicKey,
      userData: userData({
        hostPrivateKey: this.hostKey.privateKey,
        hostPublicKey: this.hostKey.publicKey,
        sshUser: settings.ssh.user,
        publicKey,
      }),
      lifeMs: this.order.lifeMs,
    };
  }

  private async launchOn(
    candidate: Candidate,
    facts: Omit<StackFacts, 'nowMs'>,
    create: boolean,
  ): Promise<InstanceFacts> {
    const { settings, cloud, waitForSsh, lookUp, pause, log, now, signal } = this.dependencies;
    const engine = this.apart ?? this.dependencies.engine;
    const args = stackArgs(candidate, { ...facts, nowMs: now() }, settings);
    const key = { privateKey: (await this.ownKey).privateKey, hostPublicKey: this.hostKey.publicKey };
    this.save(launching(this.record, args.autoReleaseTime));
    const answering = await launch(
      { args, create, key },
      {
        engine,
        cloud,
        settings,
        waitForSsh,
        lookUp,
        pause,
        log: (line) => log.line(line),
        signal,
        now,
        onSeen: (seen) => this.saw(candidate, seen),
        onAccepted: () => (this.apart ?? this.slot)?.accepted(),
        onUp: () => this.releaseSlot(),
        onPoint: this.dependencies.onPoint,
      },
    );
    // An image that is being pulled is not waited for.
    const hangUp = (): void => answering.connection.close();
    signal.addEventListener('abort', hangUp);
    try {
      await this.order.provision(answering.connection);
      signal.throwIfAborted();
      answering.up.check();
      await this.apart?.leave();
    } catch (error) {
      await answering.up.giveUp();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', hangUp);
      answering.connection.close();
    }
    const instance = this.instanceFacts(candidate, answering);
    this.dependencies.store.write(this.order.ready(this.record, instance, facts.image));
    return instance;
  }

  /**
   * Remembers the refusal, says it, and decides whether another candidate may do. @throws the error
   * itself, if none may.
   */
  private async refused(candidate: Candidate, error: unknown): Promise<SpotError> {
    const { placement, log, now, signal } = this.dependencies;
    const code = codeOf(error);
    if (signal.aborted || code === undefined || !(error instanceof SpotError)) throw error;
    const { zoneId, vSwitchId, instanceType, market } = candidate;
    const pool = { zoneId, vSwitchId, instanceType, market };
    this.save(poolFailed(this.record, pool, code, now()));
    const { scope, meaning, remedy } = refusalOf(code);
    if (scope === 'stop' || (error instanceof PlacementRefused && !error.isInstance))
      throw new CloudSaidNo(`${error.message} (${meaning})`, {
        remedy: remedy || error.remedy || 'Look the code up in the ECS documentation.',
        cause: error,
      });
    await placement.reportFailure(pool, code);
    log.line(`Not there: ${meaning} (${code})`);
    return error;
  }

  private saw(candidate: Candidate, { instanceId, since, running }: Seen): void {
    if (!running) this.dependencies.log.line(`Instance ${instanceId} was accepted and is starting`);
    else this.dependencies.log.line(`Instance ${instanceId} is running`);
    this.save(launched(this.record, this.instanceFacts(candidate, { instanceId, since, address: '' })));
  }

  private instanceFacts(
    candidate: Candidate,
    answering: Pick<Launched, 'instanceId' | 'since' | 'address' | 'size'>,
  ): InstanceFacts {
    const { settings, now } = this.dependencies;
    const hostPublicKey = this.hostKey.publicKey;
    return instanceFacts({ candidate, answering, profile: this.profile, settings, hostPublicKey, nowMs: now() });
  }

  /** Checks the budget again now that prices are known: other jobs may have spent what was left. */
  private async reserve(candidates: readonly Candidate[]): Promise<void> {
    const record = reserved(this.record, mayPay(this.record, candidates));
    const hold = (): void => this.save(record);
    const currency = candidates[0]?.currency;
    await this.dependencies.checkBudget({ record, verified: this.order.verified, placed: true, currency, hold });
  }

  private save(record: Preparing): void {
    this.record = beaten(record, this.dependencies.now());
    this.dependencies.store.write(this.record);
  }

  /**
   * Updates the heartbeat. A failed write, as on a full disk, is no reason to give the instance up.
   */
  private beat(): void {
    try {
      this.save(this.record);
    } catch {
      // The next one tells.
    }
  }

  private async acquireSlot(): Promise<void> {
    // The cloud had accepted that instance and failed it later: the next one needs a slot again.
    if (this.slot?.wasAccepted) this.releaseSlot();
    this.slot ??= new UpSlot(await this.order.acquireSlot(), acceptedQueue(this.dependencies.settings));
  }

  private releaseSlot(): void {
    this.slot?.release();
    this.slot = undefined;
  }
}

/** The cloud refused for a reason that no other pool mends. */
class CloudSaidNo extends SpotError {
  readonly blame = 'cloud';
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof PlacementRefused || error instanceof InstanceDisappeared || error instanceof BootTimeout)
    return error.code;
  return undefined;
}
