import { rmSync } from 'node:fs';
import path from 'node:path';
import { formatDuration } from '../duration';
import { HostError } from '../errors';
import { counted } from '../plural';
import { acquireSlot, queueLength, type Ticket, type Slot, type Queue } from './queue';
import type { Variables } from '../settings/environment';
import type { Settings } from '../settings/types';

type Needs = Pick<Settings, 'stateDir' | 'limits'>;

/**
 * How many `up`s run side by side on this host: each holds memory while it does (docs/adr/0010).
 */
export function engineQueue({ stateDir, limits }: Needs): Queue {
  return { directory: directoryOf(stateDir, 'up'), slots: limits.concurrentUps };
}

/**
 * How many `up`s beyond those may wait for an instance that the cloud has accepted: they hold memory
 * too, and use no CPU.
 */
export function acceptedQueue({ stateDir, limits }: Needs): Queue {
  return { directory: directoryOf(stateDir, 'accepted'), slots: limits.acceptedUps };
}

/**
 * Whether work that can wait may be done now: no job has its instance created or waits for that, and
 * at most one waits for an instance that the cloud has accepted.
 */
export function isQuiet(settings: Needs): boolean {
  return queueLength(engineQueue(settings)) === 0 && queueLength(acceptedQueue(settings)) <= 1;
}

/**
 * What config hands on to executor/prepare.sh, which reads neither env file nor settings, and what
 * that hands on to us: no job can set them, since they have no CUSTOM_ENV_ prefix.
 */
export const QUEUE_VARIABLE = 'GITLAB_SPOT_UP_QUEUE';
export const SLOTS_VARIABLE = 'GITLAB_SPOT_UP_SLOTS';
const TICKET_VARIABLE = 'GITLAB_SPOT_UP_TICKET';
/** Fixed in executor/prepare.sh. */
const TICKET_LOCK = 7;

/** The ticket that executor/prepare.sh has drawn. */
export function ticketFrom(variables: Variables): Ticket | undefined {
  const name = variables[TICKET_VARIABLE];
  return name === undefined ? undefined : { name, lock: TICKET_LOCK };
}

/** The job needs no slot any more: whoever waits behind it does not wait for its process's end. */
export function forgetTicket(settings: Needs, ticket: Ticket | undefined): void {
  if (ticket) rmSync(path.join(engineQueue(settings).directory, path.basename(ticket.name)), { force: true });
}

/** One keeper of spare machines at a time; it makes several side by side itself. */
export function keeperQueue({ stateDir }: Pick<Needs, 'stateDir'>): Queue {
  return { directory: path.join(stateDir, 'slots', 'keeper'), slots: 1 };
}

/** One process at a time makes login keys ahead. */
export function keyQueue({ stateDir }: Pick<Needs, 'stateDir'>): Queue {
  return { directory: path.join(stateDir, 'slots', 'keys'), slots: 1 };
}

/** One destroyer at a time; it works on several stacks side by side itself. */
export function destroyerQueue({ stateDir }: Needs): Queue {
  return { directory: directoryOf(stateDir, 'destroyer'), slots: 1 };
}

/** Whoever queues behind a killed process removes its ticket; where nobody does, the reaper. */
export function forgetDeadTickets(stateDir: string): void {
  for (const name of ['up', 'accepted', 'destroyer'] as const)
    queueLength({ directory: directoryOf(stateDir, name), slots: 1 });
}

function directoryOf(stateDir: string, name: 'up' | 'accepted' | 'destroyer'): string {
  return path.join(stateDir, 'slots', name);
}

export interface SlotWait {
  readonly settings: Needs;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Drawn already by this process, when it was a shell. */
  readonly ticket?: Ticket | undefined;
  /** Since when the job knows that it waits (waitingLine); undefined: it does not know. */
  readonly waitsSinceMs?: number | undefined;
}

/**
 * Behind many others it may take long, but the runner's own limit must not end a prepare in the
 * middle of an `up`: `register` leaves room for it.
 */
export const WAIT_LIMIT_MS = 40 * 60_000;

/** Tells a job that it waits, behind so many others. */
export function waitingLine({ limits }: Pick<Settings, 'limits'>, ahead: number): string {
  return (
    `Waiting for a slot: this host creates ${counted(limits.concurrentUps, 'instance')} at a time (GITLAB_SPOT_CONCURRENT_UPS); ` +
    `jobs before this one: ${ahead}; limit ${formatDuration(WAIT_LIMIT_MS)}`
  );
}

/**
 * Waits for a slot to create an instance, first come, first served. @throws HostError at the limit.
 */
export async function waitForSlot(wait: SlotWait): Promise<Slot> {
  const { settings, log, signal, now, ticket } = wait;
  const startMs = wait.waitsSinceMs ?? now();
  const limit = AbortSignal.timeout(Math.max(0, startMs + WAIT_LIMIT_MS - now()));
  let waited = wait.waitsSinceMs !== undefined;
  try {
    const slot = await acquireSlot(engineQueue(settings), {
      signal: AbortSignal.any([signal, limit]),
      ticket,
      onWait: (ahead) => {
        if (!waited) log(waitingLine(settings, ahead));
        waited = true;
      },
    });
    if (waited) log(`Got a slot after ${formatDuration(now() - startMs)}`);
    return slot;
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    throw new HostError(`No slot to create an instance came free within ${formatDuration(WAIT_LIMIT_MS)}`, {
      remedy:
        'Raise GITLAB_SPOT_CONCURRENT_UPS if the host has memory for it (175 MiB each), or lower the runner’s concurrency.',
      retryable: true,
    });
  }
}
