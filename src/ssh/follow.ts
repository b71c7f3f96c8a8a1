import type { NodeSSH } from 'node-ssh';
import type { ClientChannel } from 'ssh2';
import { clientOf, openChannel } from './connection';
import { ChannelRefused, ConnectionLost, StageBroken } from './errors';
import { exitStatus, ForgedFrame, OutputReader } from './output';
import { forAnyShell } from './quote';
import { runCommand, SUPERVISOR_MISSING } from './supervisor';
import type { StageEvents } from './types';

/** What of a stage is known on this side; outlives each connection. */
export interface StageProgress {
  readonly runId: string;
  readonly nonce: string;
  readonly script: Buffer;
  /** Another run that is not to be ended; '': none. */
  readonly beside: string;
  readonly interpreter: string;
  readonly metadataUrl: string;
  /** Bytes of output handed over so far. */
  offset: number;
  /**
   * The instance's boot id once the stage has been started: a stage never starts a second time
   * after a restart.
   */
  boot: string | undefined;
}

export type FollowEnd =
  /** `released`: the supervisor has removed the stage's files and let go of the connection. */
  | { readonly kind: 'exit'; readonly status: number; readonly released: Promise<void> }
  /** The connection (or only the follower) is gone: attach again. */
  | { readonly kind: 'lost'; readonly attached: boolean; readonly detail: string }
  | { readonly kind: 'no-supervisor' };

/**
 * How long to wait for the rest of the output after the stage is reported ended. Without a byte for
 * this long, the process that collected the output must have been killed, and the last frame will
 * not come. Long, since on a busy instance it may only be slow.
 */
const COLLECTOR_GONE_MS = 15_000;
/** While the job's log takes nothing, an instance that keeps to its window sends 2 MiB more. */
const MOST_WAITING_BYTES = 8 * 1024 * 1024;
const LOOK_MS = 20;
const LONGEST_MESSAGE = 2_000;

/**
 * Starts the stage or attaches to it over one channel, and hands its output over until its end or
 * the connection's. Throws StageBroken when the instance can't run it.
 */
export async function follow(
  ssh: NodeSSH,
  where: string,
  progress: StageProgress,
  stdout: NodeJS.WritableStream,
  events: StageEvents,
): Promise<FollowEnd> {
  const command = forAnyShell(runCommand({ ...progress, scriptBytes: progress.script.length }));
  try {
    return await openChannel(
      clientOf(ssh, where),
      command,
      where,
      (channel) =>
        new Promise<FollowEnd>(
          (resolve, reject) => new Follower(channel, where, progress, stdout, events, resolve, reject),
        ),
    );
  } catch (error) {
    if (error instanceof ConnectionLost || error instanceof ChannelRefused)
      return { kind: 'lost', attached: false, detail: error.message };
    throw error;
  }
}

class Follower {
  private readonly reader: OutputReader;
  private attached = false;
  private messages = '';
  private silence: NodeJS.Timeout | undefined;
  private endedWith: number | undefined;
  private exitCode: number | null | undefined;

  constructor(
    private readonly channel: ClientChannel,
    private readonly where: string,
    private readonly progress: StageProgress,
    private readonly stdout: NodeJS.WritableStream,
    private readonly events: StageEvents,
    private readonly resolve: (end: FollowEnd) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.reader = new OutputReader(progress.nonce, {
      attached: (boot) => {
        progress.boot = boot;
        // Now that we know of it, the script may begin.
        if (!this.attached) channel.write('go\n');
        this.attached = true;
      },
      output: (chunk) => this.handOver(chunk),
      exit: (status, use, memoryRanOut) => {
        if (use) events.onUse?.(use);
        if (memoryRanOut && status !== 0) events.onOutOfMemory?.();
        this.end(status);
      },
    });
    channel.on('data', (chunk: Buffer) => this.checked(() => this.reader.push(chunk)));
    channel.stderr.on('data', (chunk: Buffer) => this.checked(() => this.readMessages(chunk.toString('utf8'))));
    channel.on('exit', (code: number | null) => (this.exitCode = code));
    channel.on('error', () => {});
    channel.on('close', () => this.closed());
    channel.write(progress.script);
  }

  /** What an event's listener throws would end the process. */
  private checked(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (error instanceof ForgedFrame)
        this.broken(`the instance at ${this.where} answers with what its supervisor never says (${error.message})`);
      else {
        this.reject(error as Error);
        this.channel.destroy();
      }
    }
    this.waitForSilence();
  }

  private handOver(chunk: Buffer): void {
    this.progress.offset += chunk.length;
    if (this.stdout.write(chunk) || this.channel.isPaused()) return;
    this.channel.pause();
    const looking = setInterval(() => {
      if (this.channel.readableLength > MOST_WAITING_BYTES)
        this.broken(`the instance at ${this.where} sends more than it may`);
    }, LOOK_MS);
    const stopLooking = (): void => clearInterval(looking);
    this.channel.once('close', stopLooking);
    this.stdout.once('drain', () => {
      stopLooking();
      this.channel.off('close', stopLooking);
      this.channel.resume();
    });
  }

  private end(status: number): void {
    clearTimeout(this.silence);
    const released = new Promise<void>((resolve) => this.channel.once('close', resolve));
    this.resolve({ kind: 'exit', status, released });
    this.channel.end('done\n');
  }

  private readMessages(text: string): void {
    this.messages += text;
    const lines = this.messages.split('\n');
    this.messages = lines.pop()?.slice(-LONGEST_MESSAGE) ?? '';
    const prefix = `gitlab-spot ${this.progress.nonce} `;
    for (const line of lines) {
      if (line.startsWith(prefix)) this.message(line.slice(prefix.length, prefix.length + LONGEST_MESSAGE));
    }
  }

  private message(line: string): void {
    const [word = '', ...rest] = line.split(' ');
    const detail = rest.join(' ');
    if (word === 'interruption') this.events.onInterruption?.(detail);
    else if (word === 'blind') this.events.onBlind?.();
    else if (word === 'ended') {
      this.endedWith = exitStatus(detail);
    } else if (word === 'rebooted') {
      this.broken(`the instance at ${this.where} was restarted while the stage ran`);
    } else if (word === 'vanished') {
      // `oom`: the kernel's own count of processes that it killed for want of memory has grown
      // since the stage began.
      this.broken(
        `the supervisor of the stage was killed on the instance at ${this.where}${detail === 'oom' ? ', whose memory has run out' : ''}`,
        detail === 'oom' ? 'Choose a profile with more memory.' : '',
      );
    } else if (word === 'broken') {
      this.broken(`the instance at ${this.where} can't run the stage: ${detail}`);
    }
  }

  private broken(message: string, remedy = ''): void {
    this.reject(new StageBroken(message, { remedy, retryable: true }));
    this.channel.destroy();
  }

  private waitForSilence(): void {
    if (this.endedWith === undefined) return;
    clearTimeout(this.silence);
    const status = this.endedWith;
    this.silence = setTimeout(() => {
      if (this.channel.isPaused()) this.waitForSilence();
      else this.end(status);
    }, COLLECTOR_GONE_MS);
  }

  private closed(): void {
    clearTimeout(this.silence);
    if (this.exitCode === SUPERVISOR_MISSING) this.resolve({ kind: 'no-supervisor' });
    else this.resolve({ kind: 'lost', attached: this.attached, detail: this.messages.trim() });
  }
}
