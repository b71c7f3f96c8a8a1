/**
 * Machines for the simulated cloud. They live in a process of their own, one for each process that
 * starts machines.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { HostReply, HostRequest } from './host-protocol';
import type { Machine, MachineKind, MachineSpec, StartMachine } from './machine';
import { killMarked, markerOf } from './processes';

export { whyNoNamespaces } from './namespaces';
export type { Machine, MachineKind, MachineSpec, StartMachine } from './machine';

/**
 * Says how machines of this kind are started. The host process starts with the first machine and
 * ends with the calling process.
 */
export function startMachine(kind: MachineKind): StartMachine {
  return async (spec) => {
    host = host?.isAlive ? host : new InstanceHost();
    return host.start(kind, spec);
  };
}

let host: InstanceHost | undefined;

type Call = { readonly machine: number } & (HostRequest extends infer R
  ? R extends HostRequest
    ? Omit<R, 'id' | 'machine'>
    : never
  : never);

class InstanceHost {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, (reply: HostReply) => void>();
  private lastId = 0;
  private lastMachine = 0;
  isAlive = true;

  constructor() {
    this.child = fork(hostScript(), [], {
      detached: true,
      execArgv: [],
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child.on('message', (reply: HostReply) => this.settle(reply));
    this.child.once('exit', () => this.ended());
    this.rest();
  }

  async start(kind: MachineKind, spec: MachineSpec): Promise<Machine> {
    const machine = ++this.lastMachine;
    await this.call({ machine, do: 'start', kind, spec });
    const marker = markerOf(spec.directory);
    return {
      spec,
      // Without its host the machine's processes are still to be ended.
      kill: async () => void (await this.call({ machine, do: 'kill' }).catch(() => killMarked(marker))),
      disconnect: async () => void (await this.call({ machine, do: 'disconnect' })),
      reconnect: async () => void (await this.call({ machine, do: 'reconnect' })),
      dropConnections: async () => (await this.call({ machine, do: 'dropConnections' })) ?? 0,
    };
  }

  private call(call: Call): Promise<number | undefined> {
    const id = ++this.lastId;
    this.child.ref();
    this.child.channel?.ref();
    return new Promise((resolve, reject) => {
      this.pending.set(id, (reply) =>
        reply.error === undefined ? resolve(reply.count) : reject(new Error(reply.error)),
      );
      // A dead process is told by whichever comes first, its exit or a message that can't be sent.
      this.child.send({ ...call, id }, (error) => error && this.ended());
    });
  }

  private ended(): void {
    this.isAlive = false;
    for (const id of [...this.pending.keys()])
      this.settle({ id, error: 'the process that holds the instances has ended' });
  }

  private settle(reply: HostReply): void {
    this.pending.get(reply.id)?.(reply);
    this.pending.delete(reply.id);
    if (this.pending.size === 0) this.rest();
  }

  /** An idle host keeps nobody's process alive. */
  private rest(): void {
    this.child.unref();
    this.child.channel?.unref();
  }
}

/** Beside the bundle that holds this code, or, from source, in the build. */
function hostScript(): string {
  const candidates = [
    path.join(__dirname, 'instance-host.js'),
    path.resolve(__dirname, '../../dist/sandbox/instance-host.js'),
  ];
  const script = candidates.find((candidate) => existsSync(candidate));
  if (script === undefined) throw new Error('dist/sandbox/instance-host.js is missing: run `npm run build`');
  return script;
}
