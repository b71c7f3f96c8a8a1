/**
 * Whose fault a failure is. Decides the hook's exit code: `job` is a build failure, everything else
 * a system failure.
 */
export type Blame = 'job' | 'configuration' | 'cloud' | 'machine' | 'host';

export interface SpotErrorOptions {
  /** What to do about it: one sentence, or ''. */
  readonly remedy?: string;
  /** May it work the next time (another prepare, another pool)? Decided where the error arises. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * An error with a meaning. `message` says in one sentence what happened and where, `remedy` what to
 * do about it. Each subclass lives beside what it is about (`InstanceLost` in src/stages,
 * `PlacementRefused` in src/engine …). For hooks, src/hooks/outcome.ts alone turns them into exit
 * code and message.
 */
export abstract class SpotError extends Error {
  abstract readonly blame: Blame;
  readonly remedy: string;
  readonly retryable: boolean;

  constructor(message: string, options: SpotErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.remedy = options.remedy ?? '';
    this.retryable = options.retryable ?? false;
  }
}

/**
 * Something the platform team or the job's author wrote is wrong: settings, instances.yaml, a job's
 * choice.
 */
export class ConfigurationError extends SpotError {
  readonly blame = 'configuration';
}

/**
 * Something on the executor's own host is missing or broken: no `pulumi` on PATH, disk full, a
 * state file that can't be read.
 */
export class HostError extends SpotError {
  readonly blame = 'host';
}
