import type { Argv } from 'yargs';
import type { Images, OwnImage } from '../../cloud/images';
import { ConfigurationError } from '../../errors';
import type { BuildOptions } from '../../images/run-build';
import type { Settings } from '../../settings/types';
import { jsonText } from '../../printable';
import { defineCommand, type CommandContext } from '../command';
import { table } from '../table';

const buildCommand = defineCommand<BuildOptions>({
  command: 'build <name>',
  describe: 'Make an image: an instance, the provisioning script, a snapshot',
  builder: (yargs) =>
    yargs
      .positional('name', {
        type: 'string',
        demandOption: true,
        describe: 'Image family: profiles name it and get its newest',
      })
      .options({
        profile: { type: 'string', describe: 'Which instance types to build on (default: the default profile)' },
        base: { type: 'string', describe: 'Image id or family to start from (default: Ubuntu 24.04 of Alibaba Cloud)' },
        script: { type: 'string', describe: 'What to run on it as root (default: deploy/image/provision.sh)' },
        bandwidth: { type: 'number', default: 20, describe: 'Mbit/s to the internet while it is built; 0: none' },
        keep: { type: 'number', default: 3, describe: 'How many images of the family stay' },
        timeout: { type: 'string', default: '1h', describe: 'Limit of the script' },
      }) as never,
  needs: { cloud: true },
  async run(args, context) {
    if (!/^[a-z][a-z0-9.-]{1,59}$/.test(args.name) || /^(aliyun|acs)/.test(args.name))
      throw new ConfigurationError(`${JSON.stringify(args.name)} can't be an image family`, {
        remedy: 'Use 2 to 60 small letters, digits, dots and hyphens, and do not begin with aliyun or acs.',
      });
    if (!Number.isInteger(args.keep) || args.keep < 1)
      throw new ConfigurationError('--keep must be a whole number above 0');
    if (!Number.isInteger(args.bandwidth) || args.bandwidth < 0 || args.bandwidth > 100)
      throw new ConfigurationError('--bandwidth must be a whole number from 0 to 100');
    const { runBuild } = await import('../../images/run-build');
    const image = await runBuild(args, context);
    context.out(`${image.imageId}\n`);
  },
});

const listCommand = defineCommand<{ readonly name: string | undefined; readonly json: boolean }>({
  command: 'ls [name]',
  describe: 'The images that were made here, newest first',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', describe: 'One family only' })
      .options({ json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' } }) as never,
  needs: { cloud: true },
  async run({ name, json }, { settings, out }) {
    const images = await (await imagesOf(settings)).own(name);
    if (json) return out(`${jsonText(images)}\n`);
    if (images.length === 0) return out('There is no image yet: `gitlab-spot image build NAME` makes one.\n');
    out(
      table(
        [
          { title: 'family', whole: true },
          { title: 'image', whole: true },
          { title: 'name', spare: 4 },
          { title: 'made', spare: 3, whole: true },
          { title: 'GiB', align: 'right', spare: 2 },
          { title: 'state', spare: 1 },
        ],
        images.map((one) => [one.family, one.imageId, one.name, one.createdAt, String(one.sizeGiB), stateOf(one)]),
      ),
    );
  },
});

const removeCommand = defineCommand<{ readonly image: string }>({
  command: 'rm <image>',
  describe: 'Remove an image and its snapshots',
  builder: (yargs) =>
    yargs.positional('image', { type: 'string', demandOption: true, describe: 'Its id or name' }) as never,
  needs: { cloud: true },
  async run({ image: wanted }, { settings, warn }) {
    const images = await imagesOf(settings);
    await images
      .removeRest()
      .catch((problem: Error) => warn(`Snapshots of removed images may be left: ${problem.message}`));
    const found = (await images.own()).find((one) => one.imageId === wanted || one.name === wanted);
    if (!found)
      throw new ConfigurationError(`There is no image ${wanted} that was made here`, {
        remedy: '`gitlab-spot image ls` lists them; others are removed in the console.',
      });
    const { audit } = await import('../../audit/log');
    if (!audit(settings.stateDir, { action: 'image rm', target: found.imageId, detail: found.name }))
      warn('This could not be written to the audit log');
    await images.remove(found);
    warn(`Removed ${found.name} (${found.imageId})`);
  },
});

export const imageCommand = {
  command: 'image',
  describe: 'Images for instances: build, ls, rm',
  builder: (yargs: Argv) =>
    yargs
      .command(buildCommand)
      .command(listCommand)
      .command(removeCommand)
      .demandCommand(1, 'Name what to do: build, ls or rm.'),
  handler: () => undefined,
};

async function imagesOf(settings: CommandContext['settings'] & Settings): Promise<Images> {
  const [{ createImages }, { createRpc }] = await Promise.all([
    import('../../cloud/images'),
    import('../../cloud/client'),
  ]);
  return createImages(createRpc(settings));
}

function stateOf({ status, progress }: OwnImage): string {
  return status === 'Creating' ? `${progress} %` : status.toLowerCase();
}
