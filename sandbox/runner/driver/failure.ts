/** Why a job ended other than well. */

export type FailureReason =
  'script_failure' | 'runner_system_failure' | 'runner_interrupted' | 'job_execution_timeout' | 'unknown_failure';

/**
 * The job's own fault: the hook exited with BUILD_FAILURE_EXIT_CODE, or what the job asks for can't
 * be done.
 */
export class BuildFailed extends Error {
  constructor(
    readonly exitCode: number,
    message = `exit status ${exitCode}`,
  ) {
    super(message);
  }
}

/** The runner's, the machine's or the cloud's. */
export class SystemFailed extends Error {}

/** The job's time, or its script's, is over. */
export class OutOfTime extends Error {}

export class Canceled extends Error {
  constructor() {
    super('canceled');
  }
}

/** The runner itself was told to end. */
export class Interrupted extends Error {
  constructor() {
    super('aborted: terminated');
  }
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** What the body throws, as a value: for what must go on all the same. */
export async function attempt(body: () => Promise<void>): Promise<Error | undefined> {
  try {
    await body();
    return undefined;
  } catch (error) {
    return asError(error);
  }
}
