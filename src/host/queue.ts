import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  watch,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { parsedAs } from '../schema';
import { naming } from './naming';
import { isThisProcess, livenessOf, processOwnerSchema, thisProcess } from './process-owner';

/**
 * Slots for a bounded number of processes of this host, first come, first served, without a server.
 *
 * The ticket protocol. executor/prepare.sh follows it too; test/src/host/ticket-protocol.test.ts
 * holds both to the same table of cases.
 * 1. A ticket is a file in the queue's folder. Its name is its number, in 20 digits. It holds
 *    `{"owner":{"pid","startTicks","bootId","pidNamespace"},"beatMs"}` and is 0600; a shell leaves
 *    `beatMs` out. Other names mean nothing.
 * 2. A new number is the greatest one there plus 1; in an empty folder, the time in microseconds.
 * 3. A ticket appears with its owner in it: it is written as a draft NUMBER.SUFFIX, then linked.
 *    A number that somebody else has linked first is drawn anew.
 * 4. It counts if it is the greatest one once it is there. Else it is removed and drawn anew.
 * 5. The owners of the first `slots` tickets have a slot each.
 * 6. Whoever stands behind a dead owner's ticket removes it, so kill -9 leaves nothing. An owner in
 *    another container can't be seen: it writes its ticket anew every 10 s, with the time of the
 *    kernel's clock, which no step of the wall clock moves.
 * 7. A shell that waits locks its ticket (flock) until it has a slot or ends. Others wait for that.
 */
export interface Queue {
  /** Where the tickets are. */
  readonly directory: string;
  readonly slots: number;
}

export interface Slot {
  release(): void;
}

/** What a shell that waited for us has drawn (executor/prepare.sh). */
export interface Ticket {
  /** Its file in the queue's folder. */
  readonly name: string;
  /** The descriptor that holds the ticket's lock (flock): who is further back waits for its end. */
  readonly lock: number;
}

export interface WaitOptions {
  /** Called when there is no slot at once, and when the number ahead has changed. */
  readonly onWait?: (ahead: number) => void;
  readonly signal?: AbortSignal;
  /**
   * Taken instead of a new ticket where it is this process's: a shell that becomes node by `exec`
   * stays the same process.
   */
  readonly ticket?: Ticket | undefined;
}

const ticketSchema = z.object({ owner: processOwnerSchema, beatMs: z.optional(z.number()) });
type TicketContent = z.infer<typeof ticketSchema>;

/**
 * A live owner that we can't see (another container) writes its ticket this often; without that for
 * so long it counts as dead.
 */
const HEARTBEAT_MS = 10_000;
const HEARTBEAT_LIMIT_MS = 60_000;
/** Changes of the folder wake a waiter; this catches owners that died. */
const LOOK_AGAIN_MS = 1_000;

/** Waits for a slot. Rejects with the signal's reason when aborted. */
export async function acquireSlot(queue: Queue, { onWait, signal, ticket: drawn }: WaitOptions = {}): Promise<Slot> {
  const ticket = (drawn && takeUpTicket(queue, drawn)) ?? drawTicket(queue);
  try {
    let told = -1;
    for (;;) {
      signal?.throwIfAborted();
      const ahead = ticketsAhead(queue, ticket.name);
      if (ahead < queue.slots) {
        ticket.unlock?.();
        return ticket;
      }
      if (ahead !== told) onWait?.((told = ahead));
      await changeOf(queue.directory, signal);
    }
  } catch (error) {
    ticket.release();
    throw error;
  }
}

/** A slot if there is one now, else undefined. */
export function trySlot(queue: Queue): Slot | undefined {
  const ticket = drawTicket(queue);
  if (ticketsAhead(queue, ticket.name) < queue.slots) return ticket;
  ticket.release();
  return undefined;
}

/** How many hold a slot or wait for one, dead ones left out. */
export function queueLength(queue: Queue): number {
  return tickets(queue.directory).filter((name) => !removedIfDead(path.join(queue.directory, name))).length;
}

/** How many tickets are before that one, those of the dead left out. */
export function aheadOf(queue: Queue, ticketName: string): number {
  return Math.max(0, ticketsAhead(queue, ticketName));
}

interface OwnTicket extends Slot {
  readonly name: string;
  /** Whoever waits for this one's lock is first in line now. */
  unlock?(): void;
}

/** Undefined: it is another process's, or gone. */
function takeUpTicket(queue: Queue, { name, lock }: Ticket): OwnTicket | undefined {
  const file = path.join(queue.directory, name);
  try {
    const { owner } = contentOf(readFileSync(file, 'utf8')) ?? {};
    if (owner === undefined || !isThisProcess(owner)) return undefined;
    const isLock = fstatSync(lock).ino === statSync(file).ino;
    return held(name, file, openSync(file, 'r+'), isLock ? () => closeSync(lock) : undefined);
  } catch {
    return undefined;
  }
}

