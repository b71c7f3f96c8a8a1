import { networkInterfaces } from 'node:os';
import { HostError } from '../errors';

/**
 * Whom instances let in at their SSH port: whom the setting names, else this host. @throws
 * HostError
 */
export function executorCidrs({
  executorCidrs: named,
}: {
  readonly executorCidrs: readonly string[];
}): readonly string[] {
  return named.length > 0 ? named : ownAddresses();
}

/**
 * Right where the host and its instances share a VPC; behind a NAT or in a container the setting
 * must say.
 */
function ownAddresses(): string[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => one.family === 'IPv4' && !one.internal)
    .map((one) => `${one.address}/32`);
  if (own.length > 0) return own;
  throw new HostError('This host has no address of its own that instances could let in', {
    remedy: 'Set GITLAB_SPOT_EXECUTOR_CIDR to the address that instances see, such as 10.0.0.5/32.',
  });
}
