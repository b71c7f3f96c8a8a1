/**
 * Throttling as https://www.alibabacloud.com/help/doc-detail/437902.htm documents it: each action
 * counts by itself, for the account and region; one that is throttled in a minute is answered again
 * from the next on. The figures stand in each account's Quota Center only, so nothing is throttled
 * unless a test sets a figure.
 */
import type { Clock } from '../model/clock';
import type { CloudState } from '../model/records';
import { ApiError } from './errors';

const MINUTE_MS = 60_000;

export class Throttle {
  private minute = 0;
  private readonly calls = new Map<string, number>();

  constructor(
    private readonly state: Pick<CloudState, 'callsPerMinute'>,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  /**
   * Counts the call. Throws `ApiError` Throttling.User where there have been too many of its kind
   * in this minute.
   */
  count(action: string, regionId: string): void {
    const limit = this.state.callsPerMinute[action];
    if (limit === undefined) return;
    const minute = Math.floor(this.clock.now() / MINUTE_MS);
    if (minute !== this.minute) this.calls.clear();
    this.minute = minute;
    const key = `${regionId} ${action}`;
    const calls = (this.calls.get(key) ?? 0) + 1;
    this.calls.set(key, calls);
    if (calls > limit) throw new ApiError(400, 'Throttling.User', 'Request was denied due to user flow control.');
  }
}
