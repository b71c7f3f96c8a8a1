import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, SpotError } from '../errors';
import type { Engine } from '../engine/types';
import { acquireSlot, trySlot, type Slot } from '../host/queue';
import type { RecordStore } from '../jobs/record-store';
import {
  claimFailed,
  deleting,
  destroyFailed,
  instanceFound,
  instanceGone,
  type Destroying,
} from '../jobs/transitions';
import type { FoundInstance } from '../billing/found-instance';
import type { JobRecord } from '../jobs/types';
import type { Settings } from '../settings/types';
import { destroyerQueue } from '../host/slots';

export interface DestroyerDependencies {
  readonly settings: Settings;
  readonly store: RecordStore;
  readonly engine: Pick<Engine, 'destroy'>;
  /** What the cloud has for the job, for a record that knows of no instance. */
  readonly findInstance?: ((stackName: string) => Promise<FoundInstance | undefined>) | undefined;
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly pause?: (milliseconds: number) => Promise<unknown>;
  /**
   * For another try: with the settings as they are then, since a wrong one may have been mended.
   */
  readonly anew?: () => Pick<DestroyerDependencies, 'engine' | 'findInstance' | 'onGone'>;
  /** Called once the stack is gone, before its record is forgotten: the ledger's line. */
  readonly onGone: (record: JobRecord) => Promise<void>;
}

/** After this many tries (about a quarter of an hour) the stack is left to the reaper. */
export const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 5_000;
/**
 * How long the destroyer waits for a kept instance (SPOT_DEBUG_KEEP); after that the reaper
 * destroys it.
 */
const LONGEST_WAIT_MS = 4 * 3_600_000;

/**
 * Destroys every stack whose record says so, a few at a time, until none is left. One such process
 * serves the whole host. A second one ends at once, since the first looks for new work before it
 * ends.
 * @returns false if another process does it
 */
export async function destroyPending(dependencies: DestroyerDependencies): Promise<boolean> {
  const { settings, store } = dependencies;
  const queue = destroyerQueue(settings);
  let slot = trySlot(queue);
  if (!slot) return false;
  while (slot) {
    const held: Slot = slot;
    try {
      await workOff(dependencies);
    } finally {
      held.release();
    }
    // A process that recorded more work while we held the slot relies on this second look.
    slot = pending(store).length > 0 ? trySlot(queue) : undefined;
  }
  return true;
}

/** What is left to do here: recorded, and not yet handed over to the reaper. */
function pending(store: RecordStore): Destroying[] {
  return store
    .list()
    .map(({ record }) => record)
    .filter((record): record is Destroying => record?.phase === 'destroying' && record.tries < MAX_TRIES);
}

async function workOff(dependencies: DestroyerDependencies): Promise<void> {
  const { settings, store, now, pause = sleep } = dependencies;
  const working = new Map<string, Promise<void>>();
  for (;;) {
    const left = pending(store).filter(({ identity }) => !working.has(identity.stackName));
    const due = left.filter((record) => dueAt(record, now()) <= now());
    for (const record of due.slice(0, settings.limits.concurrentDestroys - working.size)) {
      const { stackName } = record.identity;
      working.set(
        stackName,
        destroyRecorded(record, dependencies).finally(() => working.delete(stackName)),
      );
    }
    const waits = left.map((record) => dueAt(record, now()) - now()).filter((waitMs) => waitMs <= LONGEST_WAIT_MS);
    if (working.size === 0 && waits.length === 0) return;
    // A job that ends in the meantime is seen within this time.
    const nextLookMs = Math.max(50, Math.min(1_000, ...waits));
    await Promise.race([...working.values(), pause(nextLookMs)]);
  }
}

/**
 * Failures are further and further apart; the first time is now, or when a kept instance may go. A
 * clock that was set back since a failure must not make the next try wait for hours.
 */
function dueAt(record: Destroying, nowMs: number): number {
  const from = Date.parse(record.notBefore ?? record.endedAt);
  if (record.tries === 0) return record.notBefore === undefined ? 0 : from;
  const failedMs = Date.parse(record.heartbeatAt);
  return failedMs > nowMs ? 0 : failedMs + FIRST_PAUSE_MS * 3 ** (record.tries - 1);
}

