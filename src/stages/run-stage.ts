import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { CloudInstance } from '../cloud/types';
import { formatDuration } from '../duration';
import { HostError } from '../errors';
import type { HookContext } from '../gitlab/contract';
import type { JobLog } from '../gitlab/job-log';
import { jobIdentity } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import { beaten, interruptionNoticed, lost, stageEnded, type Running } from '../jobs/transitions';
import type { JobRecord, Pool, StageResult } from '../jobs/types';
import type { Settings } from '../settings/types';
import { InstanceUnreachable, KeyRemoved, StageBroken } from '../ssh/errors';
import type { SshTarget, StageOutcome, StageRunner } from '../ssh/types';
import { Interruption } from './interruption';
import { readJobKey } from './job-key';
import { InstanceLost, lossOf, unreachable, type Loss } from './loss';

/** What the run hook is called with: the script, and the stage's name (build_script or step_script, after_script …). */
export interface StageCall {
  readonly scriptFile: string;
  readonly stage: string;
}

/** The cloud, asked only about an instance that no longer answers. */
export interface InstanceLookup {
  /** Undefined: gone. */
  describeInstance(instanceId: string): Promise<CloudInstance | undefined>;
  /** So that the job's next try avoids the pool; and all jobs, where the cloud itself has said that it took the instance. */
  rememberLoss(
    jobKey: string,
    pool: Pool,
    loss: { readonly reason: Loss['reason']; readonly confirmed: boolean },
  ): Promise<void>;
}

export interface RunDependencies {
  readonly settings: Pick<Settings, 'limits' | 'metadataUrl'>;
  readonly store: RecordStore;
  readonly stages: StageRunner;
  /** How this stage's script is run on the instance: a command line for sh. */
  readonly interpreter: string;
  readonly loadLookup: () => Promise<InstanceLookup>;
  readonly log: JobLog;
  /** Gets the stage's output: the job's log. */
  readonly output: Writable;
  readonly now: () => number;
  /** SIGTERM: the job was cancelled or ran into its limit. */
  readonly signal: AbortSignal;
}

const FIRST_HEARTBEAT_MS = 1_000;
const HEARTBEAT_MS = 30_000;
/** An instance that is on its way out is waited for so long to know which way; a forced stop takes seconds. */
const STOPPING_LIMIT_MS = 10_000;
/** A living instance is heard of about this often. */
const HEARD_EVERY_MS = 3_000;
/** What SIGTERM leaves of a script, as a shell tells it. */
const CANCELLED_EXIT_CODE = 143;

/**
 * Runs one stage of the job on its instance.
 * @returns the hook's exit code: 0, or the contract's code for a failure of the job's own; the script's code is then in BUILD_EXIT_CODE_FILE.
 * @throws InstanceLost, StageBroken, HostError: failures of the machine, the cloud or this host.
 */
export async function runStage({ job }: HookContext, call: StageCall, dependencies: RunDependencies): Promise<number> {
  const record = runningRecord(job, dependencies.store);
  const outcome = await new Stage(record, call, dependencies).run();
  const exitCode = outcome.kind === 'cancelled' ? CANCELLED_EXIT_CODE : outcome.exitCode;
  if (exitCode === 0) return 0;
  if (outcome.kind === 'signaled' && outcome.signal === 'SIGKILL') {
    dependencies.log.warn('The script was killed (SIGKILL): often the kernel, when memory has run out');
  }
  if (record.keepMs && /^(build|step)_script$/.test(call.stage)) {
    const { identity, keepMs } = record;
    dependencies.log.line(
      `The instance stays for ${formatDuration(keepMs)} after the job: \`gitlab-spot ssh ${identity.jobId}\` on the runner host opens a shell on it`,
    );
  }
  // Not truncated between stages: whoever exits with BUILD_FAILURE_EXIT_CODE has to write his own.
  if (job.files.buildExitCode !== undefined) writeFileSync(job.files.buildExitCode, `${exitCode}\n`);
  return job.exitCodes.buildFailure;
}

