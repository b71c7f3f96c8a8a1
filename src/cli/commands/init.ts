import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ConfigurationError } from '../../errors';
import type { Variables } from '../../init/init';
import { DEFAULT_ENV_FILE, readHostEnvironment } from '../../settings/environment';
import { defineCommand } from '../command';

const SERVICE_STATE_DIR = '/var/lib/gitlab-spot';

interface CommandLine {
  readonly file: string | undefined;
  readonly yes: boolean;
  readonly region: string | undefined;
  readonly accessKey: string | undefined;
  readonly secretKeyFile: string | undefined;
  readonly ramRole: string | undefined;
  readonly vpc: string | undefined;
  readonly vswitches: string | undefined;
  readonly executorCidr: string | undefined;
  readonly foundation: boolean | undefined;
  readonly foundationName: string;
  readonly cache: boolean;
  readonly stateBucket: boolean;
  readonly makeRole: boolean;
  readonly nat: boolean | undefined;
  readonly sharedGroup: boolean | undefined;
}

export const initCommand = defineCommand<CommandLine>({
  command: 'init',
  describe: 'Ask for account and network, check them, and write the env file',
  builder: (yargs) =>
    yargs
      .options({
        yes: {
          type: 'boolean',
          alias: 'y',
          default: false,
          describe: 'Ask nothing: options and the env file say it all',
        },
        // Not --env-file: node takes that for its own, wherever it stands.
        file: {
          type: 'string',
          describe: `Where settings are kept (default: GITLAB_SPOT_ENV_FILE or ${DEFAULT_ENV_FILE})`,
        },
        region: { type: 'string', describe: 'Such as cn-hangzhou' },
        'access-key': { type: 'string', describe: 'Access key id' },
        'secret-key-file': {
          type: 'string',
          nargs: 1,
          describe: 'Holds its secret; - is standard input. Or ALICLOUD_SECRET_KEY',
        },
        'ram-role': { type: 'string', describe: "Instead of a key: the RAM role of this host's own instance" },
        vpc: { type: 'string', describe: 'An existing VPC' },
        vswitches: { type: 'string', describe: 'Only these vSwitches of it, separated by commas (default: all)' },
        'executor-cidr': {
          type: 'string',
          describe: "Who may reach instances by SSH (default: this host's own addresses)",
        },
        foundation: { type: 'boolean', describe: 'Make VPC, vSwitches and cache bucket (pulumi up, stack foundation)' },
        'foundation-name': { type: 'string', default: 'gitlab-spot', describe: 'Prefix of all names in it' },
        cache: { type: 'boolean', default: true, describe: 'With --foundation: a bucket for the cache' },
        'state-bucket': {
          type: 'boolean',
          default: false,
          describe: 'With --foundation: a bucket for Pulumi state, for several hosts',
        },
        nat: {
          type: 'boolean',
          describe:
            'With --foundation: a NAT gateway, by which instances reach the internet (some 180 yuan a month, and traffic)',
        },
        'shared-group': {
          type: 'boolean',
          describe:
            'With --foundation: one security group for all jobs, where the quota of groups is too small for one each',
        },
        'make-role': { type: 'boolean', default: false, describe: 'With --foundation: a RAM role for this host' },
      })
      .conflicts('access-key', 'ram-role') as never,
  needs: undefined,
  async run(args, { warn, signal }) {
    const [
      { init },
      { withVariables },
      { readSecret, terminalPrompt },
      { checkWritable, writePrivate },
      { createRpc, createCloud },
      { createAccount },
      { waysOut, hasFoundationNat },
      { placeOf },
      { readSettings },
      { executorCidrs },
    ] = await Promise.all([
      import('../../init/init'),
      import('../../init/env-file'),
      import('../../host/prompt'),
      import('../../host/private-file'),
      import('../../cloud/client'),
      import('../../cloud/account'),
      import('../../cloud/way-out'),
      import('../../cloud/host-place'),
      import('../../settings/settings'),
      import('../../host/own-addresses'),
    ]);
    if (!args.yes && !process.stdin.isTTY)
      throw new ConfigurationError('init has nobody to ask: its input is not a terminal', {
        remedy: 'Pass the values as options (see --help), with --yes.',
      });
    const file = path.resolve(args.file ?? (process.env.GITLAB_SPOT_ENV_FILE || DEFAULT_ENV_FILE));
    const text = readOrEmpty(file);
    checkWritable(file);
    const known = readHostEnvironment(process.env, file).values;
    const prompt = args.yes ? undefined : terminalPrompt();
    /**
     * As the hooks will read them, once they are written: the environment counts before the file.
     */
    const settingsOf = (variables: Variables) => {
      const merged = { ...known, ...variables, GITLAB_SPOT_ENV_FILE: undefined };
      return readSettings({ ...merged, GITLAB_SPOT_ENV_FILE: '/dev/null' }, { cloud: false });
    };
    await init(
      {
        region: args.region,
        accessKeyId: args.accessKey,
        ramRole: args.ramRole,
        vpcId: args.vpc,
        vSwitchIds: args.vswitches,
        executorCidr: args.executorCidr,
        makeFoundation: args.foundation,
        makeNat: args.nat,
        sharedGroup: args.sharedGroup,
        foundation: {
          name: args.foundationName,
          instanceTypes: await wantedTypes(settingsOf({}).profilesFile),
          cache: args.cache ? { expireDays: 14 } : undefined,
          state: args.stateBucket ? {} : undefined,
          role: args.makeRole ? { images: true } : undefined,
        },
      },
      {
        // A file that is named counts before the secret of the env file, which it may take the place of.
        known: args.secretKeyFile === undefined ? known : { ...known, ALICLOUD_SECRET_KEY: undefined },
        prompt,
        secretKey: () =>
          readSecret({
            what: 'access key secret',
            file: args.secretKeyFile,
            fileOption: '--secret-key-file',
            variable: 'ALICLOUD_SECRET_KEY',
            variables: known,
            prompt,
          }),
        connect: (variables) => {
          const settings = settingsOf(variables);
          const rpc = createRpc(settings);
          return {
            account: createAccount(rpc),
            cloud: createCloud(settings),
            waysOut: (vpcId, vSwitches) => waysOut(rpc, vpcId, vSwitches),
            hasFoundationNat: (vpcId) => hasFoundationNat(rpc, vpcId),
          };
        },
        hostPlace: () => placeOf(settingsOf({})),
        reach: (variables) => {
          const { cloud, ssh } = settingsOf(variables);
          return { executorCidr: executorCidrs(cloud), sshPort: ssh.port };
        },
        async makeFoundation(variables, foundationArgs) {
          const { upFoundation } = await import('../../engine/foundation');
          return upFoundation(settingsOf(variables), foundationArgs, {
            signal,
            log: warn,
            onResource: ({ type, operation, done, failed }) => {
              if (operation !== 'same' && done) warn(`  ${failed ? 'failed' : operation}: ${type}`);
            },
          });
        },
        write: (variables) => writePrivate(file, withVariables(text, { ...stateDirectory(file, known), ...variables })),
        say: warn,
      },
    );
    warn(`${file}: written`);
    warn('Next: gitlab-spot image build NAME (the image that profiles name), then gitlab-spot register (the runner)');
  },
});

