import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CloudInstance } from '../cloud/types';
import { interruptionNoticed, lost, scriptCutShort, stageAtWork, stageEnded, type Running } from '../jobs/transitions';
import type { JobRecord, LossReason, StageResult } from '../jobs/types';
import type { SpotError } from '../errors';
import { HostKeyMismatch, InstanceUnreachable, KeyRemoved, StageBroken } from '../ssh/errors';
import type { SshTarget, StageOutcome, StageRequest } from '../ssh/types';
import { Interruption } from './interruption';
import { readJobKey } from './job-key';
import { InstanceLost, lossOf, takenBack, unreachable, type Loss } from './loss';
import { Saving } from './saving';
import type { RunDependencies, StageCall } from './types';

const FIRST_HEARTBEAT_MS = 1_000;
const HEARTBEAT_MS = 30_000;
/**
 * An instance that is on its way out is waited for so long to know which way; a forced stop takes
 * seconds.
 */
const STOPPING_LIMIT_MS = 10_000;
const OUT_OF_MEMORY =
  'The instance ran out of memory while this script ran, and the kernel ended a process. Choose a profile with more memory';
/** A living instance is heard of about this often. */
const HEARD_EVERY_MS = 3_000;

/** One stage on the job's instance: its record, its output, and what ends it. */
export class Stage {
  private readonly interruption: Interruption;
  private readonly saving: Saving | undefined;
  private readonly runId = randomUUID();
  private loss: Loss | undefined;
  private use: StageResult['use'];
  /** When the cloud last said that the instance is there. */
  private seenMs = 0;
  /** Since when the instance is seen as Stopping. */
  private stoppingSinceMs: number | undefined;

  constructor(
    private readonly record: Running,
    private readonly call: StageCall,
    private readonly dependencies: RunDependencies,
  ) {
    const { now, log, save, signal: cancelled } = dependencies;
    this.saving = save && new Saving({ run: (signal) => this.runSave(save, signal), log, now, cancelled });
    this.interruption = new Interruption(
      {
        now,
        warn: (text) => log.warn(text),
        onNotice: (at) => {
          this.saving?.begin(Date.parse(at), { save: true });
          this.update((current) => interruptionNoticed(current, at));
        },
        describe: () => this.describe(),
      },
      record.interruptedAt,
    );
  }

  async run(): Promise<StageOutcome> {
    const { now } = this.dependencies;
    const startMs = now();
    const stopHeartbeat = this.beat(startMs);
    const ended = new AbortController();
    const result = (exitCode: number | undefined): StageResult => ({
      stage: this.call.stage,
      startedAt: new Date(startMs).toISOString(),
      durationMs: now() - startMs,
      exitCode,
      ...(this.use && { use: this.use }),
    });
    try {
      const outcome = await this.runScript(ended.signal);
      await this.saving?.over();
      const ending = await this.afterNotice(outcome);
      if (ending === 'gone') throw new InstanceUnreachable('it is being taken back', {}, now());
      if (ending === 'cut short') throw await this.cutShort(result(undefined));
      this.update((record) => stageEnded(record, result(outcome.kind === 'cancelled' ? undefined : outcome.exitCode)));
      return outcome;
    } catch (error) {
      if (error instanceof InstanceLost) throw error;
      this.update((record) => stageEnded(record, result(undefined)));
      if (await this.isLoss(error)) throw await this.lost(error as SpotError);
      throw error;
    } finally {
      stopHeartbeat();
      ended.abort();
    }
  }

  private runScript(ended: AbortSignal): Promise<StageOutcome> {
    const { settings, stages, signal, interpreter, brokenBy, log } = this.dependencies;
    const { saving, interruption, call } = this;
    const endsInTime = saving !== undefined && /^(build_script|step_.+)$/.test(call.stage);
    // What was noticed before the script began left nothing to save, but it has to end in time all
    // the same.
    if (endsInTime && interruption.announcedFor !== undefined)
      saving.begin(Date.parse(interruption.announcedFor), { save: false });
    return stages.run({
      ...this.request(),
      runId: this.runId,
      stage: call.stage,
      script: readFileSync(call.scriptFile),
      interpreter,
      ...(brokenBy && { brokenBy }),
      signal: endsInTime ? AbortSignal.any([signal, saving.scriptEnd]) : signal,
      metadataUrl: settings.metadataUrl.replace('{instance}', this.record.instance.instanceId),
      onInterruption: (time) => interruption.hint(time),
      onBlind: () => void interruption.watchFromOutside(ended),
      onUse: (use) => (this.use = use),
      onOutOfMemory: () => log.warn(OUT_OF_MEMORY),
    });
  }

  private runSave(save: Pick<StageRequest, 'script' | 'interpreter'>, signal: AbortSignal): Promise<StageOutcome> {
    const own = { runId: randomUUID(), beside: this.runId, stage: 'on_interruption', signal };
    return this.dependencies.stages.run({ ...this.request(), ...save, ...own });
  }

  private request(): Pick<StageRequest, 'target' | 'stdout' | 'isLost' | 'reconnectMs' | 'restore'> {
    const { settings, output: stdout, restore } = this.dependencies;
    const { reconnectMs } = settings.limits;
    return { target: this.target(), stdout, isLost: () => this.isLost(), reconnectMs, ...(restore && { restore }) };
  }

