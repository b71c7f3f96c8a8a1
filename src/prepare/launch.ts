import type { Cloud, CloudInstance } from '../cloud/types';
import { formatDuration } from '../duration';
import { ConfigurationError, SpotError } from '../errors';
import { EngineFailed, UpCancelled, type Engine, type JobStackArgs, type UpResult } from '../engine';
import { TAG } from '../jobs/types';
import type { Settings } from '../settings/types';
import type { SshConnection, SshTarget, WaitForSsh } from '../ssh';
import { watchInstance } from './instance-watch';

/**
 * The instance was accepted and then disappeared: a shortage that shows up late, or an
 * interruption. Another pool may do.
 */
export class InstanceDisappeared extends SpotError {
  readonly blame = 'cloud';
  readonly code: 'VanishedWhilePending' | 'Interrupted';

  /** When the cloud reclaimed it. Undefined: it was never more than Pending, so it cost nothing. */
  readonly takenAt: Date | undefined;

  constructor({ instanceType, zoneId = 'its zone' }: JobStackArgs, wasMade: boolean, goneAt: Date) {
    const what = `The instance (${instanceType} in ${zoneId})`;
    super(
      wasMade
        ? `${what} was taken back before it was ready`
        : `${what} was accepted and then disappeared: the pool is out of stock`,
      { retryable: true },
    );
    this.takenAt = wasMade ? goneAt : undefined;
    this.code = wasMade ? 'Interrupted' : 'VanishedWhilePending';
  }
}

/** The instance is there, but did not answer over SSH within the limit. */
export class BootTimeout extends SpotError {
  readonly blame = 'machine';
  readonly code = 'BootTimeout';
}

export interface LaunchDependencies {
  readonly engine: Pick<Engine, 'up'>;
  readonly cloud: Pick<Cloud, 'findInstances' | 'madeAt'> & Partial<Pick<Cloud, 'instancesNamed'>>;
  /** How the instance is watched meanwhile; left out: by the cloud itself. */
  readonly lookUp?: Cloud['findInstances'] | undefined;
  readonly settings: Pick<Settings, 'cloud' | 'ssh' | 'limits'>;
  /** Waits until an instance takes the job's key over SSH. */
  readonly waitForSsh: WaitForSsh;
  /** Between two looks at the instance; the watch's own where it is left out. */
  readonly pause?: ((milliseconds: number) => Promise<unknown>) | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** What is seen of the instance long before it is ready: that it is there, and that it runs. */
  readonly onSeen: (seen: Seen) => void;
  /** The cloud has accepted the instance: from here on the `up` only waits. */
  readonly onAccepted?: (() => void) | undefined;
  /** The stack is up, or its `up` goes on in another slot: this one may go to another job. */
  readonly onUp: () => void;
  /** Each point on the instance's way, once. */
  readonly onPoint?: ((point: LaunchPoint) => void) | undefined;
}

/**
 * In this order: the engine asks for it, the cloud has it, it runs, its port is open, it took the
 * job's key.
 */
export type LaunchPoint = 'asked' | 'created' | 'running' | 'sshPort' | 'sshLogin';

export interface Seen {
  readonly instanceId: string;
  /**
   * Billing starts here: the creation time as the cloud tells it, or until then when it was first
   * seen.
   */
  readonly since: Date;
  readonly running: boolean;
}

export interface Launch {
  readonly args: JobStackArgs;
  /** False: the stack is there already. */
  readonly create: boolean;
  readonly key: Pick<SshTarget, 'privateKey' | 'hostPublicKey'>;
}

/** An instance that answers. The caller closes the connection. */
export interface Launched {
  readonly instanceId: string;
  /** From when it is billed. */
  readonly since: Date;
  readonly address: string;
  readonly connection: SshConnection;
  /** Undefined: nobody saw it before it answered, or the cloud did not say. */
  readonly size?: CloudInstance['size'];
  /**
   * The `up` may still be under way, with nothing but the provider's wait for an instance that
   * answers already.
   */
  readonly up: {
    /** @throws what it has failed with meanwhile */
    check(): void;
    /** Nobody wants the instance any more. Resolves when the engine has come to rest. */
    giveUp(): Promise<void>;
  };
}

/**
 * Brings the stack up and waits for SSH, side by side: SSH is tried from the moment the address is
 * known, while the engine still waits. An `up` that may be left is not waited for.
 * @throws PlacementRefused, InstanceDisappeared, BootTimeout; UpCancelled or the signal's reason
 * when aborted. The engine has come to rest then.
 */
