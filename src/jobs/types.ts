import type { BootTime } from '../host/boot-clock';
import type { MachineSize, StageUse } from './use';

/**
 * A job's identity on our side: pure function of GitLab host, job id and prepare attempt
 * (docs/adr/0001).
 */
export interface JobIdentity {
  /**
   * `job-gitlab.example.com-1001-1`: Pulumi stack, instance name, security group, key pair, folder
   * below `STATE_DIR/jobs`.
   */
  readonly stackName: string;
  readonly serverHost: string;
  readonly jobId: number;
  readonly attempt: number;
}

/** Tags on everything a job makes in the cloud. */
export const TAG = {
  kind: 'gitlab-spot',
  stack: 'gitlab-spot/stack',
  server: 'gitlab-spot/server',
  project: 'gitlab-spot/project',
  projectId: 'gitlab-spot/project-id',
  job: 'gitlab-spot/job',
  runner: 'gitlab-spot/runner',
  executor: 'gitlab-spot/executor',
  /** Of a spare machine: the job that has it now, by the name that its own stack would have. */
  holder: 'gitlab-spot/holder',
  /** When that job took it (ISO). */
  claimedAt: 'gitlab-spot/claimed-at',
  /** Of a spare machine: which profile it was made for. */
  profile: 'gitlab-spot/profile',
  /**
   * The state folder of the host: two runner services on one host, or a person with other settings,
   * must not take each other's jobs for their own.
   */
  stateDir: 'gitlab-spot/state-folder',
  /** The machine: nor must two hosts with the same name. Versions before 0.2 did not set it. */
  machine: 'gitlab-spot/machine',
} as const;

/** What was chosen and what it costs. */
export interface Pool {
  readonly zoneId: string;
  readonly vSwitchId: string;
  readonly instanceType: string;
  readonly market: 'spot' | 'on-demand';
}

export interface InstanceFacts {
  readonly instanceId: string;
  /** Where SSH connects to. */
  readonly address: string;
  readonly sshPort: number;
  readonly sshUser: string;
  /** OpenSSH public key line of the instance's host key, pinned. */
  readonly hostPublicKey: string;
  readonly pool: Pool;
  readonly priceYuanPerHour: number;
  readonly onDemandYuanPerHour: number;
  /** Beside the instance; left out: written before disks were counted, or not known. */
  readonly diskYuanPerHour?: number | undefined;
  /** What a GiB sent to the internet costs; left out: it has no public address. */
  readonly trafficYuanPerGiB?: number | undefined;
  /** Of its prices; left out: yuan. */
  readonly currency?: string | undefined;
  /** Protected hours (SpotDuration): so long its price is fixed. */
  readonly durationHours?: 0 | 1 | undefined;
  /** Left out: written before it was kept, or the cloud did not say. */
  readonly size?: MachineSize | undefined;
  /** ISO times; from createdAt on it is billed. */
  readonly createdAt: string;
  readonly readyAt: string;
}

/** A job's machine that was made before the job (docs/adr/0018). */
export interface SpareOrigin {
  /** `spare-…`: the stack as it was made, which the tags in the cloud go on naming. */
  readonly stackName: string;
  /** Until then its cost is the spare's own, from then on the job's (ISO). */
  readonly claimedAt: string;
}

