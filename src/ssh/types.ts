import type { Readable } from 'node:stream';

export interface SshTarget {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** OpenSSH private key text. */
  readonly privateKey: string;
  /** The pinned host key, an OpenSSH public key line. */
  readonly hostPublicKey: string;
}

export interface ExecOptions {
  readonly stdin?: string | Readable;
  /** Default: 60 s. */
  readonly timeoutMs?: number;
  /** How long a command waits for room where sshd allows few sessions. Default: 3 s. */
  readonly roomMs?: number;
  /** Of the answer, both streams together. Default: 64 KiB. */
  readonly mostBytes?: number;
}

/** An open connection. Any loss of it rejects what is under way with ConnectionLost. */
export interface SshConnection {
  /**
   * Runs a text for POSIX sh (words already quoted), whatever the user's login shell is, and
   * collects its output. Throws StageBroken for a longer answer or past the limit; ImageUnfit when
   * the login shell never came to the command.
   */
  exec(
    command: string,
    options?: ExecOptions,
  ): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number }>;
  upload(content: Readable | Buffer, remotePath: string, mode: number): Promise<void>;
  close(): void;
}

/** Runs one stage on the instance so that it outlives its connection (docs/adr/0006). */
export interface StageRunner {
  /**
   * Starts the stage (once, however often it is called for the same run id) and follows it to its
   * end. Throws InstanceUnreachable when no connection comes back within the limit. Aborting ends
   * the stage's whole session on the instance.
   */
  run(stage: StageRequest): Promise<StageOutcome>;
}

/** What a stage used of its machine, as that says: shares from 0 to 1; left out: not told. */
export interface MachineUse {
  /** The most memory at a time. */
  readonly memory?: number;
  /** Of all processors, from the stage's start to its end. */
  readonly cpu?: number;
  /** Of the system disk, at the stage's end. */
  readonly disk?: number;
}

/** What an instance tells of itself while a stage runs. */
export interface StageEvents {
  /** The cloud takes it back at this time (ISO). */
  readonly onInterruption?: (time: string) => void;
  /** It can't ask the metadata service, so it would not know. Told again after a reconnection. */
  readonly onBlind?: () => void;
  /** At the stage's end, where it can tell. */
  readonly onUse?: (use: MachineUse) => void;
  /** At the end of one that failed: the kernel has ended a process meanwhile for want of memory. */
  readonly onOutOfMemory?: () => void;
}

export interface StageRequest extends StageEvents {
  readonly target: SshTarget;
  /** Unique for each call of the run hook. */
  readonly runId: string;
  readonly stage: string;
  readonly script: Buffer;
  /**
   * The run of a stage that goes on beside this one. What else an earlier hook has left running is
   * ended.
   */
  readonly beside?: string;
  /**
   * How the script is run: on the instance, or inside the job's container. A command line for sh,
   * already quoted; the script's path follows it.
   */
  readonly interpreter: string;
  /**
   * Gets the stage's standard output and standard error as one stream, in the order in which they
   * were written.
   */
  readonly stdout: NodeJS.WritableStream;
  readonly signal: AbortSignal;
  /**
   * Called while the connection is gone, every few seconds: true means the machine is known to be
   * lost.
   */
  readonly isLost: () => Promise<boolean>;
  readonly reconnectMs: number;
  /**
   * Called when the supervisor had to be put there again, since a job has removed it: sees to what
   * else of ours a stage needs.
   */
  readonly restore?: (connection: SshConnection) => Promise<void>;
  /**
   * Asked when the stage ends with another status than 0: why that is not the script's own;
   * undefined: it is.
   */
  readonly brokenBy?: (connection: SshConnection, status: number) => Promise<string | undefined>;
  /** Where the instance asks about its own interruption; undefined: it doesn't. */
  readonly metadataUrl?: string;
}

export type StageOutcome =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'signaled'; readonly signal: string; readonly exitCode: number }
  | { readonly kind: 'cancelled' };
