import { SpotError } from '../errors';
import type { JobContext } from '../gitlab/types';

/** A failure as the contract and a person want it. */
export interface Outcome {
  readonly exitCode: number;
  /** What happened and what to do, for the job's log. */
  readonly message: string;
  /** For GITLAB_SPOT_VERBOSE only. */
  readonly details: string;
}

const LONGEST_MESSAGE = 2_000;

/**
 * The one place that turns an error into exit code and message. Only what the job itself did wrong
 * is a build failure, which the runner does not try again; all else is a system failure, which it
 * does, and which `retry: when: runner_system_failure` repeats.
 */
export function outcomeOf(error: unknown, exitCodes: JobContext['exitCodes']): Outcome {
  if (error instanceof SpotError) {
    return {
      exitCode: error.blame === 'job' ? exitCodes.buildFailure : exitCodes.systemFailure,
      message: [withStop(shortened(error.message)), error.remedy].filter((part) => part !== '').join(' '),
      details: stackOf(error),
    };
  }
  if (isHostTrouble(error)) {
    return {
      exitCode: exitCodes.systemFailure,
      message: `${hostTrouble(error)} Check owner, free space and limits there; \`gitlab-spot doctor\` looks at them.`,
      details: stackOf(error),
    };
  }
  return {
    exitCode: exitCodes.systemFailure,
    message: `${withStop(`Something went wrong inside the executor: ${describe(error)}`)} This is a defect of gitlab-spot: please report it; GITLAB_SPOT_VERBOSE=1 on the runner host shows more.`,
    details: stackOf(error),
  };
}

/**
 * Disk full, wrong owner, a file where a folder should be, too many open files: the host must be
 * fixed, not gitlab-spot.
 */
const HOST_TROUBLE = new Set(
  'ENOSPC EDQUOT EROFS EACCES EPERM EIO EMFILE ENFILE ENOMEM EAGAIN ENOTDIR EISDIR ELOOP ENAMETOOLONG'.split(' '),
);

function isHostTrouble(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === 'EEXIST') return syscall === 'mkdir';
  return syscall !== undefined && code !== undefined && HOST_TROUBLE.has(code);
}

/**
 * A message may quote text of any length (a ref, an answer of a server). Cut it, so that the remedy
 * stays visible.
 */
function shortened(message: string): string {
  return message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message;
}

function hostTrouble(error: unknown): string {
  const { code, syscall = '', path = '' } = (error ?? {}) as NodeJS.ErrnoException;
  const where = path === '' ? '' : ` ${path}`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return `The runner host's disk is full: cannot ${syscall}${where}.`;
  return withStop(`The runner host refuses what the executor needs: ${describe(error)}`);
}

function withStop(message: string): string {
  return /[.!?…]$/.test(message) ? message : `${message}.`;
}

function describe(error: unknown): string {
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code && syscall) return `${syscall} ${path ?? ''} failed with ${code}`.replace('  ', ' ');
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}

function stackOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const cause = error instanceof Error && error.cause !== undefined ? `\ncaused by ${stackOf(error.cause)}` : '';
  return stack + cause;
}
