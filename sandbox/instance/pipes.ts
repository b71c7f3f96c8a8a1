/**
 * Real pipes to a child. Node gives its children sockets, and a script's `echo > /dev/stderr` fails
 * on a socket (ENXIO); OpenSSH's sshd gives pipes. Named pipes, unlinked as soon as both ends are
 * open, behave as anonymous ones do.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';

const BATCH = 30;
const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** Our end as a stream, the child's as a descriptor, to be closed here once the child has it. */
export interface PipeToChild {
  readonly ours: Socket;
  readonly childFd: number;
}

export class PipeFactory {
  private readonly ready: string[] = [];
  private filling: Promise<void> | undefined;

  /** `directory`: an existing private folder for names that live for a moment. */
  constructor(private readonly directory: string) {}

  /** A pipe that the child reads (its standard input). */
  async forReading(): Promise<PipeToChild> {
    const name = await this.name();
    // A writer may open without waiting only where a reader is; the child's own end must be a
    // blocking one.
    const opener = openSync(name, O_RDONLY | O_NONBLOCK);
    const writeEnd = openSync(name, O_WRONLY | O_NONBLOCK);
    const childFd = openSync(name, O_RDONLY);
    closeSync(opener);
    unlinkSync(name);
    return { ours: new Socket({ fd: writeEnd, readable: false, writable: true }), childFd };
  }

  /** A pipe that the child writes (its standard output or error). */
  async forWriting(): Promise<PipeToChild> {
    const name = await this.name();
    const readEnd = openSync(name, O_RDONLY | O_NONBLOCK);
    const childFd = openSync(name, O_WRONLY);
    unlinkSync(name);
    return { ours: new Socket({ fd: readEnd, readable: true, writable: false }), childFd };
  }

  private async name(): Promise<string> {
    for (;;) {
      const name = this.ready.pop();
      if (name !== undefined) return name;
      this.filling ??= this.fill().finally(() => (this.filling = undefined));
      await this.filling;
    }
  }

  /** One `mkfifo` makes many: it costs a process. */
  private async fill(): Promise<void> {
    const names = Array.from({ length: BATCH }, () => path.join(this.directory, randomUUID()));
    await promisify(execFile)('mkfifo', ['-m', '600', ...names]);
    this.ready.push(...names);
  }
}
