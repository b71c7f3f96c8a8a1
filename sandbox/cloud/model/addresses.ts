/**
 * Loopback addresses for instances: a block of each sandbox's own, so that two side by side never
 * meet.
 */
import net from 'node:net';
import type { Random } from './random';

/** On the first address of its block a sandbox holds this port for as long as it lives. */
const GUARD_PORT = 7163;
const TRIES = 50;

export interface AddressBlock {
  /** `127.A.B` */
  readonly block: string;
  release(): Promise<void>;
}

/**
 * Takes `wanted` (a restart's block of before) or a free one. Rejects when the block of before is
 * in use: the same sandbox runs already.
 */
export async function reserveBlock(wanted: string | undefined, random: Random): Promise<AddressBlock> {
  if (wanted !== undefined) {
    const guard = await hold(wanted);
    if (!guard)
      throw new Error(`sandbox cloud: the addresses ${wanted}.* are in use; is this sandbox running already?`);
    return guard;
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const guard = await hold(`127.${1 + random.integer(254)}.${random.integer(256)}`);
    if (guard) return guard;
  }
  throw new Error(
    `sandbox cloud: no free block of loopback addresses after ${TRIES} tries; can this machine listen on 127.1.2.3?`,
  );
}

async function hold(block: string): Promise<AddressBlock | undefined> {
  const server = net.createServer((socket) => socket.destroy());
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(GUARD_PORT, `${block}.1`, () => resolve(true));
  });
  if (!listening) return undefined;
  server.unref();
  return { block, release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** The lowest address of the block that no instance has, or undefined when all 253 are taken. */
export function freeAddress(block: string, taken: Iterable<string>): string | undefined {
  const used = new Set(taken);
  for (let host = 2; host <= 254; host++) {
    const address = `${block}.${host}`;
    if (!used.has(address)) return address;
  }
  return undefined;
}

/**
 * A port that is free on all loopback addresses of the block, outside the range of outgoing
 * connections.
 */
export async function freeSshPort(block: string): Promise<number> {
  for (let port = 22022; port < 22922; port += 100) {
    const server = net.createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, `${block}.1`, () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
  throw new Error('sandbox cloud: no free SSH port between 22022 and 22922; pass --ssh-port');
}