interface RecordBase {
  /** See record-schema.ts for the rule. */
  readonly version: 2;
  readonly identity: JobIdentity;
  readonly executorId: string;
  /** Which machine wrote it last, whatever its name; left out: a version that did not tell. */
  readonly machine?: string | undefined;
  readonly serverUrl: string;
  readonly project: string;
  /**
   * Undefined: written by version 1, or not known. What budgets and GitLab's API go by: it outlives
   * a rename.
   */
  readonly projectId?: number | undefined;
  readonly ref: string;
  /** Project and ref are GitLab's own word; left out: not known. */
  readonly verified?: boolean | undefined;
  readonly jobName: string;
  readonly userLogin: string;
  readonly profile: string;
  readonly timeoutMs: number;
  readonly startedAt: string;
  /**
   * How long a failed job's instance is kept for inspection, in milliseconds: SPOT_DEBUG_KEEP,
   * capped by the profile.
   */
  readonly keepMs?: number | undefined;
  /** When the instance releases itself whatever happens (ISO). */
  readonly releaseAt: string | undefined;
  /**
   * When a hook last worked on the job: written when it starts and while it runs. Keeps the reaper
   * from treating a live job as dead.
   */
  readonly heartbeatAt: string;
  readonly hookPid: number | undefined;
  /**
   * When it was last written, on the kernel's clock. Left out: an older version wrote it, or the
   * kernel's time was not available.
   */
  readonly writtenAt?: BootTime | undefined;
  /**
   * The most it may cost, reserved in the month's budget while the job lives. Undefined: not known
   * before placement.
   */
  readonly reservedYuan?: number | undefined;
  /**
   * Identifies the job across retries (same job of the same pipeline, whatever its id); placement
   * remembers lost instances by it.
   */
  readonly jobKey?: string | undefined;
  /**
   * When the cloud was told to delete the instance (ISO). The ledger needs it if the process that
   * asked dies before it sees the instance go.
   */
  readonly deletedAt?: string | undefined;
  /**
   * The spare machine that the job claims, or has: `instance` is there once it has been handed
   * over.
   */
  readonly spare?: SpareOrigin | undefined;
  /** Pools that were tried and why they failed, in order. */
  readonly tried: readonly { readonly pool: Pool; readonly code: string; readonly at: string }[];
  readonly stages: readonly StageResult[];
}

export interface StageResult {
  readonly stage: string;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Undefined: cancelled or lost. */
  readonly exitCode: number | undefined;
  /** Left out: the instance did not tell. */
  readonly use?: StageUse | undefined;
}

export type LossReason = 'interrupted' | 'released' | 'deleted' | 'unreachable' | 'vanished';

export interface RecordedLoss {
  readonly reason: LossReason;
  readonly at: string;
  /**
   * True: the cloud itself says so. False: only the instance said so, or it stopped answering. Left
   * out: not known.
   */
  readonly confirmed?: boolean | undefined;
}

/** A job's record is a union by phase: "running without an address" can't be written. */
export type JobRecord = RecordBase &
  (
    | {
        readonly phase: 'preparing';
        /** Seen in the cloud, but not ready yet (readyAt is then when it was seen). */
        readonly launched?: InstanceFacts | undefined;
        /** The hook was told to end: the job was cancelled, or ran into its limit. */
        readonly cutOff?: boolean | undefined;
      }
    | {
        /**
         * A spare machine that waits for a job: up, provisioned, and nobody's. Whoever moves it on
         * has to take it first (RecordStore.take).
         */
        readonly phase: 'spare';
        readonly instance: InstanceFacts;
        /** What it was made from, as a digest (spares/shape.ts). */
        readonly shape: string;
        readonly imageId: string;
        /** It waits that long (ISO). */
        readonly until: string;
      }
    | {
        readonly phase: 'running';
        readonly instance: InstanceFacts;
        /** The stage that runs now; left out: none, or one that began within this second. */
        readonly stageNow?: Pick<StageResult, 'stage' | 'startedAt'> | undefined;
        /** The cloud has announced that it takes the spot instance back at this time (ISO). */
        readonly interruptedAt?: string | undefined;
        /**
         * The job's script did not reach its end because of that; what it has written is being
         * saved.
         */
        readonly cutShort?: Pick<RecordedLoss, 'confirmed'> | undefined;
      }
    | {
        readonly phase: 'lost';
        readonly instance: InstanceFacts;
        readonly loss: RecordedLoss & { readonly sentence: string };
      }
    | {
        readonly phase: 'destroying';
        readonly instance: InstanceFacts | undefined;
        readonly result: 'success' | 'failed' | 'system-failure' | 'canceled';
        readonly endedAt: string;
        /** How its instance was lost, if it was. */
        readonly loss?: RecordedLoss | undefined;
        /** Interrupted, and its author did not forbid another run (SPOT_NO_RETRY). */
        readonly askRetry?: boolean | undefined;
        /** When the cloud no longer knew its instance. */
        readonly goneAt?: string | undefined;
        /** Not before this time (SPOT_DEBUG_KEEP). */
        readonly notBefore: string | undefined;
        readonly tries: number;
      }
  );

/**
 * Files of one job, below `STATE_DIR/jobs/STACK`; files 0600, folders 0700. They go when the stack
 * is gone.
 */
export interface JobFiles {
  readonly directory: string;
  readonly record: string;
  /** The job's private key; the host's private half is only ever in the instance's user data. */
  readonly privateKey: string;
  /** Pulumi's work dir, its output, and the pid of a CLI that is under way. */
  readonly engine: string;
}
