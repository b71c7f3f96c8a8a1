/** A command whose standard streams are an SSH channel. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { ServerChannel } from 'ssh2';
import type { PipeFactory } from './pipes';
import type { Namespaces } from './namespaces';
import type { Pty } from './pty';

export interface CommandOptions {
  readonly argv: readonly string[];
  readonly pty: Pty | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly namespaces: Namespaces;
  readonly pipes: PipeFactory;
  /** Resolves when the channel or its connection is closed. */
  readonly hasEnded: Promise<void>;
}

export interface RunningCommand {
  /** Signals the command's process group, as sshd does. */
  signal(name: NodeJS.Signals): void;
  /** A new size of the terminal; nothing without one. */
  resize(rows: number, cols: number): void;
}

/**
 * Starts the command in a session of its own. The channel is closed when the command has ended
 * *and* nobody holds its output any more, which a background process may do for long. When the
 * channel is closed first, the command only loses its streams (and its terminal, if it has one).
 */
export async function runInChannel(channel: ServerChannel, options: CommandOptions): Promise<RunningCommand> {
  const stdin = await options.pipes.forReading();
  const stdout = await options.pipes.forWriting();
  const stderr = await options.pipes.forWriting();
  const fds = [stdin.childFd, stdout.childFd, stderr.childFd];
  const [file, ...args] = options.namespaces.enter(options.argv, options.cwd);
  const child = spawn(file, args, {
    cwd: '/',
    env: options.environment,
    stdio: fds,
    detached: true,
  });
  const exit = exitOf(child);
  const signalGroup = (name: NodeJS.Signals): void => {
    const leader = options.namespaces.leader(child);
    if (leader !== undefined) tryKill(-leader, name);
  };
  for (const fd of fds) closeSync(fd);

  feed(channel, stdin.ours);
  const writer = new ChannelWriter(channel);
  const drained = Promise.all([writer.copy(stdout.ours, channel), writer.copy(stderr.ours, channel.stderr)]);
  void exit.then((status) => {
    if ('code' in status) channel.exit(status.code);
    else channel.exit(status.signal, false, '');
    stdin.ours.destroy();
  });
  void Promise.all([exit, drained]).then(() => channel.end());
  void options.hasEnded.then(() => {
    for (const stream of [stdin.ours, stdout.ours, stderr.ours]) stream.destroy();
    if (options.pty) signalGroup('SIGKILL');
    options.pty?.forget();
  });
  return {
    signal: (name) => (options.pty ? options.pty.signal(name) : signalGroup(name)),
    resize: (rows, cols) => options.pty?.resize(rows, cols),
  };
}

type ExitStatus = { readonly code: number } | { readonly signal: string };

/** As session_exit_message of sshd has it: a status, or a signal by its name without SIG. */
function exitOf(child: ChildProcess): Promise<ExitStatus> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code === null ? { signal: (signal ?? 'SIGKILL').slice(3) } : { code }),
    );
  });
}

function tryKill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended just now.
  }
}

/**
 * The client's data to the command; what comes after the command closed its input is thrown away,
 * so that the window never fills.
 */
function feed(channel: ServerChannel, stdin: Socket): void {
  stdin.on('error', () => stdin.destroy());
  stdin.on('close', () => {
    channel.unpipe(stdin);
    channel.resume();
  });
  channel.on('error', () => stdin.destroy());
  channel.pipe(stdin);
}

/**
 * Writes both outputs into the channel, one chunk at a time. ssh2 1.17 keeps one place for a chunk
 * that waits for the window, which both streams share, and doesn't empty it: two waiting chunks
 * would be stuck, an old one sent again.
 */
class ChannelWriter {
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly channel: ServerChannel) {}

  /** Resolves when the source has ended and all of it is written. */
  copy(source: Socket, sink: Writable): Promise<void> {
    source.on('data', (chunk: Buffer) => {
      source.pause();
      this.turn = this.turn.then(() => this.write(sink, chunk)).then(() => void source.resume());
    });
    return new Promise((resolve) => {
      source.on('error', () => source.destroy());
      source.on('close', () => resolve(this.turn));
    });
  }

  private write(sink: Writable, chunk: Buffer): Promise<void> {
    return new Promise((resolve) => {
      sink.write(chunk, () => {
        Object.assign(this.channel, {
          _chunk: undefined,
          _chunkcb: undefined,
          _chunkErr: undefined,
          _chunkcbErr: undefined,
        });
        resolve();
      });
    });
  }
}
