import { SpotError } from '../errors';

/** One condition for a job to succeed. */
export interface Finding {
  readonly condition: string;
  readonly state: 'good' | 'bad' | 'warning';
  /** What was seen, or what is wrong. */
  readonly detail: string;
  /** What to do; '' where all is well. */
  readonly remedy: string;
}

export const good = (condition: string, detail: string): Finding => ({ condition, state: 'good', detail, remedy: '' });
/** Jobs run, but not all, not now, or not as they should. */
export const warning = (condition: string, detail: string, remedy: string): Finding => ({
  condition,
  state: 'warning',
  detail,
  remedy,
});
export const bad = (condition: string, detail: string, remedy: string): Finding => ({
  condition,
  state: 'bad',
  detail,
  remedy,
});

/** What looking at a condition gives: words where all is well, or findings. */
export type Seen = string | Finding | readonly Finding[];

/** Looks, and never throws: what can't be looked at is a finding. */
export async function lookAt(condition: string, look: () => Promise<Seen> | Seen): Promise<readonly Finding[]> {
  try {
    const seen = await look();
    if (typeof seen === 'string') return [good(condition, seen)];
    return Array.isArray(seen) ? (seen as readonly Finding[]) : [seen as Finding];
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    return [bad(condition, detail, error instanceof SpotError ? error.remedy : '')];
  }
}
