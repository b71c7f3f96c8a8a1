/** Address arithmetic for vSwitches. */
import { refuse } from './refusal';

const SLOTS = 32;

/**
 * The /21 of a /16 that belongs to a zone. It depends on the zone's letter only, so that a zone that opens later moves nobody.
 * @throws pulumi.RunError when the block is no /16, or the zone has no letter
 */
export function vSwitchCidr(block: string, zoneId: string): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}\/16$/.exec(block);
  if (match === null) refuse(`network.cidrBlock "${block}": expected a /16, such as 10.86.0.0/16`);
  const slot = (zoneId.at(-1) ?? '').charCodeAt(0) - 'a'.charCodeAt(0);
  if (!(slot >= 0 && slot < SLOTS)) refuse(`zone "${zoneId}": expected a letter at its end`);
  return `${match[1]}.${match[2]}.${slot * (256 / SLOTS)}.0/21`;
}
