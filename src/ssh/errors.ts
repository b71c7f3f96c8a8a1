import { SpotError, type SpotErrorOptions } from '../errors';

/** Nothing answers on the instance's SSH port (yet), or the answer takes too long. */
export class SshRefused extends SpotError {
  readonly blame = 'machine';
}

/** Another host key than the pinned one: another machine answers at this address. Never tried again. */
export class HostKeyMismatch extends SpotError {
  readonly blame = 'machine';
}

/** The instance knows neither the user nor the job's key. */
export class SshAuthRefused extends SpotError {
  readonly blame = 'machine';
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
    /** When it was last heard of (milliseconds); undefined: not since the stage began. A living one is heard of every few seconds. */
    readonly heardMs: number | undefined,
  ) {
    super(message, options);
  }
}

/** A named wait reached its limit. */
export class SshWaitTimeout extends SpotError {
  readonly blame = 'machine';
}

/** The instance answers, but can't run a stage: no shell, no space, a supervisor that was killed, a restart in the middle. */
export class StageBroken extends SpotError {
  readonly blame = 'machine';
}
