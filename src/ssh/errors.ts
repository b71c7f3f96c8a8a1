import { SpotError, type SpotErrorOptions } from '../errors';

/** Nothing answers on the instance's SSH port (yet), or the answer takes too long. */
export class SshRefused extends SpotError {
  readonly blame = 'machine';
}

/**
 * Another host key than the pinned one: another machine answers at this address. Never tried again.
 */
export class HostKeyMismatch extends SpotError {
  readonly blame = 'machine';
}

/** The instance knows neither the user nor the job's key. */
export class SshAuthRefused extends SpotError {
  readonly blame = 'machine';
}

/**
 * The key worked before and has been refused for a long time: the job has removed it, or sshd's
 * configuration has changed. Final.
 */
export class KeyRemoved extends SpotError {
  readonly blame = 'machine';
}

/** No further command over this connection (sshd's MaxSessions); it goes on for those that run. */
export class ChannelRefused extends SpotError {
  readonly blame = 'machine';
}

/**
 * The image does not let a command run or a file be written: a start-up file that exits, a
 * ForceCommand, a home that can't be written. Counts as the job's failure, since another instance
 * of the same image would cost money and fail the same way.
 */
export class ImageUnfit extends SpotError {
  readonly blame = 'job';
}

/** An open connection broke; what was under way on it is unknown. */
export class ConnectionLost extends SpotError {
  readonly blame = 'machine';
}

/** No connection came back within the limit. */
export class InstanceUnreachable extends SpotError {
  readonly blame = 'machine';

  constructor(
    message: string,
    options: SpotErrorOptions,
    /**
     * When the instance last sent anything, in milliseconds; undefined: not since the stage began.
     * A living one answers every few seconds.
     */
    readonly heardMs: number | undefined,
  ) {
    super(message, options);
  }
}

/** A named wait reached its limit. */
export class SshWaitTimeout extends SpotError {
  readonly blame = 'machine';
}

/**
 * The instance answers, but wrongly: disk full, a supervisor that was killed, a restart in the
 * middle, an answer that is too long, too late, or not the supervisor's.
 */
export class StageBroken extends SpotError {
  readonly blame = 'machine';
}

/** The login worked, but the command did not start within the limit. */
export class NeverBegan extends StageBroken {}
