import { ConfigurationError } from '../../errors';
import { printable } from '../../printable';
import { defineCommand } from '../command';

export const notifyCommand = defineCommand<{ readonly test: boolean }>({
  command: 'notify',
  describe: 'Where notices go (budget, leftovers, reaper, stock); the reaper sends them',
  builder: (yargs) =>
    yargs.options({
      test: { type: 'boolean', default: false, describe: 'Send a test, and print what the service answers' },
    }) as never,
  needs: { cloud: false, host: true },
  async run({ test }, { settings, out }) {
    const [{ webhookOf }, { sender }] = await Promise.all([
      import('../../notices/webhook'),
      import('../../notices/tell'),
    ]);
    const webhook = webhookOf(settings.notices);
    if (!webhook)
      throw new ConfigurationError('No webhook is set', {
        remedy: 'Write its URL into a file of mode 0600, and name that in GITLAB_SPOT_WEBHOOK_FILE.',
      });
    if (!test) {
      out(`${webhook.name}, summary ${settings.notices.summary}. \`gitlab-spot notify --test\` tries it.\n`);
      return 0;
    }
    const { answer, problem } = await sender(
      settings,
      webhook,
    )({ key: 'test', title: 'a test', lines: ['Notices arrive here.'] });
    if (answer)
      out(printable(`${webhook.name} answered HTTP ${answer.status}: ${answer.body.trim().slice(0, 500)}`) + '\n');
    if (problem === undefined) return 0;
    throw new ConfigurationError(`${webhook.name} did not take the test: ${problem}`, {
      remedy:
        'Check the URL, GITLAB_SPOT_WEBHOOK_KIND, the robot’s keyword, secret or allowed addresses, and the proxy.',
    });
  },
});
