import { setTimeout as sleep } from 'node:timers/promises';
import type { Cloud, CloudInstance } from '../cloud/types';
import { TAG } from '../job/types';

/**
 * Looks at the job's instance from outside while the engine creates it: its id and address are known seconds earlier than the provider tells
 * them, and an instance that vanishes while Pending is known to have vanished within seconds, where the provider waits 199.
 */
export interface InstanceWatch {
  /** Each time something new is seen. */
  readonly onSeen: (instance: CloudInstance) => void;
  /** It was there and is gone, or never came. */
  readonly onVanished: () => void;
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

const POLL_MS = 1_000;
const RUNNING_POLL_MS = 3_000;
/** The cloud may answer "nothing" once for an instance that is there. */
const MISSES = 2;
/** RunInstances answers within a few seconds; with what the polls take, a shortage is known within 15 s. */
const NEVER_CAME_MS = 12_000;

/** Polls until the signal is aborted, or the instance has vanished. Never throws: an API that can't be asked now is asked again. */
export async function watchInstance(
  cloud: Pick<Cloud, 'findInstances'>,
  stackName: string,
  watch: InstanceWatch,
): Promise<void> {
  const { signal, onSeen, onVanished, now = Date.now, pause = (ms) => sleep(ms, undefined, { signal }) } = watch;
  let known: CloudInstance | undefined;
  let misses = 0;
  let emptySinceMs: number | undefined;
  while (!signal.aborted) {
    await pause(known?.status === 'Running' ? RUNNING_POLL_MS : POLL_MS).catch(() => undefined);
    if (signal.aborted) return;
    const found = await cloud.findInstances({ [TAG.stack]: stackName }).catch(() => undefined);
    if (signal.aborted) return;
    if (found === undefined) continue;
    const instance = found[0];
    if (instance) {
      misses = 0;
      if (isNews(instance, known)) onSeen(instance);
      known = instance;
      continue;
    }
    misses++;
    emptySinceMs ??= now();
    if (known ? misses >= MISSES : now() - emptySinceMs >= NEVER_CAME_MS) return onVanished();
  }
}

function isNews(next: CloudInstance, known: CloudInstance | undefined): boolean {
  return (
    known?.instanceId !== next.instanceId ||
    known.status !== next.status ||
    known.privateAddress !== next.privateAddress ||
    known.publicAddress !== next.publicAddress
  );
}
