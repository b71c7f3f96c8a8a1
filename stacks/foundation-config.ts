/**
 * The foundation's arguments from the configuration of stack `foundation` (see
 * foundation.example.yaml).
 */
import type * as pulumi from '@pulumi/pulumi';
import type { FoundationArgs, NetworkArgs } from './foundation';
import { refuse } from './refusal';

interface FoundationConfig {
  readonly name?: string;
  readonly instanceTypes?: readonly string[];
  readonly network?: NetworkArgs;
  readonly securityGroup?: { readonly executorCidr: readonly string[]; readonly sshPort?: number } | false;
  readonly cache?: FoundationArgs['cache'] | false;
  readonly state?: FoundationArgs['state'] | false;
  readonly role?: FoundationArgs['role'] | false;
}

/** What instances.yaml starts with. */
const DEFAULT_TYPES = ['ecs.c7.xlarge', 'ecs.c8a.xlarge', 'ecs.u1-c1m2.xlarge'];

/**
 * Everything has a default but the region.
 * @throws pulumi.RunError with one sentence when the region is missing
 */
export function foundationArgsFromConfig(config: pulumi.Config, region: string | undefined): FoundationArgs {
  if (region === undefined || region === '') {
    refuse('stack foundation needs a region: pulumi config set alicloud:region cn-hangzhou --stack foundation');
  }
  const given = config.getObject<FoundationConfig>('foundation') ?? {};
  const unlessOff = <T>(value: T | false | undefined, otherwise: T) =>
    value === false ? undefined : (value ?? otherwise);
  return {
    name: given.name ?? 'gitlab-spot',
    region,
    instanceTypes: given.instanceTypes ?? DEFAULT_TYPES,
    network: given.network ?? {},
    securityGroup: given.securityGroup ? { sshPort: 22, ...given.securityGroup } : undefined,
    cache: unlessOff(given.cache, { expireDays: 14 }),
    state: unlessOff(given.state, {}),
    role: unlessOff(given.role, { images: true }),
  };
}
