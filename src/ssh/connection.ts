import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';
import { openClient, type ConnectOptions } from './client';
import { ConnectionLost, StageBroken } from './errors';
import { quote } from './quote';
import type { SshConnection, SshTarget } from './types';

/** Opens a connection for small commands and files. Throws what `openClient` throws. The caller closes it. */
export async function connect(target: SshTarget, options?: ConnectOptions): Promise<SshConnection> {
  return connectionOf(await openClient(target, options), `${target.address}:${target.port}`);
}

/** The same over a client that is logged in already. */
export function connectionOf(client: Client, where: string): SshConnection {
  return new Connection(client, where);
}

class Connection implements SshConnection {
  constructor(
    private readonly client: Client,
    private readonly where: string,
  ) {}

  async exec(
    command: string,
    options: { readonly stdin?: string | Readable; readonly timeoutMs?: number } = {},
  ): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    return await openChannel(this.client, command, this.where, (channel) => this.collect(channel, options));
  }

  private collect(
    channel: ClientChannel,
    options: { readonly stdin?: string | Readable; readonly timeoutMs?: number },
  ): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    return new Promise((resolve, reject) => {
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      let exitCode: number | undefined;
      const timer =
        options.timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              channel.destroy();
              reject(
                new StageBroken(`a command on ${this.where} took longer than ${(options.timeoutMs ?? 0) / 1000} s`),
              );
            }, options.timeoutMs);
      channel.on('data', (chunk: Buffer) => stdout.push(chunk));
      channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      channel.on('exit', (code: number | null) => (exitCode = code ?? 128));
      channel.on('error', () => {});
      channel.on('close', () => {
        clearTimeout(timer);
        if (exitCode === undefined)
          reject(new ConnectionLost(`the connection to ${this.where} broke`, { retryable: true }));
        else resolve({ stdout: text(stdout), stderr: text(stderr), exitCode });
      });
      feed(channel, options.stdin);
    });
  }

  async upload(content: Readable | Buffer, remotePath: string, mode: number): Promise<void> {
    const target = quote(remotePath);
    const part = quote(`${remotePath}.part`);
    const octal = mode.toString(8);
    const result = await this.exec(
      `umask 077 && mkdir -p "$(dirname ${target})" && cat > ${part} && chmod ${octal} ${part} && mv ${part} ${target}`,
      { stdin: Buffer.isBuffer(content) ? Readable.from([content]) : content },
    );
    if (result.exitCode === 0) return;
    throw new StageBroken(
      `can't write ${remotePath} on ${this.where}: ${result.stderr.trim() || `exit ${result.exitCode}`}`,
    );
  }

  close(): void {
    this.client.end();
  }
}

/**
 * Opens a channel that runs a command line, and gives what `attach` makes of it. `attach` is called in the very moment the channel is
 * open: the answer, the exit status and the channel's end may lie in the same packet, and whoever listens a tick later misses them.
 * Throws ConnectionLost.
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
            new ConnectionLost(`${where} refuses to run a command: ${error.message}`, {
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

function feed(channel: ClientChannel, stdin: string | Readable | undefined): void {
  if (stdin === undefined || typeof stdin === 'string') {
    channel.end(stdin ?? '');
    return;
  }
  // A command that ends before it read all of its input is told by its exit status.
  pipeline(stdin, channel).catch(() => channel.destroy());
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
