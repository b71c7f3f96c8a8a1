import { HostError } from '../../errors';
import { defineCommand } from '../command';
import { findJob } from '../find-job';

interface CommandLine {
  readonly job: string;
  readonly remote: readonly string[];
  /** What stands after `--`: its options are the command's own. */
  readonly '--'?: readonly string[];
}

export const sshCommand = defineCommand<CommandLine>({
  command: 'ssh <job> [remote..]',
  describe: "Open a shell on a job's instance, or run a command there",
  builder: (yargs) =>
    yargs
      .parserConfiguration({ 'populate--': true })
      .positional('job', { type: 'string', demandOption: true, describe: 'Job id, or the name of its stack' })
      .positional('remote', {
        array: true,
        type: 'string',
        default: [],
        describe: 'Command; options after --',
      }) as never,
  needs: { cloud: false },
  async run({ job, remote, '--': after = [] }, { settings }) {
    const [{ RecordStore }, { openSession }] = await Promise.all([
      import('../../jobs/record-store'),
      import('../../ssh/session'),
    ]);
    const store = new RecordStore(settings.stateDir);
    const record = findJob(store, String(job));
    const instance = record.phase === 'preparing' ? undefined : record.instance;
    if (!instance)
      throw new HostError(`Job ${job} has no instance that answers yet`, {
        remedy: '`gitlab-spot jobs ls` shows when it runs.',
      });
    return openSession(instance, store.files(record.identity.stackName), [...remote, ...after].map(String));
  },
});
