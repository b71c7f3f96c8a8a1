import { ConfigurationError } from '../../errors';
import { defineCommand } from '../command';

interface CommandLine {
  readonly init: boolean;
  readonly images: boolean;
  readonly tagCondition: boolean;
  readonly deleteTagged: boolean;
  readonly cacheBucket: string | undefined;
  readonly stateBucket: string | undefined;
}

export const ramPolicyCommand = defineCommand<CommandLine>({
  command: 'ram-policy',
  describe: 'Print the least RAM policy that the executor works with',
  builder: (yargs) =>
    yargs.options({
      init: { type: 'boolean', default: false, describe: 'Instead: what `init --foundation` needs, once' },
      images: { type: 'boolean', default: true, describe: 'With what `image build` needs' },
      'tag-condition': {
        type: 'boolean',
        default: true,
        describe: 'Let nothing be made without our tag; leave it out where RunInstances is refused for it',
      },
      'delete-tagged': {
        type: 'boolean',
        default: false,
        describe: 'Let nothing be deleted or tagged that lacks our tag; doctor can not try these actions then',
      },
      'cache-bucket': { type: 'string', describe: "With access to this bucket, the jobs' cache" },
      'state-bucket': { type: 'string', describe: 'With access to this bucket, the shared Pulumi state' },
    }) as never,
  needs: undefined,
  async run({ init, images, tagCondition, deleteTagged, cacheBucket, stateBucket }, { out }) {
    checkBucket('--cache-bucket', cacheBucket);
    checkBucket('--state-bucket', stateBucket);
    const { executorPolicy, foundationPolicy } = await import('../../../stacks/ram-policy');
    const scope = { images, tagCondition, deleteTagged, cacheBucket, stateBucket };
    const policy = init ? foundationPolicy() : executorPolicy(scope);
    out(`${JSON.stringify(policy, null, 2)}\n`);
  },
});

/** Without a name, or with `*` in it, the policy would be for more than that bucket. */
function checkBucket(option: string, name: string | undefined): void {
  if (name !== undefined && !/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name))
    throw new ConfigurationError(`${option} takes a bucket's name, such as gitlab-spot-cache, not "${name}"`);
}
