import type { LedgerEntry } from './types';

/** How a job ended and why, from its line in the ledger. */

export type Outcome = LedgerEntry['result'] | 'interrupted';

/** One of these for each entry: whatever became of a job that was interrupted, it counts as that. */
export function outcomeOf({ result, interrupted }: LedgerEntry): Outcome {
  return interrupted ? 'interrupted' : result;
}

/** For people. */
export function outcomeOfEntry(entry: LedgerEntry): string {
  const outcome = outcomeOf(entry);
  return outcome === 'interrupted' && entry.confirmed === false ? 'interrupted (as the instance says)' : outcome;
}

const LOST: Readonly<Record<NonNullable<LedgerEntry['loss']>, string>> = {
  interrupted: 'taken back',
  released: 'at its release time',
  deleted: 'deleted by somebody',
  unreachable: 'did not answer',
  vanished: 'disappeared',
};

/**
 * Why it did not succeed, in a few words: `build_script: exit 3`, `did not answer`; '' where
 * nothing is known.
 */
export function causeOfEntry({ failedStage, loss }: LedgerEntry): string {
  if (loss !== undefined) return LOST[loss];
  if (failedStage === undefined) return '';
  const { stage, exitCode } = failedStage;
  return exitCode === undefined ? `${stage}: not ended` : `${stage}: exit ${exitCode}`;
}
