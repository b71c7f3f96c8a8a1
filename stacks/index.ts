/**
 * The Pulumi program of this repository's root (`main: stacks/`), chosen by the stack's name:
 * `foundation`, or a job's stack.
 *
 * The executor runs `jobStack` itself with each job's arguments; here the same stack is made from
 * stack configuration, so that an edited job.ts can be previewed (job.example.yaml says how).
 */
import * as pulumi from '@pulumi/pulumi';
import { foundation } from './foundation';
import { foundationArgsFromConfig } from './foundation-config';
import { jobStack } from './job';
import { jobArgsFromConfig } from './job-config';

/** What the program returns becomes the stack's outputs. */
export = async (): Promise<object> => {
  const stackName = pulumi.getStack();
  const config = new pulumi.Config();
  return stackName === 'foundation'
    ? foundation(foundationArgsFromConfig(config, new pulumi.Config('alicloud').get('region')))
    : jobStack(jobArgsFromConfig(stackName, config));
};
