/** A job stack's arguments from stack configuration, for a preview by hand. */
import type * as pulumi from '@pulumi/pulumi';
import type { JobStackArgs } from './job';
import { refuse } from './refusal';

/** What `pulumi config` holds under `job` (see job.example.yaml). */
type JobConfig = Partial<Omit<JobStackArgs, 'stackName' | 'userData'>>;

const defaults = {
  disk: { category: 'cloud_essd', performanceLevel: 'PL0', sizeGiB: 40 },
  spot: { strategy: 'SpotAsPriceGo', durationHours: 0 },
  internetBandwidthMbps: 0,
  sshPort: 22,
  tags: { 'gitlab-spot': 'try' },
} as const satisfies JobConfig;

const required = [
  'vpcId',
  'vSwitchId',
  'instanceType',
  'imageId',
  'executorCidr',
  'publicKey',
  'autoReleaseTime',
] as const satisfies readonly (keyof JobConfig)[];

/**
 * Reads `job` and the secret `userData`.
 * @throws pulumi.RunError with one sentence when something is missing: the CLI shows it without a
 * stack trace.
 */
export function jobArgsFromConfig(stackName: string, config: pulumi.Config): JobStackArgs {
  const given = config.getObject<JobConfig>('job') ?? {};
  const missing = required.filter((key) => given[key] === undefined);
  if (missing.length > 0) {
    refuse(
      `stack ${stackName} has no configuration for a job (missing: ${missing.map((key) => `job.${key}`).join(', ')}). ` +
        'Job stacks are made by the executor; to preview an edited stacks/job.ts by hand, copy stacks/job.example.yaml to ' +
        `Pulumi.${stackName}.yaml and fill it in.`,
    );
  }
  return {
    ...defaults,
    ...(given as Required<JobConfig>),
    stackName,
    userData: config.getSecret('userData') ?? '#cloud-config\n',
  };
}
