import { type SecretSealer } from '../secrets/envelope';
import { type Deployment, type Resource } from './checkpoint';

/**
 * A copy of a state with its secrets in the clear; asks for the key only when there is a secret.
 */
export function openDeployment(deployment: Deployment | undefined, sealer: SecretSealer): Deployment | undefined {
  if (!deployment) return undefined;
  const open = (resource: Resource): Resource => ({
    ...resource,
    ...(resource.inputs && { inputs: sealer.open(resource.inputs) }),
    ...(resource.outputs && { outputs: sealer.open(resource.outputs) }),
  });
  return {
    ...deployment,
    resources: (deployment.resources ?? []).map(open),
    pending_operations: (deployment.pending_operations ?? []).map(({ resource, type }) => ({
      resource: open(resource),
      type,
    })),
  };
}
