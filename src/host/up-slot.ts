import { acquireSlot, type Queue, type Slot } from './queue';

/** One more `up` beside others takes 150 to 175 MiB of its own (docs/pulumi.md). */
const ROOM_BYTES = 512 * 1024 * 1024;

/**
 * The slots that one `up` occupies: one to create an instance and, once the cloud has accepted it,
 * one of those whose provider only waits (docs/adr/0010). The first is given back only after the
 * second was got, so both limits hold at any time.
 */
export class UpSlot implements Slot {
  private readonly ended = new AbortController();
  /** Whether it may already have given its slot to create away. */
  wasAccepted = false;
  private creating: Slot | undefined;
  private waiting: Slot | undefined;

  constructor(
    slot: Slot,
    private readonly waitingQueue: Queue,
    /** Bytes that this host, or its container, can give. */
    private readonly freeBytes = () => process.availableMemory(),
  ) {
    this.creating = slot;
  }

  /** The cloud has the instance: the next job may ask for one, where there is memory for it. */
  accepted(): void {
    if (this.wasAccepted || this.ended.signal.aborted || this.waitingQueue.slots === 0) return;
    this.wasAccepted = true;
    if (this.freeBytes() < ROOM_BYTES) return;
    acquireSlot(this.waitingQueue, { signal: this.ended.signal }).then(
      (slot) => this.exchange(slot),
      // The `up` ended first; or the disk takes no ticket, and this one keeps what it has.
      () => undefined,
    );
  }

  /** The `up` has ended. */
  release(): void {
    this.ended.abort();
    this.waiting?.release();
    this.releaseCreating();
  }

  private exchange(slot: Slot): void {
    if (this.ended.signal.aborted) return slot.release();
    this.waiting = slot;
    this.releaseCreating();
  }

  private releaseCreating(): void {
    this.creating?.release();
    this.creating = undefined;
  }
}
