import { setTimeout as sleep } from 'node:timers/promises';
import type { Cloud, CloudInstance } from '../cloud/types';
import { TAG } from '../jobs/types';

/**
 * Looks at the job's instance from outside while the engine creates it: its id and address are
 * known seconds earlier than the provider tells them, and an instance that vanishes while Pending
 * is known to have vanished within 15 s, where the provider waits 199.
 */
export interface InstanceWatch {
  /** Each time something new is seen. */
  readonly onSeen: (instance: CloudInstance) => void;
  /**
   * The instance has disappeared. `atMs`: about when, in milliseconds: between the last look that
   * saw it and the first that did not. If it was accepted but never seen: the first look that
   * should have seen it.
   */
  readonly onDisappeared: (atMs: number) => void;
  /**
   * Called once when nothing was seen for a while: most likely RunInstances is being throttled and
   * not accepted yet.
   */
  readonly onSlow?: (forMs: number) => void;
  /** Whether somebody else has seen it: the provider, say. */
  readonly wasThere?: () => boolean;
  /** When the cloud accepted it (milliseconds); undefined: it has not, or nobody tells. */
  readonly acceptedMs?: () => number | undefined;
  /**
   * What has the instance's name, asked where its tags find nothing: they may be found later than
   * the instance itself.
   */
  readonly named?: () => Promise<readonly CloudInstance[]>;
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

/**
 * Frequent until the instance is seen: only an instance that was seen once can be told to have
 * disappeared, rather than to be throttled still.
 */
const FIRST_POLL_MS = 500;
const POLL_MS = 1_000;
const RUNNING_POLL_MS = 3_000;
/** The cloud may answer "nothing" once for an instance that is there. */
const MISSES = 2;
/**
 * One that was accepted is visible within a second or two. Then the engine has to be made to give
 * up, which takes seconds too.
 */
const UNSEEN_MS = 8_000;
/** RunInstances answers within a few seconds. */
const SLOW_MS = 12_000;

/**
 * Polls until the signal is aborted, or the instance has vanished. Never throws: an API that can't
 * be asked now is asked again. On an instance that was neither seen nor accepted there is no
 * verdict: the provider repeats a throttled RunInstances for up to 10 minutes, and knows of its
 * end.
 */
export async function watchInstance(
  cloud: Pick<Cloud, 'findInstances'>,
  stackName: string,
  watch: InstanceWatch,
): Promise<void> {
  const {
    signal,
    onSeen,
    onDisappeared,
    onSlow,
    wasThere = () => false,
    acceptedMs = () => undefined,
    named = () => Promise.resolve([]),
    now = Date.now,
    pause = (ms) => sleep(ms, undefined, { signal }),
  } = watch;
  let known: CloudInstance | undefined;
  let misses = 0;
  let seenMs: number | undefined;
  let missedMs = 0;
  let tellSlow = onSlow;
  const startMs = now();
  while (!signal.aborted) {
    await pause(!known ? FIRST_POLL_MS : known.status === 'Running' ? RUNNING_POLL_MS : POLL_MS).catch(() => undefined);
    if (signal.aborted) return;
    const accepted = acceptedMs();
    const isDue = known !== undefined || wasThere() || now() - (accepted ?? Infinity) >= UNSEEN_MS;
    const found = await cloud
      .findInstances({ [TAG.stack]: stackName })
      .then((tagged) => (tagged.length === 0 && isDue ? named() : tagged))
      .catch(() => undefined);
    if (signal.aborted) return;
    if (found === undefined) continue;
    const instance = found[0];
    if (instance) {
      misses = 0;
      seenMs = now();
      if (isNews(instance, known)) onSeen(instance);
      known = instance;
      continue;
    }
    if (isDue) {
      if (++misses === 1) missedMs = now();
      if (misses >= MISSES) return onDisappeared(((seenMs ?? missedMs) + missedMs) / 2);
    } else if (accepted === undefined && now() - startMs >= SLOW_MS) {
      tellSlow?.(now() - startMs);
      tellSlow = undefined;
    }
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
