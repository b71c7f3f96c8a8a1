import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeSSH } from 'node-ssh';
import { DEFAULT_PORT_MS, openClient } from './client';
import { connect, connectionOf } from './connection';
import {
  ChannelRefused,
  ConnectionLost,
  HostKeyMismatch,
  InstanceUnreachable,
  KeyRemoved,
  SshAuthRefused,
  StageBroken,
} from './errors';
import { follow, type FollowEnd, type StageProgress } from './follow';
import { cancelCommand, completeInstall, installSupervisor, nonceOf, SUPERVISOR_MISSING } from './supervisor';
import type { ExecOptions, SshConnection, StageOutcome, StageRequest, StageRunner } from './types';

export interface StageRunnerOptions {
  /** From SIGTERM to SIGKILL of what is left of a cancelled stage. */
  readonly graceMs?: number;
  /** How often a silent connection is asked for a sign of life. */
  readonly keepaliveMs?: number;
  /** A lost machine is asked about this often while the connection is gone. */
  readonly askMs?: number;
  /** So many followers that end soon, without a byte of output, are the end. */
  readonly futileTries?: number;
  /** How long the job's key may be refused before that is final. */
  readonly refusalMs?: number;
  /** A connection to the instance that was begun already: the first login's. */
  readonly begun?: Socket;
}

const DEFAULT_GRACE_MS = 10_000;
const DEFAULT_ASK_MS = 3_000;
/**
 * A login that takes longer may be one at a machine that is gone: some 0.1 s on a quiet network,
 * 0.5 s through PAM and a busy host.
 */
const SUSPICIOUS_MS = 1_500;
/** A login in the middle of a job; the first one, during the boot, may take longer. */
const LOGIN_MS = 30_000;
/** Whether a connection is alive is told by any answer. */
const ANSWER_MS = 5_000;
/**
 * Every login of the job's key was good until now: sshd may be in the middle of a restart, and no
 * more than that.
 */
const REFUSAL_MS = 15_000;
/**
 * A connection that lasted so long was one; one that breaks earlier, again and again, is made ever
 * more slowly.
 */
const LASTING_MS = 10_000;
const LONGEST_PAUSE_MS = 2_000;
/** Without one byte of output in between: about 30 s with the pauses. */
const FUTILE_TRIES = 20;
/** The supervisor is put onto the instance once, and again where a job has removed it. */
const MOST_INSTALLS = 3;
const HANG_UP_MS = 2_000;
const CANCEL_MARGIN_MS = 15_000;

/** Runs stages through the supervisor on the instance. */
export function createStageRunner(options: StageRunnerOptions = {}): StageRunner {
  return { run: (request) => new StageRun(request, options).run() };
}

class StageRun {
  private readonly where: string;
  private begun: Socket | undefined;
  private ssh: NodeSSH | undefined;
  /** This and what follows by a clock that no step of the wall clock moves. */
  private readonly begunMs = performance.now();
  /** When the instance was last heard of. */
  private heardMs: number | undefined;
  private cancelling: Promise<void> | undefined;
  /** Whether the port answered in the last try of a login. */
  private portOpen = false;

  constructor(
    private readonly request: StageRequest,
    private readonly options: StageRunnerOptions,
  ) {
    this.where = `${request.target.address}:${request.target.port}`;
    this.begun = options.begun;
  }

