import { ConfigurationError, HostError } from '../../errors';
import type { JobRecord } from '../../job/types';
import { defineCommand } from '../command';

interface CommandLine {
  readonly job: string;
  readonly remote: readonly string[];
}

export const sshCommand = defineCommand<CommandLine>({
  command: 'ssh <job> [remote..]',
  describe: "Opens a shell on a job's instance, or runs a command there",
  builder: (yargs) =>
    yargs
      .positional('job', { type: 'string', demandOption: true, describe: 'Job id, or the name of its stack' })
      .positional('remote', {
        array: true,
        type: 'string',
        default: [],
        describe: 'Command; options after --',
      }) as never,
  needs: { cloud: false },
  async run({ job, remote }, { settings }) {
    const [{ RecordStore }, { openSession }] = await Promise.all([
      import('../../job/record-store'),
      import('../../ssh/session'),
    ]);
    const store = new RecordStore(settings.stateDir);
    const record = newestOf(
      String(job),
      store.list().flatMap(({ record }) => record ?? []),
    );
    const instance = record.phase === 'preparing' ? undefined : record.instance;
    if (!instance)
      throw new HostError(`Job ${job} has no instance that answers yet`, {
        remedy: '`gitlab-spot jobs ls` shows when it runs.',
      });
    return openSession(instance, store.files(record.identity.stackName), remote.map(String));
  },
});

/** Of several attempts the last one. @throws ConfigurationError */
function newestOf(job: string, records: readonly JobRecord[]): JobRecord {
  const found = records
    .filter(({ identity }) => identity.stackName === job || String(identity.jobId) === job)
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  if (new Set(found.map(({ identity }) => identity.serverHost)).size > 1)
    throw new ConfigurationError(`Several GitLabs have a job ${job} here`, { remedy: 'Name the stack instead.' });
  if (found[0]) return found[0];
  throw new ConfigurationError(`There is no job ${job} on this host`, { remedy: '`gitlab-spot jobs ls` lists them.' });
}
