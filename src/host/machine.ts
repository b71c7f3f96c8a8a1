import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { readMarker, writeMarker, type MarkerKind } from './marker';
import { textOf } from './text-of';

/**
 * Identifies the machine, whatever its name: two hosts of one name must not take each other's jobs
 * for their own. Network cards tell them apart: a copied disk meets other cards, and a machine that
 * lost its disk keeps its own. The state folder remembers them, since cards change too.
 */

const schema = z.object({
  id: z.string(),
  /** Addresses of the network cards. */
  cards: z.array(z.string()),
});
type Machine = z.output<typeof schema>;
const kind: MarkerKind<Machine> = { version: 1, schema };

export interface MachineFiles {
  readonly net: string;
  readonly machineId: string;
}

const FILES: MachineFiles = { net: '/sys/class/net', machineId: '/etc/machine-id' };

const known = new Map<string, string | undefined>();

/**
 * The id of the machine that works in this state folder. Undefined: nothing tells, as in a
 * container with a network of its own; then the name alone counts. @throws MarkerNewer; the
 * system's error
 */
export function machineId(stateDir: string, files = FILES): string | undefined {
  const key = `${stateDir}\n${files.net}`;
  if (!known.has(key)) known.set(key, findOut(path.join(stateDir, 'machine.json'), files));
  return known.get(key);
}

function findOut(file: string, files: MachineFiles): string | undefined {
  const cards = cardsIn(files.net);
  const found = readMarker(file, kind);
  const id = found && isSame(found.cards, cards) ? found.id : idOf(cards[0] ?? textOf(files.machineId).trim());
  // All hooks of a machine write the same.
  const isNews = found?.id !== id || (cards.length > 0 && found?.cards.join() !== cards.join());
  if (id !== undefined && isNews) writeMarker(file, kind, { id, cards: [...cards] });
  return id;
}

/** The same machine if they share a card. If either side sees no cards, nothing contradicts it. */
function isSame(before: readonly string[], now: readonly string[]): boolean {
  return before.length === 0 || now.length === 0 || before.some((card) => now.includes(card));
}

function idOf(own: string): string | undefined {
  return own === '' ? undefined : createHash('sha256').update(`gitlab-spot ${own}`).digest('hex').slice(0, 16);
}

/** Cards that hang on a device: bridges and pairs of containers come and go. */
function cardsIn(net: string): readonly string[] {
  try {
    return readdirSync(net)
      .filter((name) => existsSync(path.join(net, name, 'device')))
      .map((name) => textOf(path.join(net, name, 'address')).trim())
      .filter((address) => /[1-9a-f]/.test(address))
      .sort();
  } catch {
    return [];
  }
}