function runningRecord(job: HookContext['job'], store: RecordStore): Running {
  if (job.attempt === undefined) {
    throw new HostError('The config hook did not run before this stage: the attempt is unknown', {
      remedy: 'Set config_exec to dist/executor/config.js in the runner’s config.toml.',
    });
  }
  const { stackName } = jobIdentity(job.serverUrl, job.jobId, job.attempt);
  const record = store.readOf(stackName, job.project.id);
  if (record?.phase === 'running') return record;
  if (record?.phase === 'lost') throw new InstanceLost(record.loss.sentence);
  throw new HostError(
    record === undefined
      ? `There is no record of this job in ${store.files(stackName).directory}: prepare did not run, or not with this state folder`
      : `The job's instance is not there: its record says ${record.phase}`,
    { remedy: 'Use the same GITLAB_SPOT_STATE_DIR for all four hooks.' },
  );
}

class Stage {
  private readonly interruption: Interruption;
  private loss: Loss | undefined;
  /** When the cloud last said that the instance is there. */
  private seenMs = 0;
  /** Since when the instance is seen as Stopping. */
  private stoppingSinceMs: number | undefined;

  constructor(
    private readonly record: Running,
    private readonly call: StageCall,
    private readonly dependencies: RunDependencies,
  ) {
    const { now, log } = dependencies;
    this.interruption = new Interruption(
      {
        now,
        warn: (text) => log.warn(text),
        onNotice: (at) => this.update((current) => interruptionNoticed(current, at)),
        describe: () => this.describe(),
      },
      record.interruptedAt,
    );
  }

  async run(): Promise<StageOutcome> {
    const { settings, stages, output, signal, interpreter, now } = this.dependencies;
    const startMs = now();
    const stopHeartbeat = this.beat();
    const ended = new AbortController();
    const result = (exitCode: number | undefined): StageResult => ({
      stage: this.call.stage,
      startedAt: new Date(startMs).toISOString(),
      durationMs: now() - startMs,
      exitCode,
    });
    try {
      const outcome = await stages.run({
        target: this.target(),
        runId: randomUUID(),
        stage: this.call.stage,
        scriptFile: this.call.scriptFile,
        interpreter,
        stdout: output,
        signal,
        isLost: () => this.isLost(),
        reconnectMs: settings.limits.reconnectMs,
        metadataUrl: settings.metadataUrl.replace('{instance}', this.record.instance.instanceId),
        onInterruption: (time) => this.interruption.hint(time),
        onBlind: () => void this.interruption.watchFromOutside(ended.signal),
      });
      if (await this.wasCutShort(outcome)) throw new InstanceUnreachable('it is being taken back', {}, now());
      this.update((record) => stageEnded(record, result(outcome.kind === 'cancelled' ? undefined : outcome.exitCode)));
      return outcome;
    } catch (error) {
      this.update((record) => stageEnded(record, result(undefined)));
      if (this.isLoss(error)) throw await this.lost(error);
      throw error;
    } finally {
      stopHeartbeat();
      ended.abort();
    }
  }

  private async describe(): Promise<CloudInstance | undefined> {
    const cloud = await this.dependencies.loadLookup();
    return cloud.describeInstance(this.record.instance.instanceId);
  }

  /**
   * Did the interruption end the script? A system that shuts down kills processes before its network. Any signal after the notice
   * counts; an exit code of the script's own when the cloud no longer says that the instance runs.
   */
  private async wasCutShort(outcome: StageOutcome): Promise<boolean> {
    if (!this.interruption.noticed || this.dependencies.signal.aborted) return false;
    if (outcome.kind === 'cancelled' || outcome.exitCode === 0) return false;
    if (outcome.kind === 'signaled') return true;
    const seen = await this.describe().catch(() => ({ status: 'Running' }) as const);
    return seen?.status !== 'Running';
  }

