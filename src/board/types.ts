import type { Outcome } from '../billing/outcome';
import type { Currency } from '../currency';
import type { ReapRun } from '../reaper/last-run';

/**
 * What the board shows at a moment: all of a host, from its state folder alone. Amounts are in
 * `currency` (which `yuan` in a name stands for), times are ISO. It holds no secret: no key, no
 * token, no address of an instance.
 */
export interface BoardSnapshot {
  readonly version: 1;
  /** GITLAB_SPOT_EXECUTOR_ID. */
  readonly host: string;
  readonly at: string;
  readonly currency: Currency;
  /** How people write the currency: `yuan`, `USD`. */
  readonly unit: string;
  /** The longest-running first. */
  readonly jobs: readonly BoardJob[];
  readonly spares: readonly BoardSpare[];
  /** Of all instances of the host now, with their disks. */
  readonly yuanPerHour: number;
  /** Undefined: the ledger is being read for the first time. */
  readonly today: BoardDay | undefined;
  readonly month: BoardMonth | undefined;
  /** What jobs try last for now, the newest first. */
  readonly heldBack: readonly BoardHeld[];
  /** Undefined: no round yet. */
  readonly reaper: ReapRun | undefined;
  /** Stacks that could not be destroyed and are left to the reaper. */
  readonly leftovers: readonly string[];
  /** Records and lines of the ledger that can't be read. */
  readonly unreadable: readonly string[];
  /** Edits of instances.yaml and stacks/job.ts that are not right: jobs go on with what was before. */
  readonly refusedEdits: readonly string[];
  /** The host takes no new jobs since then. */
  readonly drainedSince: string | undefined;
}

export interface BoardJob {
  readonly stack: string;
  readonly jobId: number;
  readonly name: string;
  readonly project: string;
  readonly ref: string;
  readonly user: string;
  /** Its page in GitLab. */
  readonly url: string | undefined;
  /**
   * `queued`: it waits for a slot; `creating`: the cloud is asked; `booting`: its instance does not
   * answer yet; `kept`: it failed, and its instance stays for a look; `ending`: it is over, its
   * instance is not gone yet.
   */
  readonly state: 'queued' | 'creating' | 'booting' | 'running' | 'interrupted' | 'lost' | 'kept' | 'ending';
  /** GitLab's name of the stage that runs now; '' for none. */
  readonly stage: string;
  readonly profile: string;
  /** '' where it has no instance yet. */
  readonly instanceType: string;
  readonly zoneId: string;
  readonly market: 'spot' | 'on-demand' | '';
  readonly since: string;
  /** So far, with the disk. */
  readonly yuan: number;
  /** What each further hour adds. */
  readonly yuanPerHour: number;
}

export interface BoardSpare {
  readonly stack: string;
  readonly profile: string;
  readonly state: 'creating' | 'waiting' | 'taken' | 'ending';
  readonly instanceType: string;
  readonly zoneId: string;
  readonly since: string;
  /** It goes then, if no job has taken it. */
  readonly until: string | undefined;
  readonly yuan: number;
  readonly yuanPerHour: number;
}

export interface BoardDay {
  /** Midnight in the host's time zone. */
  readonly since: string;
  /** Instances that have gone since, by how their jobs ended. */
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly yuan: number;
  /** The newest first, at most MOST_ENDED; `counts` counts all. */
  readonly ended: readonly BoardEnded[];
  /** Failures of hooks that were not the job's own doing (UTC day), by cause, most first. */
  readonly failures: readonly { readonly cause: string; readonly count: number }[];
}

export interface BoardEnded {
  readonly stack: string;
  readonly jobId: number;
  readonly name: string;
  readonly project: string;
  readonly url: string | undefined;
  readonly outcome: Outcome;
  /** `step_script: exit 1`; '' for none. */
  readonly cause: string;
  /** `peak 2.1 of 8 GiB, CPU 38 % of 4`; '' where nothing is known. */
  readonly use: string;
  readonly instanceType: string;
  readonly zoneId: string;
  readonly seconds: number;
  readonly yuan: number;
  readonly at: string;
}

/** A calendar month (UTC) in the budget's currency. */
export interface BoardMonth {
  /** `2026-11` */
  readonly month: string;
  /** By instances that are gone. */
  readonly yuan: number;
  /** What running jobs may still cost. */
  readonly reservedYuan: number;
  /** Undefined: there is no budget. */
  readonly limitYuan: number | undefined;
  /** At 100 % jobs are refused, or only warned. */
  readonly action: 'refuse' | 'warn';
  /** The dearest first; those with a limit of their own always, and those that near the limit of all. */
  readonly projects: readonly {
    readonly project: string;
    readonly yuan: number;
    readonly limitYuan: number | undefined;
  }[];
}

export interface BoardHeld {
  /** '' for all of the zone. */
  readonly instanceType: string;
  readonly zoneId: string;
  /** '' for both. */
  readonly market: 'spot' | 'on-demand' | '';
  readonly why: string;
  readonly since: string;
  readonly until: string;
}
