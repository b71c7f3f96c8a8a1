/**
 * An instance's life: Pending, Starting, Running, Stopping, gone; and what ends it before its time.
 */
import { endCharge, endDiskCharges, startCharge } from './billing';
import type { Clock } from './clock';
import type { CloudState, Instance } from './records';

/** What the life of an instance does to its machine. */
export interface MachineHandler {
  start(instance: Instance): Promise<void>;
  kill(instanceId: string): Promise<void>;
  release(instanceId: string): Promise<void>;
}

/**
 * Moves instances on when their time has come: one timer each, set for whatever is due next. All of
 * it survives a restart.
 */
export class Lifecycle {
  private readonly timers = new Map<string, () => void>();
  private closed = false;

  constructor(
    private readonly state: CloudState,
    private readonly clock: Clock,
    private readonly machines: MachineHandler,
    private readonly changed: () => void,
  ) {}

  /**
   * After a restart: what came due meanwhile happens now, and running instances get their machines
   * back.
   */
  resume(): void {
    for (const instance of [...this.state.home.instances.values()]) {
      if (instance.status === 'Running' && instance.machineStartsAt === undefined) void this.machines.start(instance);
      this.advance(instance);
    }
  }

  /** To be called after every change of an instance that may change what is due. */
  arm(instance: Instance): void {
    this.timers.get(instance.instanceId)?.();
    this.timers.delete(instance.instanceId);
    if (this.closed || !this.state.home.instances.has(instance.instanceId)) return;
    const due = nextDue(instance);
    if (due === Infinity) return;
    this.timers.set(
      instance.instanceId,
      this.clock.after(due - this.clock.now(), () => this.advance(instance)),
    );
  }

  launched(instance: Instance): void {
    this.state.home.instances.set(instance.instanceId, instance);
    this.advance(instance);
  }

  /**
   * DeleteInstance was accepted: nothing runs from now on, and the instance is gone after
   * stoppingMs.
   */
  release(instance: Instance): void {
    this.stopFor(instance, 'release');
  }

  /** StopInstance was accepted. */
  stop(instance: Instance): void {
    this.stopFor(instance, 'stop');
  }

  /** StartInstance was accepted: from Stopped through Starting to Running. */
  start(instance: Instance): void {
    instance.status = 'Starting';
    instance.statusEndsAt = this.clock.now() + this.state.delays.startingMs;
    this.settle(instance);
  }

  /**
   * RebootInstance was accepted: every process ends, and the machine comes up again after bootMs.
   */
  reboot(instance: Instance): void {
    void this.machines.kill(instance.instanceId);
    instance.machineStartsAt = this.clock.now() + this.state.delays.bootMs;
    this.settle(instance);
  }

  /** The cloud takes a spot instance back: notice now, gone after `noticeMs`. */
  interrupt(instance: Instance, noticeMs: number): void {
    const now = this.clock.now();
    instance.interruption = { noticedAt: now, releaseAt: now + noticeMs };
    this.settle(instance);
  }

  /** Gone at once. */
  vanish(instance: Instance): void {
    endCharge(this.state, instance.instanceId, this.clock.now());
    endDiskCharges(this.state, instance.instanceId, this.clock.now());
    this.state.home.instances.delete(instance.instanceId);
    void this.machines.release(instance.instanceId);
    this.arm(instance);
    this.changed();
  }

  close(): void {
    this.closed = true;
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
  }

  private stopFor(instance: Instance, purpose: Instance['stopsFor']): void {
    const now = this.clock.now();
    void this.machines.kill(instance.instanceId);
    Object.assign(instance, {
      status: 'Stopping',
      statusEndsAt: now + this.state.delays.stoppingMs,
      stopsFor: purpose,
      machineStartsAt: undefined,
      interruption: undefined,
    });
    if (purpose === 'release') instance.autoReleaseAt = undefined;
    this.settle(instance);
  }

  private settle(instance: Instance): void {
    this.advance(instance);
    this.changed();
  }

  private advance(instance: Instance): void {
    while (this.state.home.instances.has(instance.instanceId) && nextDue(instance) <= this.clock.now()) {
      this.step(instance);
      this.changed();
    }
    this.arm(instance);
  }

  /** Does the one thing that is due first. */
  private step(instance: Instance): void {
    const now = this.clock.now();
    if (instance.interruption && instance.interruption.releaseAt <= now) return this.endOfNotice(instance);
    if (instance.autoReleaseAt !== undefined && instance.autoReleaseAt <= now) return this.stopFor(instance, 'release');
    if (instance.machineStartsAt !== undefined && instance.machineStartsAt <= now) {
      instance.machineStartsAt = undefined;
      void this.machines.start(instance);
      return;
    }
    this.endOfStatus(instance, now);
  }

  private endOfStatus(instance: Instance, now: number): void {
    instance.statusEndsAt = undefined;
    if (instance.status === 'Pending') {
      if (instance.vanishesWhilePending) return this.vanish(instance);
      instance.status = 'Starting';
      instance.statusEndsAt = now + this.state.delays.startingMs;
    } else if (instance.status === 'Starting') {
      startCharge(this.state, instance, now);
      instance.status = 'Running';
      instance.runningAt = now;
      instance.machineStartsAt = now + this.state.delays.bootMs;
    } else if (instance.status === 'Stopping') {
      if (instance.stopsFor === 'release') return this.vanish(instance);
      instance.status = 'Stopped';
      endCharge(this.state, instance.instanceId, now);
    }
  }

  private endOfNotice(instance: Instance): void {
    this.stopFor(instance, instance.spotInterruptionBehavior === 'Stop' ? 'stop' : 'release');
  }
}

function nextDue(instance: Instance): number {
  return Math.min(
    instance.statusEndsAt ?? Infinity,
    instance.machineStartsAt ?? Infinity,
    instance.autoReleaseAt ?? Infinity,
    instance.interruption?.releaseAt ?? Infinity,
  );
}
