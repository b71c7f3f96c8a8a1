import { ConfigurationError } from '../errors';
import { parseStackName } from '../jobs/identity';
import type { RecordStore } from '../jobs/record-store';
import type { JobRecord } from '../jobs/types';

/**
 * A job of this host by its number or its stack's name; of several attempts the last one.
 * @throws ConfigurationError, HostError where its record can't be read
 */
export function findJob(store: RecordStore, job: string): JobRecord {
  const all = store.list();
  const found = all
    .flatMap(({ record }) => record ?? [])
    .filter(({ identity }) => String(identity.jobId) === job)
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  if (new Set(found.map(({ identity }) => identity.serverHost)).size > 1)
    throw new ConfigurationError(`Several GitLabs have a job ${job} here`, { remedy: 'Name the stack instead.' });
  const unread = all.find(({ stackName, problem }) => problem && String(parseStackName(stackName)?.jobId) === job);
  const record = found[0] ?? store.read(unread?.stackName ?? job);
  if (record) return record;
  throw new ConfigurationError(`There is no job ${job} on this host`, {
    remedy: '`gitlab-spot jobs ls` lists them; `gitlab-spot reap` also finds what has no record.',
  });
}
