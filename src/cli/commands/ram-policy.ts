import { defineCommand } from '../command';

interface CommandLine {
  readonly images: boolean;
  readonly cacheBucket: string | undefined;
  readonly stateBucket: string | undefined;
}

export const ramPolicyCommand = defineCommand<CommandLine>({
  command: 'ram-policy',
  describe: 'Print the least RAM policy that the executor works with',
  builder: (yargs) =>
    yargs.options({
      images: { type: 'boolean', default: true, describe: 'With what `image build` needs' },
      'cache-bucket': { type: 'string', describe: "With access to this bucket, the jobs' cache" },
      'state-bucket': { type: 'string', describe: 'With access to this bucket, the shared Pulumi state' },
    }) as never,
  needs: undefined,
  async run({ images, cacheBucket, stateBucket }, { out }) {
    const { executorPolicy } = await import('../../../stacks/ram-policy');
    out(`${JSON.stringify(executorPolicy({ images, cacheBucket, stateBucket }), null, 2)}\n`);
  },
});
