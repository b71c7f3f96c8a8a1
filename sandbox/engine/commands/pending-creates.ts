import { type Invocation } from '../cli/command';
import { CommandError } from '../errors';
import { type Deployment } from '../state/checkpoint';

/**
 * Drops what `refresh` is told to forget of interrupted creations. A creation that is named with an id is dropped as well: the
 * real CLI (3.260) marks it as being imported, and imports nothing.
 */
export function settlePendingCreates(deployment: Deployment, { flags, err }: Invocation): void {
  const pairs = flags.list('import-pending-creates');
  if (pairs.length % 2 !== 0)
    throw new CommandError('each URN must be followed by an ID: found an odd number of entries');
  const named = new Set(pairs.filter((_, i) => i % 2 === 0));
  const creating = (deployment.pending_operations ?? []).filter(({ type }) => type === 'creating');
  const unknown = [...named].filter((urn) => !creating.some(({ resource }) => resource.urn === urn));
  for (const urn of unknown) err(`warning: "${urn}" did not correspond to a pending create\n`);
  const dropped = creating.filter(({ resource }) => flags.bool('clear-pending-creates') || named.has(resource.urn));
  deployment.pending_operations = (deployment.pending_operations ?? []).filter(
    (operation) => !dropped.includes(operation),
  );
}
