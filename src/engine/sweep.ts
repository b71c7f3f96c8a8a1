import { setTimeout as sleep } from 'node:timers/promises';
import { CloudRefused } from '../cloud/errors';
import type { Cloud } from '../cloud/types';
import { SpotError } from '../errors';
import { TAG } from '../jobs/types';

/** What the cloud was told to delete is still there. */
class NotGoneYet extends SpotError {
  readonly blame = 'cloud';
}

export interface SweepOptions {
  readonly signal?: AbortSignal | undefined;
  readonly log: (line: string) => void;
  readonly onDeleting?: (() => void) | undefined;
  readonly limitMs?: number;
}

const FIRST_POLL_MS = 200;
const POLL_MS = 500;
/** Who is not gone by then takes long, and the second of its end matters less. */
const LONG_ROUNDS = 20;
const LONG_POLL_MS = 2000;

/**
 * Deletes every instance that carries the stack's tag, and waits until the cloud no longer knows
 * it. Done before the engine's own destroy: the state does not know an instance whose creator was
 * killed (docs/pulumi.md), and one that is gone spares the provider's fixed sleep.
 * @returns when the last of them went (between the last look that saw it and the first that did
 * not): billing ends. Undefined: none was there.
 * @throws NotGoneYet at the limit
 */
export async function deleteInstances(
  cloud: Cloud,
  stackName: string,
  options: SweepOptions,
): Promise<Date | undefined> {
  const { signal, log, onDeleting, limitMs = 180_000 } = options;
  const asked = new Set<string>();
  const deadline = Date.now() + limitMs;
  let seenMs = 0;
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    const left = await cloud.findInstances({ [TAG.stack]: stackName });
    if (left.length === 0) return asked.size === 0 ? undefined : new Date((seenMs + Date.now()) / 2);
    if (asked.size === 0) onDeleting?.();
    for (const { instanceId, status } of left) {
      if (!asked.has(instanceId)) log(`Deleting instance ${instanceId}`);
      // Once more in every round but those in which it is known to be stopping: a deletion may have
      // been refused while it started.
      if (!asked.has(instanceId) || status !== 'Stopping') await deleteTolerantly(cloud, instanceId);
      asked.add(instanceId);
    }
    if (Date.now() > deadline) {
      throw new NotGoneYet(
        `Instance ${left[0]!.instanceId} was told to go ${Math.round(limitMs / 1000)} s ago and is still there`,
        {
          remedy: '`gitlab-spot reap` tries again; its release time ends it in any case.',
          retryable: true,
        },
      );
    }
    seenMs = Date.now();
    await sleep(round === 0 ? FIRST_POLL_MS : round < LONG_ROUNDS ? POLL_MS : LONG_POLL_MS, undefined, { signal });
  }
}

/**
 * What has the stack's tag although no state knows it: its creator was killed, or the backend is a
 * new one.
 */
export async function deleteLeftovers(cloud: Cloud, stackName: string, log: (line: string) => void): Promise<void> {
  const tags = { [TAG.stack]: stackName };
  const [groups, keyPairs] = await Promise.all([cloud.findSecurityGroups(tags), cloud.findKeyPairs(tags)]);
  for (const { id } of groups) {
    log(`Deleting security group ${id}, which no stack knows`);
    await cloud.deleteSecurityGroup(id);
  }
  for (const { name } of keyPairs) {
    log(`Deleting key pair ${name}, which no stack knows`);
    await cloud.deleteKeyPair(name);
  }
}

/** An instance that is just being made can't be deleted yet; the next round asks again. */
async function deleteTolerantly(cloud: Cloud, instanceId: string): Promise<void> {
  try {
    await cloud.deleteInstance(instanceId);
  } catch (error) {
    if (!(error instanceof CloudRefused && /^IncorrectInstanceStatus|^OperationConflict/.test(error.code))) throw error;
  }
}
