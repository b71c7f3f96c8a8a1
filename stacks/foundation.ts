/** What all job stacks stand on: network, storage and rights. */
import * as pulumi from '@pulumi/pulumi';

/** Declares the foundation from the configuration of stack `foundation`. */
export function foundationFromConfig(_config: pulumi.Config): never {
  throw new pulumi.RunError('stack foundation is not there yet: name an existing VPC and its vSwitches instead');
}
