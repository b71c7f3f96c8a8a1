import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ClientChannel } from 'ssh2';
import { ConnectionLost, NeverBegan, StageBroken } from './errors';

/** Of one command, both streams together. Our own commands answer with a few hundred bytes. */
export const MOST_ANSWER_BYTES = 64 * 1024;
/** What start-up files may print before it. */
const MOST_GREETING_BYTES = 1024 * 1024;
export const MARK_BYTES = 16;

export interface Collected {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface CollectOptions {
  /** What the command itself prints comes after this, on each stream. */
  readonly mark: string;
  readonly where: string;
  readonly stdin: string | Readable | undefined;
  readonly timeoutMs: number;
  readonly mostBytes: number;
}

/**
 * Collects what a command answers until its channel closes; undefined when it ended and never
 * printed the mark. The channel goes as soon as the answer is too long or too late: an instance may
 * send without end. Throws StageBroken, ConnectionLost.
 */
export function collect(channel: ClientChannel, options: CollectOptions): Promise<Collected | undefined> {
  const { mark, where, stdin, timeoutMs, mostBytes } = options;
  return new Promise((resolve, reject) => {
    const stdout = new Answer(mark);
    const stderr = new Answer(mark);
    let exitCode: number | undefined;
    const fail = (message: string, Broken = StageBroken): void => {
      clearTimeout(timer);
      reject(new Broken(message, { retryable: true }));
      channel.destroy();
    };
    const timer = setTimeout(() => {
      const Broken = stdout.begun ? StageBroken : NeverBegan;
      fail(`a command on the instance at ${where} took longer than ${timeoutMs / 1000} s`, Broken);
    }, timeoutMs);
    const take = (answer: Answer, chunk: Buffer): void => {
      answer.push(chunk);
      if (stdout.bytes + stderr.bytes > mostBytes || answer.greeting > MOST_GREETING_BYTES)
        fail(`a command on the instance at ${where} answered more than ${mostBytes / 1024} KiB`);
    };
    channel.on('data', (chunk: Buffer) => take(stdout, chunk));
    channel.stderr.on('data', (chunk: Buffer) => take(stderr, chunk));
    channel.on('exit', (code: number | null) => (exitCode = code ?? 128));
    channel.on('error', () => {});
    channel.on('close', () => {
      clearTimeout(timer);
      if (exitCode === undefined) {
        reject(new ConnectionLost(`the connection to ${where} broke`, { retryable: true }));
      } else if (!stdout.begun) resolve(undefined);
      else resolve({ stdout: stdout.text(), stderr: stderr.text(), exitCode });
    });
    feed(channel, stdin);
  });
}

/** One stream of a command: what follows the mark. */
class Answer {
  begun = false;
  /** Since the mark. */
  bytes = 0;
  /** Before it. */
  greeting = 0;
  private chunks: Buffer[] = [];
  private held = Buffer.alloc(0);

  constructor(private readonly mark: string) {}

  push(chunk: Buffer): void {
    if (!this.begun) {
      this.greeting += chunk.length;
      const data = Buffer.concat([this.held, chunk]);
      const at = data.indexOf(this.mark, 0, 'latin1');
      if (at < 0) {
        this.held = Buffer.from(data.subarray(-this.mark.length));
        return;
      }
      this.begun = true;
      chunk = data.subarray(at + this.mark.length);
    }
    this.bytes += chunk.length;
    this.chunks.push(chunk);
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }
}

function feed(channel: ClientChannel, stdin: string | Readable | undefined): void {
  if (stdin === undefined || typeof stdin === 'string') {
    channel.end(stdin ?? '');
    return;
  }
  // A command that ends before it read all of its input is told by its exit status.
  pipeline(stdin, channel).catch(() => channel.destroy());
}
