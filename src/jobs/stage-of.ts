import type { JobRecord } from './types';

/** What a job does now, in a word or by the name of its stage; '' where there is none to tell. */
export function stageOf(record: JobRecord): string {
  if (record.phase === 'running') return record.interruptedAt ? 'interrupted' : (record.stageNow?.stage ?? '');
  if (record.phase !== 'preparing') return '';
  if (record.launched) return 'booting';
  // The release time is written ahead of the first `up`; before that it waits for a slot.
  return record.releaseAt === undefined ? 'queued' : 'creating';
}