/** What install.sh made for the service: a person's own commands must find the same jobs. */
function stateDirectory(file: string, known: Readonly<Record<string, string>>): Variables {
  const wanted =
    file === DEFAULT_ENV_FILE && known.GITLAB_SPOT_STATE_DIR === undefined && existsSync(SERVICE_STATE_DIR);
  return wanted ? { GITLAB_SPOT_STATE_DIR: SERVICE_STATE_DIR } : {};
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return '# Settings of gitlab-spot: see docs/operating.md. Written by `gitlab-spot init`.\n';
    throw new ConfigurationError(`The env file ${file} can't be read (${(error as NodeJS.ErrnoException).code})`, {
      remedy: 'Run init as the user that the runner runs as, or name another file with --file.',
    });
  }
}

/** Every type that a profile names: each zone that sells one of them gets a vSwitch. */
async function wantedTypes(profilesFile: string): Promise<readonly string[]> {
  const { readProfiles } = await import('../../settings/profiles');
  const types = Object.values(readProfiles(profilesFile).profiles).flatMap(({ instances }) =>
    'types' in instances ? instances.types : [],
  );
  return types.length > 0 ? [...new Set(types)] : ['ecs.c7.xlarge', 'ecs.c8a.xlarge', 'ecs.u1-c1m2.xlarge'];
}
