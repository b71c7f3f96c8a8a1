/** The machines behind the instances: started when one runs, killed when it goes. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Machine, MachineSpec, StartMachine } from '../../instance/machine';
import type { Instance, KeyPair } from './records';

export interface MachineSettings {
  readonly directory: string;
  readonly sshPort: number;
  readonly metadataUrl: (instanceId: string) => string;
  readonly keyPair: (name: string) => KeyPair | undefined;
  /** What the instance's image brings along. */
  readonly programs: (imageId: string) => MachineSpec['programs'];
  readonly sharedFolders: readonly string[];
  /** Whether the image's cloud-init can ask the metadata service for a token. */
  readonly knowsTokens: (imageId: string) => boolean;
  readonly log: (line: string) => void;
}

/**
 * Starting at most this many at once keeps a restart with 200 instances from starving everything
 * else.
 */
const STARTS_AT_ONCE = 8;

export class Machines {
  private readonly running = new Map<string, Promise<Machine | undefined>>();
  private starting = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly startMachine: StartMachine,
    private readonly settings: MachineSettings,
  ) {}

  /**
   * Starts the instance's machine unless it has one. A machine that can't start is an instance
   * nobody can log in to: that is logged.
   */
  start(instance: Instance): Promise<void> {
    let machine = this.running.get(instance.instanceId);
    if (!machine) {
      machine = this.whenPlace(() => this.startMachine(this.specOf(instance))).catch((error: unknown) => {
        this.settings.log(`machine of ${instance.instanceId} did not start: ${String(error)}`);
        return undefined;
      });
      this.running.set(instance.instanceId, machine);
    }
    return machine.then(() => undefined);
  }

  /** Resolves with undefined where none runs. */
  async get(instanceId: string): Promise<Machine | undefined> {
    return this.running.get(instanceId);
  }

  async kill(instanceId: string): Promise<void> {
    const machine = this.running.get(instanceId);
    this.running.delete(instanceId);
    await (await machine)?.kill().catch((error: unknown) => {
      this.settings.log(`machine of ${instanceId} did not end: ${String(error)}`);
    });
  }

  /** Kills the machine and removes its disk. */
  async release(instanceId: string): Promise<void> {
    await this.kill(instanceId);
    await rm(this.folderOf(instanceId), { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) =>
      this.settings.log(`folder of ${instanceId} was not removed: ${String(error)}`),
    );
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.running.keys()].map((instanceId) => this.kill(instanceId)));
  }

  private folderOf(instanceId: string): string {
    return path.join(this.settings.directory, 'instances', instanceId);
  }

  private specOf(instance: Instance): MachineSpec {
    // cloud-init gets user data and keys from the metadata service: an old one that is refused
    // there gets neither, and boots all the same.
    const blind = instance.metadata.httpTokens === 'required' && !this.settings.knowsTokens(instance.imageId);
    const key = blind ? undefined : this.settings.keyPair(instance.keyPairName);
    const programs = this.settings.programs(instance.imageId);
    return {
      instanceId: instance.instanceId,
      hostname: instance.hostName,
      address: instance.address,
      sshPort: this.settings.sshPort,
      directory: this.folderOf(instance.instanceId),
      authorizedKeys: key ? [key.publicKey] : [],
      userData: blind ? '' : Buffer.from(instance.userData, 'base64').toString('utf8'),
      metadataUrl: this.settings.metadataUrl(instance.instanceId),
      sharedFolders: this.settings.sharedFolders,
      ...(programs ? { programs } : {}),
    };
  }

  private async whenPlace<T>(work: () => Promise<T>): Promise<T> {
    if (this.starting >= STARTS_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.starting++;
    try {
      return await work();
    } finally {
      this.starting--;
      this.waiting.shift()?.();
    }
  }
}