/**
 * Destroys one stack, writes the ledger's line and removes the job's folder with its keys. A
 * failure is recorded for another try. Also used where the result is awaited (the `wait` setting,
 * `jobs rm`): two processes that destroy the same stack take turns instead of meeting at its lock.
 */
export async function destroyRecorded(record: Destroying, dependencies: DestroyerDependencies): Promise<void> {
  const { store } = dependencies;
  const { stackName } = record.identity;
  const alone = { directory: path.join(store.files(stackName).directory, 'destroying'), slots: 1 };
  let slot: Slot | undefined;
  try {
    slot = await acquireSlot(alone);
  } catch (error) {
    // The folder is gone: the other process has finished the work.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  try {
    const now = store.readLenient(stackName);
    if (now?.phase === 'destroying') await destroyAlone(now, dependencies);
  } finally {
    slot?.release();
    // Our own queueing may have made its folder anew.
    store.removeRest(stackName);
  }
}

async function destroyAlone(doomed: Destroying, dependencies: DestroyerDependencies): Promise<void> {
  const { store, log, now, anew } = dependencies;
  const { stackName } = doomed.identity;
  let record = doomed;
  try {
    const { engine, findInstance, onGone } = doomed.tries > 0 && anew ? anew() : dependencies;
    record = await withInstance(doomed, { store, findInstance });
    await engine.destroy(stackName, {
      madeAs: record.spare?.stackName,
      log: (line) => log(`${stackName}: ${line}`),
      onDeleting: () => store.write((record = deleting(record, now()))),
      onInstanceGone: (at) => store.write((record = instanceGone(record, at))),
    });
    await onGone(record);
    // While the job's own record is there, the spare's would be taken for another that is to go.
    if (record.spare) store.remove(record.spare.stackName);
    store.remove(stackName);
    log(`${stackName}: destroyed`);
  } catch (error) {
    const { message, remedy } = error instanceof SpotError ? error : { message: String(error), remedy: '' };
    const failed = destroyFailed(record, now());
    log(`${stackName}: try ${failed.tries} of ${MAX_TRIES} failed: ${message}${remedy === '' ? '' : ` ${remedy}`}`);
    store.write(failed);
  }
}

/**
 * What was made but never written down is paid for too: written down before it goes, so that the
 * ledger's line outlives us.
 */
async function withInstance(
  doomed: Destroying,
  { store, findInstance }: Pick<DestroyerDependencies, 'store' | 'findInstance'>,
): Promise<Destroying> {
  const record = withClaimed(doomed, store);
  if (record !== doomed) store.write(record);
  if (record.instance !== undefined || findInstance === undefined) return record;
  const found = await findInstance(record.identity.stackName);
  if (found === undefined) return record;
  const known = instanceFound(record, found.instance, found.spare);
  store.write(known);
  return known;
}

/**
 * A job that died while it claimed a spare machine: the spare goes too if this job took it, and is
 * left alone if another did.
 */
function withClaimed(record: Destroying, store: RecordStore): Destroying {
  if (record.spare === undefined || record.instance !== undefined) return record;
  const { stackName: name } = record.spare;
  const spare = store.readLenient(name);
  const isTaken = store.takerOf(name) === record.identity.stackName;
  return isTaken && spare?.phase === 'spare' ? instanceFound(record, spare.instance) : claimFailed(record);
}

/**
 * Destroys these stacks, whose intent is recorded, before it returns (GITLAB_SPOT_CLEANUP=wait).
 * @throws HostError that names those that are left; their records stay for the destroyer and the
 * reaper.
 */
export async function destroyNow(stackNames: readonly string[], dependencies: DestroyerDependencies): Promise<void> {
  const { store } = dependencies;
  for (const stackName of stackNames) {
    const record = store.read(stackName);
    if (record?.phase === 'destroying') await destroyRecorded(record, dependencies);
  }
  const left = stackNames.filter((stackName) => store.readLenient(stackName) !== undefined);
  if (left.length > 0)
    throw new HostError(`Not destroyed: ${left.join(', ')}`, { remedy: '`gitlab-spot reap` tries again.' });
}
