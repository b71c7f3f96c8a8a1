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
 * A key that was good is refused for long: the job has removed it, or sshd's configuration has
 * changed. Final.
 */
export class KeyRemoved extends SpotError {
  readonly blame = 'machine';
}

/** No further command over this connection (sshd's MaxSessions); it goes on for those that run. */
export class ChannelRefused extends SpotError {
  readonly blame = 'machine';
}

/**
 * The image doesn't let a command run or a file be written: a start-up file that exits, a
 * ForceCommand, a home that can't be written. Told as the job's failure, since a second and a third
 * instance of the same image would cost the same and do no better.
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
     * When it was last heard of (milliseconds); undefined: not since the stage began. A living one
     * is heard of every few seconds.
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
 * The instance answers, but not as it should: no space, a supervisor that was killed, a restart in
 * the middle, an answer that is too long, too late, or none that the supervisor gives.
 */
export class StageBroken extends SpotError {
  readonly blame = 'machine';
}

/** No more than the login came within the limit: the command never began. */
export class NeverBegan extends StageBroken {}
