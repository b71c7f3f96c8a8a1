import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudInstance } from '../cloud/types';

/** https://www.alibabacloud.com/help/en/ecs/spot-instance: five minutes before the release. */
const NOTICE_MS = 5 * 60_000;
const OUTSIDE_POLL_MS = 30_000;
/** A time further away than that is no notice of an interruption. */
const SOON_MS = 60 * 60_000;

export interface InterruptionDependencies {
  readonly now: () => number;
  readonly warn: (text: string) => void;
  /** Called once, with the time at which the instance goes (ISO). */
  readonly onNotice: (at: string) => void;
  /** The cloud's word on the instance; undefined: it is gone. */
  readonly describe: () => Promise<CloudInstance | undefined>;
}

/**
 * What is known of an announced interruption. The instance's own notice is only a hint, since a job
 * can forge it: it is reported once, and decides only about this job's own retry. Other jobs avoid
 * the pool only after the cloud has confirmed it.
 */
export class Interruption {
  /** The cloud itself has said so. */
  confirmed = false;
  private watched = false;

  constructor(
    private readonly dependencies: InterruptionDependencies,
    /** When the instance goes (ISO), as announced; undefined: nothing was announced. */
    public announcedFor: string | undefined,
  ) {}

  get noticed(): boolean {
    return this.announcedFor !== undefined || this.confirmed;
  }

  /** @param claimed when the instance goes, as it says itself; anything may stand there. */
  hint(claimed: string): void {
    const { now } = this.dependencies;
    const atMs = Date.parse(claimed);
    const plausible = Math.abs(atMs - now()) < SOON_MS;
    this.notice(plausible ? new Date(atMs).toISOString() : undefined);
  }

  /** What the cloud says of the instance. */
  heard(seen: CloudInstance | undefined): void {
    this.confirmed ||= seen?.recycling ?? this.noticed;
  }

  /**
   * Asks the cloud about an instance that can't reach its metadata service. Never throws: a failed
   * question is asked again.
   */
  async watchFromOutside(signal: AbortSignal): Promise<void> {
    if (this.watched) return;
    this.watched = true;
    while (!signal.aborted && !this.noticed) {
      const seen = await this.dependencies.describe().catch(() => undefined);
      if (signal.aborted || this.noticed) return;
      if (seen?.recycling) {
        this.confirmed = true;
        return this.notice(undefined, NOTICE_MS - OUTSIDE_POLL_MS);
      }
      await sleep(OUTSIDE_POLL_MS, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  /** @param assumedMs how long it is left, where nobody says when it goes. */
  private notice(at: string | undefined, assumedMs = NOTICE_MS): void {
    if (this.announcedFor !== undefined) return;
    const { now, warn, onNotice } = this.dependencies;
    this.announcedFor = at ?? new Date(now() + assumedMs).toISOString();
    const left = at === undefined ? undefined : Math.round((Date.parse(at) - now()) / 1000);
    const inTime =
      left === undefined
        ? 'within 5 minutes'
        : `${left > 0 ? `in ${Math.floor(left / 60)} min ${left % 60} s` : 'any moment now'} (${at})`;
    warn(
      `The cloud takes this spot instance back ${inTime}. The job may not reach its end; what it has written until now can still be saved by the script.`,
    );
    try {
      onNotice(this.announcedFor);
    } catch {
      // A disk that takes nothing for a moment is no reason to end the stage.
    }
  }
}