export async function launch({ args, create, key }: Launch, dependencies: LaunchDependencies): Promise<Launched> {
  const { engine, cloud, settings, log, signal, now, onUp } = dependencies;
  const abandon = new AbortController();
  const watching = new AbortController();
  const reached = new Set<LaunchPoint>();
  const reach = (point: LaunchPoint): void => {
    if (!reached.has(point)) dependencies.onPoint?.(point);
    reached.add(point);
  };
  const ended = AbortSignal.any([signal, watching.signal]);
  const ssh = new SshProbe(key, dependencies, ended, () => reach('sshPort'), remedyOfSilence(args));
  let disappearedMs: number | undefined;
  let seen: Seen | undefined;
  let size: CloudInstance['size'];
  let wasMade = false;
  let acceptedMs: number | undefined;
  let telling: Promise<void> = Promise.resolve();
  let watch: Promise<void> | undefined;
  const disappeared = () => new InstanceDisappeared(args, wasMade, new Date(disappearedMs ?? now()));
  const see = (instanceId: string, running: boolean): void => {
    if (seen && (seen.running || !running)) return;
    // A provider may not tell.
    dependencies.onAccepted?.();
    reach('created');
    if (running) reach('running');
    seen = { instanceId, since: seen?.since ?? new Date(now()), running };
    if (!running) return dependencies.onSeen(seen);
    telling = billedSince(instanceId, seen.since, cloud).then((since) =>
      dependencies.onSeen((seen = { instanceId, since, running })),
    );
  };
  const named = async () => (await cloud.instancesNamed?.(args.stackName)) ?? [];
  const startWatch = (): void => {
    const { lookUp = (tags) => cloud.findInstances(tags) } = dependencies;
    watch ??= watchInstance({ findInstances: lookUp }, args.stackName, {
      signal: watching.signal,
      now,
      ...(dependencies.pause && { pause: dependencies.pause }),
      onSeen: (instance) => {
        wasMade ||= instance.status !== 'Pending';
        size ??= instance.size;
        see(instance.instanceId, instance.status === 'Running');
        ssh.tryAt(addressOf(instance, settings), instance.instanceId);
      },
      onSlow: (forMs) =>
        log(
          `The cloud has not accepted the instance yet (${formatDuration(forMs)}): requests are throttled, most likely; it is asked again for up to 10 minutes`,
        ),
      wasThere: () => seen !== undefined,
      named,
      acceptedMs: () => acceptedMs,
      onDisappeared: (atMs) => {
        disappearedMs = atMs;
        abandon.abort();
        ssh.giveUp(disappeared());
      },
    });
  };

  let answered: () => void = () => undefined;
  const answeredFirst = new Promise<undefined>((resolve) => (answered = () => resolve(undefined)));
  let failure: { readonly error: unknown } | undefined;
  let upEnds: Promise<UpResult> | undefined;
  const giveUp = async (): Promise<void> => {
    // One that was told to end lets the creation finish.
    if (!signal.aborted) abandon.abort();
    await upEnds?.catch(() => undefined);
  };
  try {
    upEnds = engine
      .up(args, {
        create,
        signal,
        abandon: abandon.signal,
        log,
        onResource: ({ type, operation, done }) => {
          if (type !== 'alicloud:ecs/instance:Instance' || operation !== 'create' || done) return;
          reach('asked');
          startWatch();
        },
        // Before the instance was requested, the failure is about another resource of the stack.
        onAccepted: () => {
          if (!watch) return;
          acceptedMs ??= now();
          dependencies.onAccepted?.();
        },
        onPlaced: onUp,
        // A failure of SSH is reported once the `up` has ended.
        onMayLeave: () => void ssh.ready.then(answered, () => undefined),
      })
      .catch(async (error: unknown) => {
        if (signal.aborted) throw error;
        if (disappearedMs !== undefined && error instanceof UpCancelled) throw disappeared();
        // The provider noticed first. It reports in many ways that it can't find what it has just
        // created.
        const noticed =
          error instanceof EngineFailed && watch !== undefined && (await isGone(cloud, args.stackName, named));
        throw noticed ? disappeared() : error;
      });
    upEnds.catch((error: unknown) => (failure = { error }));
    const result = await Promise.race([upEnds, answeredFirst]);
    if (result) onUp();
    signal.throwIfAborted();
    // The provider waits for Running; what answers over SSH was seen.
    wasMade = true;
    const { instanceId } = result ?? seen!;
    see(instanceId, true);
    startWatch();
    if (result) ssh.tryAt(addressOfResult(result, settings), instanceId);
    const { connection, address } = await ssh.ready;
    reach('sshLogin');
    await telling;
    const check = (): void => {
      if (failure) throw failure.error;
    };
    return { instanceId, since: seen!.since, address, connection, size, up: { check, giveUp } };
  } catch (error) {
    ssh.giveUp(error);
    await ssh.closeIfOpen();
    await giveUp();
    throw error;
  } finally {
    watching.abort();
    await watch;
    // It is written down before whoever gives the instance up writes, never over that.
    await telling.catch(() => undefined);
  }
}

