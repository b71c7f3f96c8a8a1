import type { LedgerEntry } from './types';

/** How a job ended and why, from its line in the ledger. */

/** `success`, `failed`, `interrupted` … */
export function outcomeOfEntry({ result, interrupted, confirmed }: LedgerEntry): string {
  if (!interrupted) return result;
  return confirmed === false ? 'interrupted (as the instance says)' : 'interrupted';
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
