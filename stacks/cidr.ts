/** Address arithmetic for vSwitches. */
import { refuse } from './refusal';

const SLOTS = 32;
const SIXTEEN = 2 ** 16;

/**
 * The /21 of a /16 that belongs to a zone. It depends on the zone's letter only, so that a zone
 * that opens later moves nobody.
 * @throws pulumi.RunError when the block is no /16, or the zone has no letter
 */
export function vSwitchCidr(block: string, zoneId: string): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}\/16$/.exec(block);
  if (match === null) refuse(`network.cidrBlock "${block}": expected a /16, such as 10.86.0.0/16`);
  const slot = (zoneId.at(-1) ?? '').charCodeAt(0) - 'a'.charCodeAt(0);
  if (!(slot >= 0 && slot < SLOTS)) refuse(`zone "${zoneId}": expected a letter at its end`);
  return `${match[1]}.${match[2]}.${slot * (256 / SLOTS)}.0/21`;
}

/** The first /16 in a block that overlaps none of these; undefined: there is none. */
export function freeSixteen(block: string, taken: readonly string[]): string | undefined {
  const [first, last] = addressesOf(block);
  const used = taken.map(addressesOf);
  for (let from = first; from + SIXTEEN - 1 <= last; from += SIXTEEN) {
    const to = from + SIXTEEN - 1;
    if (used.every(([start, end]) => to < start || from > end)) return sixteenOf(from);
  }
  return undefined;
}

/** The /16 that an address is in. */
export function sixteenAround(block: string): string {
  return sixteenOf(addressesOf(block)[0]);
}

/** `[first, last]`, as numbers. */
function addressesOf(block: string): readonly [number, number] {
  const [address = '', bits = '32'] = block.split('/');
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  const first = number - (number % size);
  return [first, first + size - 1];
}

const sixteenOf = (address: number): string =>
  `${Math.floor(address / 2 ** 24)}.${Math.floor(address / SIXTEEN) % 256}.0.0/16`;
