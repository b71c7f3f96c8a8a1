import type { Writable } from 'node:stream';
import type { CloudInstance } from '../cloud/types';
import type { JobLog } from '../gitlab/job-log';
import type { RecordStore } from '../jobs/record-store';
import type { LossReason, Pool } from '../jobs/types';
import type { Settings } from '../settings/types';
import type { StageRequest, StageRunner } from '../ssh/types';

/**
 * What the run hook is called with: the script, and the stage's name (build_script or step_script,
 * after_script …).
 */
export interface StageCall {
  readonly scriptFile: string;
  readonly stage: string;
}

/** The cloud, asked only about an instance that no longer answers. */
export interface InstanceLookup {
  /** Undefined: gone. */
  describeInstance(instanceId: string): Promise<CloudInstance | undefined>;
  /**
   * So that the job's next try avoids the pool; and all jobs, where the cloud itself has said that
   * it took the instance.
   */
  rememberLoss(
    jobKey: string,
    pool: Pool,
    loss: { readonly reason: LossReason; readonly confirmed: boolean },
  ): Promise<void>;
}

export interface RunDependencies {
  readonly settings: Pick<Settings, 'limits' | 'metadataUrl'>;
  readonly store: RecordStore;
  readonly stages: StageRunner;
  /** How this stage's script is run on the instance: a command line for sh. */
  readonly interpreter: string;
  /**
   * What the job wants to have run when its instance is taken back; only in a stage of its own
   * script.
   */
  readonly save?: Pick<StageRequest, 'script' | 'interpreter'> | undefined;
  /** Sees to what else a stage needs of ours, where a job has removed it from the instance. */
  readonly restore?: StageRequest['restore'];
  /** Why a status may not be the script's own: the interpreter's word. */
  readonly brokenBy?: StageRequest['brokenBy'];
  readonly loadLookup: () => Promise<InstanceLookup>;
  readonly log: JobLog;
  /** Gets the stage's output: the job's log. */
  readonly output: Writable;
  readonly now: () => number;
  /** SIGTERM: the job was cancelled or ran into its limit. */
  readonly signal: AbortSignal;
}
