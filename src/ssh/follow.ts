import type { Client, ClientChannel } from 'ssh2';
import { openChannel } from './connection';
import { ConnectionLost, StageBroken } from './errors';
import { OutputReader } from './output';
import { runCommand, SUPERVISOR_MISSING } from './supervisor';
import type { StageEvents } from './types';

/** What of a stage is known on this side; outlives each connection. */
export interface StageProgress {
  readonly runId: string;
  readonly nonce: string;
  readonly script: Buffer;
  readonly interpreter: string;
  readonly metadataUrl: string;
  /** Bytes of output handed over so far. */
  offset: number;
  /** The instance's boot id once the stage has been started: a stage never starts a second time after a restart. */
  boot: string | undefined;
}

export type FollowEnd =
  /** `released`: the supervisor has removed the stage's files and let go of the connection. */
  | { readonly kind: 'exit'; readonly status: number; readonly released: Promise<void> }
  /** The connection (or only the follower) is gone: attach again. */
  | { readonly kind: 'lost'; readonly attached: boolean; readonly detail: string }
  | { readonly kind: 'no-supervisor' };

/**
 * After the word of the stage's end, this long without a byte: whoever collected the output was killed with the last of it in hand, no frame
 * will come. Long, since on a busy instance the collector may only be slow, and the end of the output would be lost.
 */
const COLLECTOR_GONE_MS = 15_000;

/**
 * Starts the stage or attaches to it over one channel, and hands its output over until its end or the connection's.
 * Throws StageBroken when the instance can't run it.
 */
export async function follow(
  client: Client,
  where: string,
  progress: StageProgress,
  stdout: NodeJS.WritableStream,
  events: StageEvents,
): Promise<FollowEnd> {
  const command = runCommand({ ...progress, scriptBytes: progress.script.length });
  try {
    return await openChannel(
      client,
      command,
      where,
      (channel) =>
        new Promise<FollowEnd>(
          (resolve, reject) => new Follower(channel, where, progress, stdout, events, resolve, reject),
        ),
    );
  } catch (error) {
    if (error instanceof ConnectionLost) return { kind: 'lost', attached: false, detail: error.message };
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
        this.attached = true;
        progress.boot = boot;
      },
      output: (chunk) => this.handOver(chunk),
      exit: (status) => this.end(status),
    });
    channel.on('data', (chunk: Buffer) => {
      this.reader.push(chunk);
      this.waitForSilence();
    });
    channel.stderr.on('data', (chunk: Buffer) => this.readMessages(chunk.toString('utf8')));
    channel.on('exit', (code: number | null) => (this.exitCode = code));
    channel.on('error', () => {});
    channel.on('close', () => this.closed());
    channel.write(progress.script);
  }

  private handOver(chunk: Buffer): void {
    this.progress.offset += chunk.length;
    if (this.stdout.write(chunk)) return;
    this.channel.pause();
    this.stdout.once('drain', () => this.channel.resume());
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
    this.messages = lines.pop()?.slice(-2000) ?? '';
    const prefix = `gitlab-spot ${this.progress.nonce} `;
    for (const line of lines) {
      if (line.startsWith(prefix)) this.message(line.slice(prefix.length));
    }
  }

  private message(line: string): void {
    const [word = '', ...rest] = line.split(' ');
    const detail = rest.join(' ');
    if (word === 'interruption') this.events.onInterruption?.(detail);
    else if (word === 'blind') this.events.onBlind?.();
    else if (word === 'ended') {
      this.endedWith = Number(detail);
      this.waitForSilence();
    } else if (word === 'rebooted') {
      this.broken(`the instance at ${this.where} was restarted while the stage ran`);
    } else if (word === 'vanished') {
      this.broken(
        `the supervisor of the stage was killed on the instance at ${this.where}`,
        'The machine may have run out of memory: choose a profile with more.',
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
