/**
 * An error that a command reports in one sentence, with the exit code that the real CLI gives it.
 */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly exitCode: number = 1;
}

/** The stack that a command needs does not exist, or none is selected. */
export class StackNotFound extends CommandError {
  override readonly name = 'StackNotFound';
  override readonly exitCode = 6;
}

/** The command line itself is wrong. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';
}

/** `--yes` is missing and nobody can be asked. */
export class ConfirmationMissing extends CommandError {
  override readonly name = 'ConfirmationMissing';
  override readonly exitCode = 2;
}

/** The operation was ended at once, by a second signal. */
export class OperationCancelled extends CommandError {
  override readonly name = 'OperationCancelled';
  override readonly exitCode = 8;
}

/** The command failed and has already said why. */
export class AlreadyReported extends CommandError {
  override readonly name = 'AlreadyReported';
}
