/**
 * The Pulumi program of this repository's root (`main: stacks/`), chosen by the stack's name: `foundation`, or a job's stack.
 *
 * The executor runs `jobStack` itself with each job's arguments; here the same stack is made from stack configuration, so that an
 * edited job.ts can be previewed (job.example.yaml says how).
 */
import * as pulumi from '@pulumi/pulumi';
import { foundationFromConfig } from './foundation';
import { jobStack } from './job';
import { jobArgsFromConfig } from './job-config';

const stackName = pulumi.getStack();

// Exported values are the stack's outputs.
module.exports =
  stackName === 'foundation'
    ? foundationFromConfig(new pulumi.Config())
    : jobStack(jobArgsFromConfig(stackName, new pulumi.Config()));
