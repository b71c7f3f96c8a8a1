import type { JobStackArgs } from '../../stacks/job';

export type { JobStackArgs };

/**
 * One-way view of Pulumi for the rest of src/: only src/engine imports Pulumi, and it is loaded
 * when needed.
 */
export interface Engine {
  /**
   * Creates or selects the stack and brings it up. Survives SIGTERM until its CLI has come to rest
   * (docs/pulumi.md). Throws PlacementRefused (code of the cloud), UpCancelled, StackLocked,
   * EngineFailed, HostError.
   */
  up(args: JobStackArgs, options: UpOptions): Promise<UpResult>;
  /**
   * Ends what still works on the stack, deletes what the cloud has under its tags, clears a stale
   * lock, destroys and removes the stack. Idempotent: a missing stack is done. Throws StackLocked,
   * EngineFailed, CloudRefused, CloudUnreachable.
   */
  destroy(stackName: string, options: DestroyOptions): Promise<Destroyed>;
  list(): Promise<readonly StackSummary[]>;
}

/** A stack that is brought up, perhaps before it is known what it consists of. */
export interface UpRequest {
  readonly stackName: string;
  /** Rejected: the stack is no longer wanted; the engine ends in order and makes nothing. */
  readonly args: Promise<JobStackArgs>;
}

/** Engine.up of such a stack. */
export type BringUp = (request: UpRequest, options: UpOptions) => Promise<UpResult>;

export interface UpOptions {
  /** Aborted: the CLI gets SIGTERM and is waited for. */
  readonly signal: AbortSignal;
  /** Aborted: the instance is known never to come; the CLI is made to give up at once, in order. */
  readonly abandon?: AbortSignal;
  /** False: a further `up` of a stack that this process has made. */
  readonly create?: boolean | undefined;
  readonly log: (line: string) => void;
  /** A resource began or ended, from the engine's events. */
  readonly onResource?: (event: {
    readonly type: string;
    readonly operation: string;
    readonly done: boolean;
    readonly failed: boolean;
  }) => void;
  /**
   * The cloud has accepted the instance, and the provider waits for it to run. Not told by a
   * provider that does not say so.
   */
  readonly onAccepted?: () => void;
  /** All that the stack declares beside its instance is made. */
  readonly onOthersMade?: () => void;
  /** The `up` holds a place of its own among those that wait (docs/adr/0010). */
  readonly onPlaced?: () => void;
  /** Only the instance is still awaited, in a slot of its own: prepare may leave. */
  readonly onMayLeave?: () => void;
}

/** `up` in a process of its own, which goes on when whoever asked for it leaves (docs/adr/0021). */
export interface UpApart {
  /**
   * Makes the stack and starts the engine, which then waits for what the first `up` says: whoever
   * dies from here on leaves a stack. Never throws; the `up` tells.
   */
  begin(options: Pick<UpOptions, 'create' | 'signal' | 'log'>): void;
  /** As Engine.up; once for each pool. onPlaced and onMayLeave are told here alone. */
  readonly up: Engine['up'];
  /** Somebody saw that the cloud has the instance; not each provider tells. */
  accepted(): void;
  /** The `up` goes on by itself. @throws what it has failed with meanwhile */
  leave(): Promise<void>;
  /**
   * It is not needed any more, and ends; an `up` that nobody left comes to rest first. Resolves once
   * this process has no CLI any more.
   */
  end(): Promise<void>;
}

export interface DestroyOptions {
  /**
   * The name under which the stack was made, which its tags go on telling; it may still have that
   * one.
   */
  readonly madeAs?: string | undefined;
  readonly signal?: AbortSignal;
  readonly log: (line: string) => void;
  /** Told as soon as it is known: what comes after may fail. */
  readonly onInstanceGone?: (at: Date) => void;
  /**
   * Called before an instance is deleted, to note when its billing ends, even if this process dies.
   */
  readonly onDeleting?: () => void;
}

export interface Destroyed {
  /** When the cloud no longer knew the job's instance: billing ends. Undefined: there was none. */
  readonly instanceGoneAt: Date | undefined;
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
