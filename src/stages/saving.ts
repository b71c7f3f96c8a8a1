import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../duration';
import type { JobVariables } from '../gitlab/expand';
import type { JobLog } from '../gitlab/job-log';
import { quote } from '../ssh/quote';
import type { StageOutcome } from '../ssh/types';

/** Kept free before the instance goes: for after_script, caches and artifacts. */
const KEPT_FOR_UPLOADS_MS = 30_000;
/** The save gets at least this long, even at short notice: better late than never. */
const SHORTEST_MS = 5_000;

/** Shells refuse these, or take them for their own. */
const NOT_A_JOB_S = /^(_|E?UID|PPID|SHELLOPTS|BASHOPTS|BASH_VERSINFO|BASH_ENV|ENV|IFS)$/;

/**
 * What a job wants to have run when its instance is taken back (SPOT_ON_INTERRUPTION), as a script:
 * in the checkout, with the job's variables. It is a secret, as the runner's own scripts are.
 *
 * @param variables as the runner hands them to the hooks: expanded, files by their path on the
 * instance
 */
export function saveScript(command: string, variables: JobVariables): Buffer {
  const exported = Object.entries(variables)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && !NOT_A_JOB_S.test(name) && !value.includes('\0'))
    .map(([name, value]) => `export ${name}=${quote(value)}\n`);
  // The script may itself come over standard input, which is not the command's.
  return Buffer.from(`${exported.join('')}cd "$CI_PROJECT_DIR" && eval ${quote(command)} </dev/null\n`);
}

/**
 * When the script and the save have to end, so that what they wrote can still be uploaded
 * (milliseconds).
 */
export function savedBy(announcedMs: number, nowMs: number): number {
  return Math.max(announcedMs - KEPT_FOR_UPLOADS_MS, nowMs + SHORTEST_MS);
}

export interface SavingDependencies {
  /**
   * Runs the save on the instance, beside the job's script, until it ends or the signal is aborted.
   */
  readonly run: (signal: AbortSignal) => Promise<StageOutcome>;
  readonly log: JobLog;
  readonly now: () => number;
  /** The job was cancelled or ran into its limit. */
  readonly cancelled: AbortSignal;
  /** Resolves early when the signal is aborted. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
}

/**
 * From the notice on: the job's save is run, and the script is ended in time for its artifacts to
 * be uploaded.
 */
export class Saving {
  private readonly time = new AbortController();
  private readonly ended = new AbortController();
  private save: Promise<void> | undefined;

  constructor(private readonly dependencies: SavingDependencies) {}

  /** Aborted when the script has to end. */
  get scriptEnd(): AbortSignal {
    return this.time.signal;
  }

  /**
   * The instance goes at this time (milliseconds). What of the job was there before the notice only
   * has to end in time.
   */
  begin(announcedMs: number, { save }: { readonly save: boolean }): void {
    const { now, pause = idle } = this.dependencies;
    const leftMs = savedBy(announcedMs, now()) - now();
    void pause(leftMs, this.ended.signal).then(() => {
      if (!this.ended.signal.aborted) this.time.abort();
    });
    if (save) this.save ??= this.runSave(leftMs);
  }

  /** The script has ended: waits for the save, which has its own limit. Never throws. */
  async over(): Promise<void> {
    await this.save;
    this.ended.abort();
  }

  private async runSave(leftMs: number): Promise<void> {
    const { run, log, cancelled } = this.dependencies;
    log.line(`Running SPOT_ON_INTERRUPTION (limit ${formatDuration(leftMs)})`);
    try {
      const outcome = await run(AbortSignal.any([this.time.signal, cancelled]));
      if (outcome.kind === 'cancelled') {
        if (!cancelled.aborted) log.warn('SPOT_ON_INTERRUPTION did not end in time and was stopped');
      } else if (outcome.exitCode === 0) log.line('SPOT_ON_INTERRUPTION has ended');
      else log.warn(`SPOT_ON_INTERRUPTION failed with exit status ${outcome.exitCode}`);
    } catch (error) {
      log.warn(`SPOT_ON_INTERRUPTION could not be run to its end: ${(error as Error).message}`);
    }
  }
}

function idle(milliseconds: number, signal: AbortSignal): Promise<unknown> {
  return sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