  private async describe(): Promise<CloudInstance | undefined> {
    const cloud = await this.dependencies.loadLookup();
    return cloud.describeInstance(this.record.instance.instanceId);
  }

  /**
   * Once a notice was seen, the interruption is the cause of whatever ends the script: a system
   * that shuts down kills processes before its network, and a save may have told the script to end.
   * `cut short`: what was written may still be uploaded.
   */
  private async afterNotice(outcome: StageOutcome): Promise<'ended' | 'cut short' | 'gone'> {
    if (!this.interruption.noticed || this.record.cutShort || this.dependencies.signal.aborted) return 'ended';
    if (outcome.kind !== 'cancelled' && outcome.exitCode === 0) return 'ended';
    try {
      const seen = await this.describe();
      this.interruption.heard(seen);
      return seen?.status === 'Running' ? 'cut short' : 'gone';
    } catch {
      return 'cut short';
    }
  }

  /** The script is over, its instance is not yet: the later stages are tried. */
  private async cutShort(result: StageResult): Promise<InstanceLost> {
    await this.askWhetherTaken();
    const { confirmed } = this.interruption;
    this.update((record) => scriptCutShort(stageEnded(record, result), confirmed));
    await this.remember('interrupted');
    return new InstanceLost(takenBack(this.record.instance).message, undefined, 'interrupted');
  }

  /**
   * Whether the instance is of no more use to this job. After a notice every failure counts. If
   * another machine has its address, it may be gone and the address reused.
   */
  private async isLoss(error: unknown): Promise<boolean> {
    if (error instanceof InstanceUnreachable || error instanceof KeyRemoved) return true;
    if (error instanceof HostKeyMismatch) return (await this.isLost().catch(() => false)) || this.interruption.noticed;
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

  /**
   * Asked while the connection is gone: what does the cloud say? An API that can't be asked says
   * nothing.
   */
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

  private async lost(error: SpotError): Promise<InstanceLost> {
    const { instance, cutShort } = this.record;
    const detail = [error.message, error.remedy].filter(Boolean).join('. ').replace(/\.$/, '');
    const loss = this.loss ?? unreachable(instance, detail, this.interruption.noticed);
    await this.askWhetherTaken();
    // `this.loss` is what the cloud said, but for the reason: an instance can say that it is being
    // taken back.
    const confirmed = loss.reason === 'interrupted' ? this.interruption.confirmed : this.loss !== undefined;
    const recorded = { reason: loss.reason, sentence: loss.message, confirmed };
    this.update((record) => lost(record, recorded, this.goneMs(error), this.dependencies.now()));
    if (cutShort) return new InstanceLost(loss.message, error);
    await this.remember(loss.reason);
    return new InstanceLost(loss.message, error, loss.reason);
  }

  /** If the cloud can't be asked, the instance's own notice stays unconfirmed. */
  private async askWhetherTaken(): Promise<void> {
    const { interruption } = this;
    if (!interruption.noticed || interruption.confirmed) return;
    await this.describe().then(
      (seen) => interruption.heard(seen),
      () => undefined,
    );
  }

  /** Only improves the next try's choice. Never throws. */
  private async remember(reason: LossReason): Promise<void> {
    const { jobKey, instance } = this.record;
    const { confirmed } = this.interruption;
    if (jobKey === undefined) return;
    const remembered = this.dependencies
      .loadLookup()
      .then((lookup) => lookup.rememberLoss(jobKey, instance.pool, { reason, confirmed }));
    await remembered.catch(() => undefined);
  }

  /**
   * When billing ended: noticed seconds later. At the time that the cloud had announced, or a
   * moment after the last sign of life.
   */
  private goneMs(error: Error): number {
    const heardMs = (error instanceof InstanceUnreachable ? error.heardMs : undefined) ?? 0;
    const noticedMs = this.dependencies.now();
    const aliveMs = Math.max(heardMs, this.seenMs, Date.parse(this.record.heartbeatAt));
    const takenMs = Date.parse(this.interruption.announcedFor ?? '');
    if (takenMs >= aliveMs && takenMs <= noticedMs) return takenMs;
    return Math.min(noticedMs, aliveMs + HEARD_EVERY_MS / 2);
  }

  /** Starts the heartbeat; returns what stops it. A short stage is written once, at its end. */
  private beat(startMs: number): () => void {
    const stageNow = { stage: this.call.stage, startedAt: new Date(startMs).toISOString() };
    const beat = (): void => {
      this.update((record) => stageAtWork(record, stageNow, this.dependencies.now(), process.pid));
      timer = setTimeout(beat, HEARTBEAT_MS).unref();
    };
    let timer = setTimeout(beat, FIRST_HEARTBEAT_MS).unref();
    return () => clearTimeout(timer);
  }

  /**
   * Changes the record as it is now, unless another hook has taken the job on meanwhile. Never throws:
   * a disk that takes nothing for a moment neither ends a stage nor changes what came of it.
   */
  private update(change: (record: Running) => JobRecord): void {
    const { store } = this.dependencies;
    try {
      const record = store.readLenient(this.record.identity.stackName);
      if (record?.phase === 'running') store.write(change(record));
    } catch {
      // What the record misses then is the stage's time and use.
    }
  }
}
