import { constants } from 'node:os';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'ssh2';
import { openClient } from './client';
import { connectionOf } from './connection';
import { ConnectionLost, HostKeyMismatch, InstanceUnreachable, StageBroken } from './errors';
import { follow, type FollowEnd, type StageProgress } from './follow';
import { cancelCommand, installSupervisor, nonceOf } from './supervisor';
import type { StageOutcome, StageRequest, StageRunner } from './types';

export interface StageRunnerOptions {
  /** From SIGTERM to SIGKILL of what is left of a cancelled stage. */
  readonly graceMs?: number;
  /** How often a silent connection is asked for a sign of life. */
  readonly keepaliveMs?: number;
  /** A lost machine is asked about this often while the connection is gone. */
  readonly askMs?: number;
}

const DEFAULT_GRACE_MS = 10_000;
const DEFAULT_ASK_MS = 3_000;
/** A login that takes longer may be one at a machine that is gone: some 0.1 s on a quiet network, 0.5 s through PAM and a busy host. */
const SUSPICIOUS_MS = 1_500;
/** One try of a connection; a try that hangs must not use up the limit. */
const TRY_MS = 5_000;
/** Followers that end at once, one after the other, while the connection is fine. */
const FUTILE_TRIES = 5;
const HANG_UP_MS = 2_000;

/** Runs stages through the supervisor on the instance. */
export function createStageRunner(options: StageRunnerOptions = {}): StageRunner {
  return { run: (request) => new StageRun(request, options).run() };
}

class StageRun {
  private readonly where: string;
  private client: Client | undefined;
  private readonly begunMs = Date.now();
  /** When the instance was last heard of. */
  private heardMs: number | undefined;
  private cancelling: Promise<void> | undefined;

  constructor(
    private readonly request: StageRequest,
    private readonly options: StageRunnerOptions,
  ) {
    this.where = `${request.target.address}:${request.target.port}`;
  }

  async run(): Promise<StageOutcome> {
    const { request } = this;
    const progress: StageProgress = {
      runId: request.runId,
      nonce: nonceOf(request.runId),
      script: await readFile(request.scriptFile),
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
      this.client?.end();
    }
  }

  /**
   * Ends the connection once the supervisor has let go of it, and doesn't wait for that. Not at once: sshd drops what it has not handed
   * on yet (the word `done`) when it is told to disconnect. A process that exits meanwhile does no harm.
   */
  private hangUp(client: Client, released: Promise<void>): void {
    const limit = setTimeout(() => client.end(), HANG_UP_MS).unref();
    client.once('close', () => clearTimeout(limit));
    void released.then(() => client.end());
  }

  private async followToTheEnd(progress: StageProgress): Promise<StageOutcome> {
    let futile = 0;
    for (;;) {
      const client = (this.client ??= await this.reach());
      if (this.request.signal.aborted) void this.cancel(progress);
      const offset = progress.offset;
      const end = await follow(client, this.where, progress, this.request.stdout, this.request);
      if (end.kind === 'exit') {
        // The script has ended, but not yet what it left in its session.
        await this.cancelling;
        this.hangUp(client, end.released);
        this.client = undefined;
        return this.outcome(end.status);
      }
      if (end.kind === 'no-supervisor') {
        await this.install(client);
        continue;
      }
      const progressed = end.attached || progress.offset > offset;
      futile = progressed || !(await this.stillAnswers(client)) ? 0 : futile + 1;
      if (futile >= FUTILE_TRIES) throw this.cannotFollow(end);
    }
  }

  /** Whether it was only the channel that ended. A connection that broke closes its channels first, and itself any time later. */
  private async stillAnswers(client: Client): Promise<boolean> {
    try {
      await connectionOf(client, this.where).exec(':', { timeoutMs: TRY_MS });
      return true;
    } catch {
      client.destroy();
      if (this.client === client) this.client = undefined;
      return false;
    }
  }

  private outcome(status: number): StageOutcome {
    if (this.request.signal.aborted) return { kind: 'cancelled' };
    const signal = signalOf(status);
    return signal === undefined ? { kind: 'exited', exitCode: status } : { kind: 'signaled', signal, exitCode: status };
  }

  private async install(client: Client): Promise<void> {
    try {
      await installSupervisor(connectionOf(client, this.where));
    } catch (error) {
      if (error instanceof ConnectionLost) return;
      throw new StageBroken(
        `can't set up the supervisor on the instance at ${this.where}: ${(error as Error).message}`,
        {
          retryable: true,
          cause: error,
        },
      );
    }
  }

  /** Opens a connection, trying again until the instance counts as unreachable or is known to be lost. */
  private async reach(): Promise<Client> {
    const { request } = this;
    const lost = new AbortController();
    const asking = this.askWhileGone(lost);
    try {
      for (let pauseMs = 50; ; pauseMs = Math.min(1000, pauseMs * 2)) {
        const leftMs = this.giveUpMs() - Date.now();
        try {
          const client = await openClient(request.target, {
            timeoutMs: Math.max(1, Math.min(TRY_MS, leftMs)),
            ...(this.options.keepaliveMs === undefined ? {} : { keepaliveMs: this.options.keepaliveMs }),
            signal: lost.signal,
            onTraffic: () => (this.heardMs = Date.now()),
          });
          client.once('close', () => {
            if (this.client === client) this.client = undefined;
          });
          return client;
        } catch (error) {
          if (lost.signal.aborted || error instanceof HostKeyMismatch) throw error;
          if (Date.now() >= this.giveUpMs()) throw this.unreachable(error);
          asking.begin();
        }
        await sleep(pauseMs, undefined, { signal: lost.signal }).catch(() => {});
      }
    } finally {
      asking.stop();
    }
  }

  /**
   * Asks about the machine every few seconds once a try has failed or takes suspiciously long; aborts `lost` when it is known to be gone.
   * Not earlier: a login that works is no reason to load the cloud's client and to call its API at every stage.
   */
  private askWhileGone(lost: AbortController): { begin(): void; stop(): void } {
    let state: 'waiting' | 'asking' | 'stopped' = 'waiting';
    const ask = async (): Promise<void> => {
      while (state === 'asking' && !lost.signal.aborted) {
        if (await this.request.isLost().catch(() => false)) {
          const message = `the instance at ${this.where} is gone`;
          lost.abort(new InstanceUnreachable(message, { retryable: true }, this.heardMs));
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

  private unreachable(last: unknown): InstanceUnreachable {
    const seconds = Math.round(this.request.reconnectMs / 1000);
    return new InstanceUnreachable(
      `the instance at ${this.where} has not answered for ${seconds} s (${(last as Error).message})`,
      { retryable: true, cause: last },
      this.heardMs,
    );
  }

  private cannotFollow(end: FollowEnd): StageBroken {
    const detail = end.kind === 'lost' && end.detail !== '' ? `: ${end.detail}` : '';
    return new StageBroken(`the instance at ${this.where} doesn't run the stage's supervisor${detail}`, {
      retryable: true,
    });
  }

  /** Ends the stage's session over the connection there is; after a reconnection it is called again. */
  private async cancel(progress: StageProgress): Promise<void> {
    if (this.client === undefined || this.cancelling !== undefined) return;
    const graceSeconds = Math.ceil((this.options.graceMs ?? DEFAULT_GRACE_MS) / 1000);
    const command = cancelCommand(progress.runId, progress.nonce, graceSeconds);
    this.cancelling = connectionOf(this.client, this.where)
      .exec(command)
      .then(
        () => {},
        () => (this.cancelling = undefined) as undefined,
      );
    await this.cancelling;
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
