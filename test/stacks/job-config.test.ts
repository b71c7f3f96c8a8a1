import * as pulumi from '@pulumi/pulumi';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { jobArgsFromConfig } from '../../stacks/job-config';

const example = parse(readFileSync(path.join(__dirname, '../../stacks/job.example.yaml'), 'utf8')) as {
  config: Record<string, unknown>;
};

function config(job: unknown): pulumi.Config {
  pulumi.runtime.setAllConfig(job === undefined ? {} : { 'gitlab-spot:job': JSON.stringify(job) });
  return new pulumi.Config('gitlab-spot');
}

test('the example is complete, and what it leaves out has a default', () => {
  const args = jobArgsFromConfig('job-try', config(example.config['gitlab-spot:job']));
  expect(args).toMatchObject({
    stackName: 'job-try',
    instanceType: 'ecs.c7.xlarge',
    executorCidr: ['10.0.0.5/32'],
    disk: { category: 'cloud_essd', sizeGiB: 40 },
    spot: { strategy: 'SpotAsPriceGo', durationHours: 0 },
    sshPort: 22,
  });
});

test('without configuration one sentence says what is missing and what to do', () => {
  expect(() => jobArgsFromConfig('job-7', config(undefined))).toThrow(
    /^stack job-7 has no configuration for a job \(missing: job\.vpcId, .*job\.autoReleaseTime\)\. .*stacks\/job\.example\.yaml/,
  );
});

test('it is an error that the CLI shows without a stack trace', () => {
  let thrown: unknown;
  try {
    jobArgsFromConfig('job-7', config({ vpcId: 'vpc-1' }));
  } catch (error) {
    thrown = error;
  }
  expect(pulumi.RunError.isInstance(thrown)).toBe(true);
});

test('Pulumi, which reads stacks/tsconfig.json, is as strict as the project', () => {
  const options = (file: string) =>
    (JSON.parse(readFileSync(path.join(__dirname, '../..', file), 'utf8')) as { compilerOptions: object })
      .compilerOptions;
  const { incremental, tsBuildInfoFile, types, ...rest } = options('tsconfig.json') as Record<string, unknown>;
  expect(options('stacks/tsconfig.json')).toEqual({ ...rest, types: ['node'] });
  expect({ incremental, tsBuildInfoFile, types }).toMatchObject({ incremental: true });
});
