/** Stands in until stacks/job.ts is here, whose type of this name takes its place. */
export interface JobStackArgs {
  readonly stackName: string;
}

/** One-way view of Pulumi for the rest of src/: only src/engine imports Pulumi, and it is loaded when needed. */
export interface Engine {
  /**
   * Creates or selects the stack and brings it up. Survives SIGTERM until its CLI has come to rest (pulumi.md).
   * Throws PlacementRefused (code of the cloud, may another pool mend it), EngineFailed, StackLocked.
   */
  up(args: JobStackArgs, options: UpOptions): Promise<UpResult>;
  /** Clears a stale lock, resolves pending operations by tag, destroys and removes. Idempotent: a missing stack is done. */
  destroy(
    stackName: string,
    options: { readonly signal?: AbortSignal; readonly log: (line: string) => void },
  ): Promise<void>;
  list(): Promise<readonly StackSummary[]>;
}

export interface UpOptions {
  /** Aborted: the CLI gets SIGTERM and is waited for. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** A resource began or ended, from the engine's events. */
  readonly onResource?: (event: {
    readonly type: string;
    readonly operation: string;
    readonly done: boolean;
    readonly failed: boolean;
  }) => void;
}

export interface UpResult {
  readonly instanceId: string;
  readonly privateIp: string;
  readonly publicIp: string;
}

export interface StackSummary {
  readonly name: string;
  readonly lastUpdate: string | undefined;
  readonly resourceCount: number | undefined;
  readonly updateInProgress: boolean;
}
