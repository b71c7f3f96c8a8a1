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
  needs: { cloud: false, host: true },
  async run({ job, remote, '--': after = [] }, { settings, warn }) {
    const [{ audit }, { RecordStore }, { openSession }] = await Promise.all([
      import('../../audit/log'),
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
    const command = [...remote, ...after].map(String);
    // What the command is may hold a secret.
    const act = {
      action: 'ssh',
      target: record.identity.stackName,
      detail: command.length === 0 ? 'shell' : 'command',
    } as const;
    if (!audit(settings.stateDir, act)) warn('This could not be written to the audit log');
    return openSession(instance, store.files(record.identity.stackName), command);
  },
});