/**
 * A ticket counts only if nobody drew a greater number before it appeared: else two processes could
 * both be first.
 */
function drawTicket(queue: Queue): OwnTicket {
  mkdirSync(queue.directory, { recursive: true, mode: 0o700 });
  forgetDrafts(queue.directory);
  for (;;) {
    const last = tickets(queue.directory).at(-1);
    const name = String(last === undefined ? Date.now() * 1000 : Number(last) + 1).padStart(20, '0');
    const file = path.join(queue.directory, name);
    const descriptor = createTicket(file);
    if (descriptor === undefined) continue;
    if (tickets(queue.directory).at(-1) !== name) {
      closeSync(descriptor);
      remove(file);
      continue;
    }
    return held(name, file, descriptor);
  }
}

function held(name: string, file: string, descriptor: number, unlock?: () => void): OwnTicket {
  const beat = (): void => void naming(file, () => writeSync(descriptor, content(), 0));
  beat();
  const heartbeat = setInterval(() => {
    try {
      beat();
    } catch {
      // A full disk is no reason to leave what is under way.
    }
  }, HEARTBEAT_MS).unref();
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    clearInterval(heartbeat);
    closeSync(descriptor);
    remove(file);
  };
  return { name, release, ...(unlock ? { unlock } : {}) };
}

/**
 * Creates the ticket with its owner in it, in one step: of a ticket without an owner nobody could
 * tell whether it is still in use. Undefined: the number is taken.
 */
function createTicket(file: string): number | undefined {
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  const descriptor = openSync(draft, 'w', 0o600);
  try {
    naming(draft, () => writeSync(descriptor, content(), 0));
    linkSync(draft, file);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  } finally {
    remove(draft);
  }
}

/** Of the same length each time, so that one is written over another. */
function content(): string {
  return `{"owner":${JSON.stringify(thisProcess())},"beatMs":${String(kernelMs()).padStart(16)}}`;
}

/** The same in all containers of a host, until it is started anew. */
function kernelMs(): number {
  return Math.round(Number(process.hrtime.bigint() / 1_000_000n));
}

/** Removes the drafts of killed processes; a living process needs its own for a moment only. */
function forgetDrafts(directory: string): void {
  for (const name of readdirSync(directory).filter((one) => /^\d{20}\.\w+$/.test(one))) {
    const file = path.join(directory, name);
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (Date.now() - mtimeMs > HEARTBEAT_LIMIT_MS) remove(file);
  }
}

/** Only those who hold a slot are looked at: a dead one that waits is found when it comes first. */
function ticketsAhead(queue: Queue, mine: string): number {
  for (;;) {
    const all = tickets(queue.directory);
    const holders = all.slice(0, queue.slots).filter((name) => name !== mine);
    if (!holders.some((name) => removedIfDead(path.join(queue.directory, name)))) return all.indexOf(mine);
  }
}

/** Where nobody ever queued there is no folder yet. */
function tickets(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => /^\d{20}$/.test(name))
    .sort();
}

function removedIfDead(file: string): boolean {
  let ticket: TicketContent | undefined;
  let writtenMs: number;
  try {
    writtenMs = statSync(file).mtimeMs;
    ticket = contentOf(readFileSync(file, 'utf8'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
  // One that is damaged, or that another version has drawn.
  const liveness = ticket === undefined ? 'unknown' : livenessOf(ticket.owner);
  if (liveness === 'alive' || (liveness === 'unknown' && silentMs(writtenMs, ticket) < HEARTBEAT_LIMIT_MS))
    return false;
  remove(file);
  return true;
}

/** Since its last beat. Another kernel's clock tells nothing here, and a shell's ticket none. */
function silentMs(writtenMs: number, ticket: TicketContent | undefined): number {
  const isOurKernel = ticket?.owner.bootId === thisProcess().bootId;
  return isOurKernel && ticket?.beatMs !== undefined ? kernelMs() - ticket.beatMs : Date.now() - writtenMs;
}

function contentOf(text: string): TicketContent | undefined {
  return parsedAs(ticketSchema, text);
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function changeOf(directory: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      watcher?.close();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, LOOK_AGAIN_MS);
    const watcher = watchOf(directory, done);
    signal?.addEventListener('abort', done);
  });
}

/** Where the kernel has no watch left, the timer alone wakes us. */
function watchOf(directory: string, onChange: () => void) {
  try {
    return watch(directory, onChange).on('error', () => undefined);
  } catch {
    return undefined;
  }
}
