/**
 * The contract between the simulated cloud (which decides that an instance runs) and the machine
 * that it is.
 */

/** What a machine is made from. */
export interface MachineSpec {
  /** `i-…` */
  readonly instanceId: string;
  readonly hostname: string;
  /** Loopback address of its own, 127.x.y.z. */
  readonly address: string;
  readonly sshPort: number;
  /**
   * Private folder: home directory, host key, the files of the instance. Made by startMachine where
   * missing.
   */
  readonly directory: string;
  /** OpenSSH public key lines that may log in. */
  readonly authorizedKeys: readonly string[];
  /** Decoded user data as RunInstances got it (cloud-config YAML or a `#!` script); '' for none. */
  readonly userData: string;
  /**
   * Base URL that answers as http://100.100.100.200 does for this instance, e.g.
   * http://127.0.0.1:PORT/-/metadata/i-…
   */
  readonly metadataUrl: string;
  /** Folders of this machine that the instance may write to, beside its own. */
  readonly sharedFolders?: readonly string[];
  /**
   * Programs that an image may or may not have. Left out: 'none', also when the host has the
   * program.
   */
  readonly programs?: Readonly<Partial<Record<ProgramName, ProgramSource>>>;
}

export type ProgramName = 'docker' | 'gitlab-runner';
/**
 * The sandbox's stand-in, the host's own (where the host's PATH has it in a system folder), none,
 * or any executable file.
 */
export type ProgramSource = 'stand-in' | 'host' | 'none' | { readonly file: string };

/** A machine that has been started: its SSH port answers. */
export interface Machine {
  readonly spec: MachineSpec;
  /**
   * Ends the SSH server, every connection and every process of the instance (SIGKILL). Idempotent;
   * the folder stays.
   */
  kill(): Promise<void>;
  /**
   * Fault: the network to the machine is cut (packets vanish; nothing is closed) until `reconnect`.
   * Processes go on.
   */
  disconnect(): Promise<void>;
  reconnect(): Promise<void>;
  /**
   * Fault: every open SSH connection is reset once; the server goes on. Resolves with how many
   * there were.
   */
  dropConnections(): Promise<number>;
}

/**
 * Starts a machine; resolves when its SSH port answers. Also ends what an earlier life of the same
 * directory left running.
 */
export type StartMachine = (spec: MachineSpec) => Promise<Machine>;

export type MachineKind = 'ssh2' | 'sshd';
