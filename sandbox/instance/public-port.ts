/** The machine's SSH port as the world sees it, with the faults of the network before it. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Machine, MachineSpec } from './machine';
import { killMarked, type Marker } from './processes';

export class PublicPort {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly waiting = new Set<Socket>();
  private cut = false;
  private readonly whenOpened: (() => void)[] = [];

  private constructor(private readonly serve: (socket: Socket) => void) {
    this.server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.accept(socket));
  }

  /**
   * Listens at `address:port`; each connection goes to `serve`, paused. Rejects when the port is
   * taken.
   */
  static async listen(address: string, port: number, serve: (socket: Socket) => void): Promise<PublicPort> {
    const self = new PublicPort(serve);
    await new Promise<void>((resolve, reject) => {
      self.server.once('error', reject);
      self.server.listen({ host: address, port, backlog: 512 }, resolve);
    });
    return self;
  }

  /**
   * From now on nothing is read and nothing sent; connections, old and new, stay open and silent.
   */
  disconnect(): void {
    if (this.cut) return;
    this.cut = true;
    for (const socket of this.sockets) {
      socket.pause();
      socket.cork();
    }
  }

  /** What was held back passes now, in order. */
  reconnect(): void {
    if (!this.cut) return;
    this.cut = false;
    for (const socket of this.sockets) {
      if (this.waiting.delete(socket)) this.serve(socket);
      else {
        socket.uncork();
        socket.resume();
      }
    }
    for (const resolve of this.whenOpened.splice(0)) resolve();
  }

  /** False while nothing may pass: for a server that pauses and resumes sockets itself. */
  get isOpen(): boolean {
    return !this.cut;
  }

  /** Resolves when data may pass: at once, or after `reconnect`. */
  async opened(): Promise<void> {
    if (this.cut) await new Promise<void>((resolve) => this.whenOpened.push(resolve));
  }

  /** Resets every connection; returns how many there were. */
  dropConnections(): number {
    const count = this.sockets.size;
    for (const socket of this.sockets) socket.resetAndDestroy();
    return count;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.dropConnections();
    await closed;
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.waiting.delete(socket);
    });
    if (this.cut) this.waiting.add(socket);
    else this.serve(socket);
  }
}

/** A running machine, by its port and by the mark of its processes. */
export function machineBehind(port: PublicPort, spec: MachineSpec, marker: Marker): Machine {
  let killed: Promise<void> | undefined;
  return {
    spec,
    kill: () => (killed ??= port.close().then(() => killMarked(marker))),
    disconnect: async () => port.disconnect(),
    reconnect: async () => port.reconnect(),
    dropConnections: async () => port.dropConnections(),
  };
}