  async run(): Promise<StageOutcome> {
    const { request } = this;
    const progress: StageProgress = {
      runId: request.runId,
      nonce: nonceOf(request.runId),
      beside: request.beside ?? '',
      script: request.script,
      interpreter: request.interpreter,
      metadataUrl: request.metadataUrl ?? '',
      offset: 0,
      boot: undefined,
    };
    const onAbort = (): void => void this.cancel(progress);
    request.signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race([this.followToTheEnd(progress), this.cancelLimit()]);
    } finally {
      request.signal.removeEventListener('abort', onAbort);
      this.ssh?.connection?.end();
      this.begun?.destroy();
    }
  }

  /**
   * Ends the connection once the supervisor has let go of it, and doesn't wait for that. Not at
   * once: sshd drops what it has not handed on yet (the word `done`) when it is told to disconnect.
   * A process that exits meanwhile does no harm.
   */
  private hangUp(ssh: NodeSSH, released: Promise<void>): void {
    const client = ssh.connection;
    if (!client) return;
    const limit = setTimeout(() => client.end(), HANG_UP_MS).unref();
    client.once('close', () => clearTimeout(limit));
    void released.then(() => client.end());
  }

  private async followToTheEnd(progress: StageProgress): Promise<StageOutcome> {
    let installs = 0;
    let brief = 0;
    let futile = 0;
    for (;;) {
      const ssh = (this.ssh ??= await this.reach());
      if (this.request.signal.aborted) void this.cancel(progress);
      const { offset } = progress;
      const beganMs = performance.now();
      const end: FollowEnd = await follow(ssh, this.where, progress, this.request.stdout, this.request);
      if (end.kind === 'exit') {
        // The script has ended, but not yet what it left in its session.
        await this.cancelling;
        await this.doubt(ssh, end.status);
        this.hangUp(ssh, end.released);
        this.ssh = undefined;
        return this.outcome(end.status);
      }
      if (end.kind === 'no-supervisor' && installs < MOST_INSTALLS && (await this.install(ssh))) {
        installs++;
        continue;
      }
      await this.dropIfBroken(ssh);
      brief = performance.now() - beganMs >= LASTING_MS ? 0 : brief + 1;
      futile = brief === 0 || progress.offset > offset ? 0 : futile + 1;
      if (futile >= (this.options.futileTries ?? FUTILE_TRIES)) throw this.cannotFollow(end, futile);
      // The first time at once: networks break now and then.
      if (brief > 1) await sleep(Math.min(LONGEST_PAUSE_MS, 25 * 2 ** brief));
    }
  }

  /**
   * Was it only the channel that ended? A connection that broke closes its channels first, and
   * itself any time later.
   */
  private async dropIfBroken(ssh: NodeSSH): Promise<void> {
    try {
      await connectionOf(ssh, this.where).exec(':', { timeoutMs: ANSWER_MS });
    } catch {
      ssh.connection?.destroy();
      if (this.ssh === ssh) this.ssh = undefined;
    }
  }

  /** Who can't be asked any more says nothing. @throws StageBroken */
  private async doubt(ssh: NodeSSH, status: number): Promise<void> {
    const { brokenBy, signal } = this.request;
    if (status === 0 || signal.aborted || !ssh.connection) return;
    const reason = await brokenBy?.(connectionOf(ssh, this.where), status).catch(() => undefined);
    if (reason === undefined || signal.aborted) return;
    throw new StageBroken(`the instance at ${this.where} can't run the stage: ${reason}`, { retryable: true });
  }

  private outcome(status: number): StageOutcome {
    if (this.request.signal.aborted) return { kind: 'cancelled' };
    const signal = signalOf(status);
    return signal === undefined ? { kind: 'exited', exitCode: status } : { kind: 'signaled', signal, exitCode: status };
  }

  /**
   * @returns false when the connection broke before it was there: that is no try of the instance's.
   */
  private async install(ssh: NodeSSH): Promise<boolean> {
    const connection = connectionOf(ssh, this.where);
    try {
      await installSupervisor(connection, { again: true }).catch((error: unknown) => this.notInstalled(error));
      await this.request.restore?.(connection);
      await completeInstall(connection);
    } catch (error) {
      if (error instanceof ConnectionLost) return false;
      throw error;
    }
    return true;
  }

  private notInstalled(error: unknown): never {
    if (error instanceof ConnectionLost) throw error;
    throw new StageBroken(`can't set up the supervisor on the instance at ${this.where}: ${(error as Error).message}`, {
      retryable: true,
      cause: error,
    });
  }

  /**
   * Opens a connection, trying again until the instance counts as unreachable, is known to be lost,
   * or refuses the key for good.
   */
  private async reach(): Promise<NodeSSH> {
    const lost = new AbortController();
    const asking = this.askWhileGone(lost);
    let refusedSinceMs: number | undefined;
    try {
      for (let pauseMs = 50; ; pauseMs = Math.min(1000, pauseMs * 2)) {
        try {
          return await this.logIn(lost.signal);
        } catch (error) {
          if (lost.signal.aborted || error instanceof HostKeyMismatch) throw error;
          // Who is refused a few times is not heard at all for a while (sshd's PerSourcePenalties).
          if (error instanceof SshAuthRefused) refusedSinceMs ??= performance.now();
          else if (!this.portOpen) refusedSinceMs = undefined;
          if (
            refusedSinceMs !== undefined &&
            performance.now() - refusedSinceMs >= (this.options.refusalMs ?? REFUSAL_MS)
          )
            throw this.keyRemoved(error);
          if (performance.now() >= this.giveUpMs()) throw this.unreachable(error);
          asking.begin();
        }
        await sleep(pauseMs, undefined, { signal: lost.signal }).catch(() => {});
      }
    } finally {
      asking.stop();
    }
  }

  private async logIn(signal: AbortSignal): Promise<NodeSSH> {
    const leftMs = Math.max(1, this.giveUpMs() - performance.now());
    this.portOpen = false;
    // One that has broken already is begun anew.
    const begun = this.begun?.destroyed ? undefined : this.begun;
    this.begun = undefined;
    const ssh = await openClient(this.request.target, {
      portMs: Math.min(DEFAULT_PORT_MS, leftMs),
      loginMs: Math.min(LOGIN_MS, leftMs),
      ...(this.options.keepaliveMs === undefined ? {} : { keepaliveMs: this.options.keepaliveMs }),
      signal,
      begun,
      onOpen: () => (this.portOpen = true),
      onTraffic: () => (this.heardMs = performance.now()),
    });
    ssh.connection?.once('close', () => {
      if (this.ssh === ssh) this.ssh = undefined;
    });
    return ssh;
  }

  /**
   * Asks about the machine every few seconds once a try has failed or takes suspiciously long;
   * aborts `lost` when it is known to be gone. Not earlier: a login that works is no reason to load
   * the cloud's client and to call its API at every stage.
   */
  private askWhileGone(lost: AbortController): { begin(): void; stop(): void } {
    let state: 'waiting' | 'asking' | 'stopped' = 'waiting';
    const ask = async (): Promise<void> => {
      while (state === 'asking' && !lost.signal.aborted) {
        if (await this.request.isLost().catch(() => false)) {
          const message = `the instance at ${this.where} is gone`;
          lost.abort(new InstanceUnreachable(message, { retryable: true }, this.heardAtMs()));
        }
        await sleep(this.options.askMs ?? DEFAULT_ASK_MS, undefined, { ref: false });
      }
    };
    const begin = (): void => {
      clearTimeout(timer);
      if (state !== 'waiting') return;
      state = 'asking';
      void ask();
    };
    const timer = setTimeout(begin, SUSPICIOUS_MS).unref();
    return {
      begin,
      stop: () => {
        clearTimeout(timer);
        state = 'stopped';
      },
    };
  }

  private giveUpMs(): number {
    return (this.heardMs ?? this.begunMs) + this.request.reconnectMs;
  }

  /** By the wall clock as it is now, which tells whole milliseconds that have begun. */
  private heardAtMs(): number | undefined {
    return this.heardMs && Math.ceil(Date.now() - (performance.now() - this.heardMs));
  }

  private unreachable(last: unknown): InstanceUnreachable {
    const seconds = Math.round(this.request.reconnectMs / 1000);
    return new InstanceUnreachable(
      `the instance at ${this.where} has not answered for ${seconds} s (${(last as Error).message})`,
      { retryable: true, cause: last },
      this.heardAtMs(),
    );
  }

  private keyRemoved(last: unknown): KeyRemoved {
    return new KeyRemoved(`the instance at ${this.where} no longer takes the job's key`, {
      remedy:
        'Most likely a script has removed or overwritten authorized_keys. What was not uploaded yet (artifacts, cache) is lost.',
      cause: last,
    });
  }

  private cannotFollow(end: FollowEnd, tries: number): StageBroken {
    const detail = end.kind === 'lost' && end.detail !== '' ? `: ${end.detail}` : '';
    return new StageBroken(
      `the instance at ${this.where} takes the login, but doesn't run the stage's supervisor (tried ${tries} times)${detail}`,
      { retryable: true },
    );
  }

  /**
   * Ends the stage's session over the connection there is; after a reconnection it is called again.
   */
  private async cancel(progress: StageProgress): Promise<void> {
    if (this.ssh === undefined || this.cancelling !== undefined) return;
    const graceMs = this.options.graceMs ?? DEFAULT_GRACE_MS;
    const command = cancelCommand(progress.runId, progress.nonce, Math.ceil(graceMs / 1000));
    // After the grace the supervisor waits 5 s more for what can't be killed.
    const limit = { timeoutMs: graceMs + CANCEL_MARGIN_MS };
    this.cancelling = this.cancelOver(this.ssh, command, limit).then(
      () => {},
      () => (this.cancelling = undefined) as undefined,
    );
    await this.cancelling;
  }

  /**
   * Where sshd allows one session for each connection (MaxSessions 1), over a connection of its
   * own.
   */
  private async cancelOver(ssh: NodeSSH, command: string, limit: { readonly timeoutMs: number }): Promise<void> {
    try {
      await this.end(connectionOf(ssh, this.where), command, { ...limit, roomMs: 0 });
    } catch (error) {
      if (!(error instanceof ChannelRefused)) throw error;
      const own = await connect(this.request.target, { loginMs: LOGIN_MS });
      await this.end(own, command, limit).finally(() => own.close());
    }
  }

  /**
   * A job that has removed the supervisor is cancelled as any other. What else it has removed, the
   * next stage sees to.
   */
  private async end(connection: SshConnection, command: string, limit: ExecOptions): Promise<void> {
    const { exitCode } = await connection.exec(command, limit);
    if (exitCode !== SUPERVISOR_MISSING) return;
    await installSupervisor(connection, { again: true });
    await connection.exec(command, limit);
  }

  /** A cancelled stage holds its hook no longer than the grace and a reconnection. */
  private cancelLimit(): Promise<StageOutcome> {
    const { signal } = this.request;
    const limitMs = (this.options.graceMs ?? DEFAULT_GRACE_MS) + this.request.reconnectMs + 5_000;
    return new Promise((resolve) => {
      const start = (): void => void setTimeout(() => resolve({ kind: 'cancelled' }), limitMs).unref();
      if (signal.aborted) start();
      else signal.addEventListener('abort', start, { once: true });
    });
  }
}

/** A shell tells a signal as 128 and its number. */
function signalOf(status: number): string | undefined {
  const entry = Object.entries(constants.signals).find(([, number]) => number === status - 128);
  return entry?.[0];
}
