import { HostError } from '../errors';
import type { Settings } from '../settings/types';
import { destroyerDependencies } from './dependencies';
import { destroyRecorded } from './destroyer';

/**
 * Destroys these stacks, whose intent is recorded, before it returns (GITLAB_SPOT_CLEANUP=wait).
 * @throws HostError that names those that are left; their records stay for the destroyer and the reaper.
 */
export async function destroyNow(stackNames: readonly string[], settings: Settings): Promise<void> {
  const dependencies = destroyerDependencies(settings, (line) => void process.stderr.write(`${line}\n`));
  for (const stackName of stackNames) {
    const record = dependencies.store.read(stackName);
    if (record?.phase === 'destroying') await destroyRecorded(record, dependencies);
  }
  const left = stackNames.filter((stackName) => dependencies.store.readLenient(stackName) !== undefined);
  if (left.length > 0)
    throw new HostError(`Not destroyed: ${left.join(', ')}`, { remedy: '`gitlab-spot reap` tries again.' });
}