  /** The instance is of no more use to this job. After a notice, whatever broke. */
  private isLoss(error: unknown): error is InstanceUnreachable | KeyRemoved | StageBroken {
    if (error instanceof InstanceUnreachable || error instanceof KeyRemoved) return true;
    return error instanceof StageBroken && this.interruption.noticed;
  }

  private target(): SshTarget {
    const { instance, identity } = this.record;
    const { privateKey } = this.dependencies.store.files(identity.stackName);
    return {
      address: instance.address,
      port: instance.sshPort,
      user: instance.sshUser,
      privateKey: readJobKey(privateKey),
      hostPublicKey: instance.hostPublicKey,
    };
  }

  /** Asked while the connection is gone: what does the cloud say? An API that can't be asked says nothing. */
  private async isLost(): Promise<boolean> {
    const { instance, releaseAt } = this.record;
    const seen = await this.describe();
    this.interruption.heard(seen);
    const nowMs = this.dependencies.now();
    if (seen) this.seenMs = nowMs;
    this.loss = lossOf({ instance, seen, interrupted: this.interruption.noticed, releaseAt, nowMs });
    if (seen?.status !== 'Stopping' || this.loss?.reason === 'interrupted') return this.loss !== undefined;
    // What becomes of it is not settled yet: gone (deleted, released) or kept (stopped).
    this.stoppingSinceMs ??= nowMs;
    return nowMs - this.stoppingSinceMs >= STOPPING_LIMIT_MS;
  }

  private async lost(error: InstanceUnreachable | KeyRemoved | StageBroken): Promise<InstanceLost> {
    const { jobKey, instance } = this.record;
    if (this.interruption.noticed && !this.interruption.confirmed)
      await this.describe().then(
        (seen) => this.interruption.heard(seen),
        () => undefined,
      );
    const { noticed, confirmed } = this.interruption;
    const detail = [error.message, error.remedy].filter(Boolean).join('. ').replace(/\.$/, '');
    const loss = this.loss ?? unreachable(instance, detail, noticed);
    // `this.loss` is what the cloud said, but for the reason: an instance can say that it is being taken back.
    const said = loss.reason === 'interrupted' ? confirmed : this.loss !== undefined;
    this.update((record) => lost(record, { ...loss, confirmed: said }, this.goneMs(error), this.dependencies.now()));
    if (jobKey !== undefined) {
      const remembered = this.dependencies
        .loadLookup()
        .then((cloud) => cloud.rememberLoss(jobKey, instance.pool, { reason: loss.reason, confirmed }));
      // Only improves the next try's choice.
      await remembered.catch(() => undefined);
    }
    return new InstanceLost(loss.sentence, error, loss.reason);
  }

  /** When billing ended: noticed seconds later. At the time that the cloud had announced, or a moment after the last sign of life. */
  private goneMs(error: Error): number {
    const heardMs = (error instanceof InstanceUnreachable ? error.heardMs : undefined) ?? 0;
    const noticedMs = this.dependencies.now();
    const aliveMs = Math.max(heardMs, this.seenMs, Date.parse(this.record.heartbeatAt));
    const takenMs = Date.parse(this.interruption.announcedFor ?? '');
    if (takenMs >= aliveMs && takenMs <= noticedMs) return takenMs;
    return Math.min(noticedMs, aliveMs + HEARD_EVERY_MS / 2);
  }

  /** A short stage tells of itself once, at its end. */
  private beat(): () => void {
    const beat = (): void => {
      try {
        this.update((record) => beaten(record, this.dependencies.now(), process.pid));
      } catch {
        // A disk that takes nothing for a moment is no reason to end the stage.
      }
      timer = setTimeout(beat, HEARTBEAT_MS).unref();
    };
    let timer = setTimeout(beat, FIRST_HEARTBEAT_MS).unref();
    return () => clearTimeout(timer);
  }

  /** Changes the record as it is now, unless another hook has taken the job on meanwhile. */
  private update(change: (record: Running) => JobRecord): void {
    const { store } = this.dependencies;
    const record = store.readLenient(this.record.identity.stackName);
    if (record?.phase === 'running') store.write(change(record));
  }
}
