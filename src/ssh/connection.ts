import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import type { NodeSSH } from 'node-ssh';
import { openClient, type ConnectOptions } from './client';
import { collect, MARK_BYTES, MOST_ANSWER_BYTES, type Collected } from './collect';
import { ChannelRefused, ConnectionLost, ImageUnfit, StageBroken } from './errors';
import { forAnyShell, quote } from './quote';
import type { ExecOptions, SshConnection, SshTarget } from './types';

/** Every command has a limit; those that may take long name their own. */
const DEFAULT_LIMIT_MS = 60_000;
/** A session counts until sshd has noticed its end. */
const DEFAULT_ROOM_MS = 3_000;
const ROOM_PAUSE_MS = 50;
/** A file may be large and a line slow. */
const UPLOAD_LIMIT_MS = 15 * 60_000;

/**
 * Opens a connection for small commands and files. Throws what `openClient` throws. The caller
 * closes it.
 */
export async function connect(target: SshTarget, options?: ConnectOptions): Promise<SshConnection> {
  return connectionOf(await openClient(target, options), `${target.address}:${target.port}`);
}

/** The same over a connection that is logged in already. */
export function connectionOf(ssh: NodeSSH, where: string): SshConnection {
  return new Connection(ssh, where);
}

class Connection implements SshConnection {
  /** Commands that run now. */
  private readonly running = new Set<Promise<unknown>>();

  constructor(
    private readonly ssh: NodeSSH,
    private readonly where: string,
  ) {}

  async exec(command: string, options: ExecOptions = {}): Promise<Collected> {
    const { roomMs = DEFAULT_ROOM_MS } = options;
    for (const beganMs = performance.now(); ;) {
      const ended = this.once(command, options);
      const settled = ended.catch(() => undefined).finally(() => this.running.delete(settled));
      this.running.add(settled);
      try {
        return await ended;
      } catch (error) {
        // Where sshd allows few sessions (MaxSessions), the command waits for one of those that
        // run, or that have just ended.
        this.running.delete(settled);
        if (!(error instanceof ChannelRefused)) throw error;
        if (this.running.size > 0) await Promise.race(this.running);
        else if (performance.now() - beganMs < roomMs) await sleep(ROOM_PAUSE_MS);
        else throw error;
      }
    }
  }

  /** What start-up files print comes before our own mark, on both streams, and is dropped. */
  private async once(
    command: string,
    { stdin, timeoutMs = DEFAULT_LIMIT_MS, mostBytes = MOST_ANSWER_BYTES }: ExecOptions,
  ): Promise<Collected> {
    const mark = randomBytes(MARK_BYTES / 2).toString('hex');
    // In two pieces: a shell that prints what it runs (set -x) must not print the mark.
    const print = `printf %s%s ${mark.slice(0, 8)} ${mark.slice(8)}`;
    const line = forAnyShell(`${print}; ${print} >&2; ${command}`);
    const { where } = this;
    const answer = await openChannel(clientOf(this.ssh, where), line, where, (channel) =>
      collect(channel, { mark, where, stdin, timeoutMs, mostBytes }),
    );
    if (answer !== undefined) return answer;
    throw new ImageUnfit(`the instance at ${where} doesn't run commands: its login shell ends before the first one`, {
      remedy: 'Check the image: a start-up file (.bashrc, .profile) that exits, or a ForceCommand of its sshd.',
    });
  }

  async upload(content: Readable | Buffer, remotePath: string, mode: number): Promise<void> {
    const target = quote(remotePath);
    const part = quote(`${remotePath}.part`);
    const octal = mode.toString(8);
    const result = await this.exec(
      `umask 077 && mkdir -p "$(dirname ${target})" && cat > ${part} && chmod ${octal} ${part} && mv ${part} ${target}`,
      { stdin: Buffer.isBuffer(content) ? Readable.from([content]) : content, timeoutMs: UPLOAD_LIMIT_MS },
    );
    if (result.exitCode === 0) return;
    throw new StageBroken(
      `can't write ${remotePath} on ${this.where}: ${result.stderr.trim() || `exit ${result.exitCode}`}`,
    );
  }

  close(): void {
    this.ssh.connection?.end();
  }
}

/** ssh2's client of a connection. Throws ConnectionLost when it is closed. */
export function clientOf(ssh: NodeSSH, where: string): Client {
  if (ssh.connection) return ssh.connection;
  throw new ConnectionLost(`the connection to ${where} is closed`, { retryable: true });
}

/**
 * Opens a channel that runs a command line, and gives what `attach` makes of it. `attach` is called
 * in the very moment the channel is open: the answer, the exit status and the channel's end may lie
 * in the same packet, and whoever listens a tick later misses them. Not `execCommand` of node-ssh,
 * which keeps all output and takes a lost connection for an end. Throws ConnectionLost,
 * ChannelRefused.
 */
export function openChannel<T>(
  client: Client,
  command: string,
  where: string,
  attach: (channel: ClientChannel) => T | Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new ConnectionLost(`the connection to ${where} broke`, { retryable: true }));
    client.once('close', lost);
    try {
      client.exec(command, (error, channel) => {
        client.removeListener('close', lost);
        if (error)
          reject(
            new ChannelRefused(`${where} refuses to run a command: ${error.message}`, {
              retryable: true,
              cause: error,
            }),
          );
        else resolve(attach(channel));
      });
    } catch (error) {
      reject(new ConnectionLost(`the connection to ${where} is closed`, { retryable: true, cause: error }));
    }
  });
}