/** An API that can't be asked says nothing. */
async function isGone(
  cloud: Pick<Cloud, 'findInstances'>,
  stackName: string,
  named: () => Promise<readonly CloudInstance[]>,
): Promise<boolean> {
  const found = await Promise.all([cloud.findInstances({ [TAG.stack]: stackName }), named()]).catch(() => undefined);
  return found !== undefined && found.flat().length === 0;
}

/**
 * DescribeInstances tells minutes; where the second can't be asked, the moment it was first seen is
 * close.
 */
async function billedSince(instanceId: string, firstSeen: Date, cloud: Pick<Cloud, 'madeAt'>): Promise<Date> {
  const madeAt = await cloud.madeAt(instanceId).catch(() => undefined);
  const since = new Date(madeAt ?? NaN);
  return Number.isNaN(since.getTime()) ? firstSeen : since;
}

function addressOf(instance: CloudInstance, settings: Pick<Settings, 'cloud'>): string | undefined {
  return settings.cloud.usePublicAddress ? instance.publicAddress : instance.privateAddress;
}

/** @throws ConfigurationError when the instance has not the address that the settings say. */
function addressOfResult(result: UpResult, settings: Pick<Settings, 'cloud'>): string {
  const address = settings.cloud.usePublicAddress ? result.publicIp : result.privateIp;
  if (address !== '') return address;
  throw new ConfigurationError(
    `Instance ${result.instanceId} has no ${settings.cloud.usePublicAddress ? 'public' : 'private'} address`,
    {
      remedy: settings.cloud.usePublicAddress
        ? 'Give the profile internetBandwidthMbps, or leave GITLAB_SPOT_PUBLIC_ADDRESS out.'
        : 'Check stacks/job.ts: its outputs must name privateIp.',
    },
  );
}

/** What may be wrong with the image, where an instance boots but never lets us in. */
function remedyOfSilence({ httpTokens }: JobStackArgs): string {
  return httpTokens === 'required'
    ? 'If it happens on every instance: cloud-init older than 23.1 gets no user data from hardened metadata; set metadata: optional in the profile.'
    : '';
}

/** Tries SSH once the address is known, however it came to be known. */
class SshProbe {
  readonly ready: Promise<{ readonly connection: SshConnection; readonly address: string }>;
  private started = false;
  private readonly stop = new AbortController();
  private settle!: { resolve: (value: Awaited<SshProbe['ready']>) => void; reject: (reason: unknown) => void };

  constructor(
    private readonly key: Launch['key'],
    private readonly dependencies: Pick<LaunchDependencies, 'settings' | 'waitForSsh' | 'log' | 'now'>,
    private readonly signal: AbortSignal,
    private readonly onOpen: () => void,
    private readonly remedy: string,
  ) {
    this.ready = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    // Whoever waits for it learns of a failure; while nobody waits yet it is no unhandled one.
    this.ready.catch(() => undefined);
  }

  tryAt(address: string | undefined, instanceId: string): void {
    if (this.started || address === undefined) return;
    this.started = true;
    const { settings, waitForSsh, log } = this.dependencies;
    const target = { address, port: settings.ssh.port, user: settings.ssh.user, ...this.key };
    waitForSsh(target, {
      limitMs: settings.limits.bootMs,
      log,
      onOpen: this.onOpen,
      signal: AbortSignal.any([this.signal, this.stop.signal]),
    }).then(
      (connection) => (this.stop.signal.aborted ? connection.close() : this.settle.resolve({ connection, address })),
      (error: unknown) => this.settle.reject(this.explained(error, instanceId)),
    );
  }

  giveUp(reason: unknown): void {
    this.settle.reject(reason);
    this.stop.abort(reason);
  }

  async closeIfOpen(): Promise<void> {
    await this.ready.then(
      ({ connection }) => connection.close(),
      () => undefined,
    );
  }

  private explained(error: unknown, instanceId: string): unknown {
    if (!(error instanceof SpotError)) return error;
    return new BootTimeout(`Instance ${instanceId} was not ready in time: ${error.message}`, {
      remedy: [error.remedy, this.remedy].filter((one) => one !== '').join(' '),
      retryable: true,
      cause: error,
    });
  }
}
