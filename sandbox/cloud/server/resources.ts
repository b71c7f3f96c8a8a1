/** Which resources a call touches, as RAM sees it: from the ids in its parameters. */
import type { Service } from '../actions/action';
import type { RegionState, Tags } from '../model/records';
import type { Nested, Parameters } from './parameters';
import type { Resource } from './policy';

interface Named {
  readonly service: Service;
  readonly type: string;
  readonly tags: (region: RegionState, id: string) => Tags | undefined;
}

const INSTANCE: Named = { service: 'ecs', type: 'instance', tags: (region, id) => region.instances.get(id)?.tags };
const GROUP: Named = {
  service: 'ecs',
  type: 'securitygroup',
  tags: (region, id) => region.securityGroups.get(id)?.tags,
};
const KEY_PAIR: Named = { service: 'ecs', type: 'keypair', tags: (region, id) => region.keyPairs.get(id)?.tags };
const IMAGE: Named = { service: 'ecs', type: 'image', tags: (region, id) => region.images.get(id)?.tags };
const DISK: Named = { service: 'ecs', type: 'disk', tags: () => undefined };
const VPC: Named = { service: 'vpc', type: 'vpc', tags: (region, id) => region.vpcs.get(id)?.tags };
const VSWITCH: Named = { service: 'vpc', type: 'vswitch', tags: (region, id) => region.vSwitches.get(id)?.tags };

const GATEWAY: Named = { service: 'vpc', type: 'natgateway', tags: (region, id) => region.natGateways.get(id)?.tags };
const ADDRESS: Named = { service: 'vpc', type: 'eip', tags: (region, id) => region.addresses.get(id)?.tags };

/** By parameter; a list of ids as `NAME.N` or as JSON. */
const NAMED: Readonly<Record<string, Named>> = {
  InstanceId: INSTANCE,
  InstanceIds: INSTANCE,
  SecurityGroupId: GROUP,
  SecurityGroupIds: GROUP,
  KeyPairName: KEY_PAIR,
  KeyPairNames: KEY_PAIR,
  ImageId: IMAGE,
  VpcId: VPC,
  VSwitchId: VSWITCH,
  NatGatewayId: GATEWAY,
  AllocationId: ADDRESS,
};

/** Of TagResources and its like, by ResourceType. */
const TAGGED: Readonly<Record<string, Named>> = {
  instance: INSTANCE,
  securitygroup: GROUP,
  keypair: KEY_PAIR,
  image: IMAGE,
  disk: DISK,
  vpc: VPC,
  vswitch: VSWITCH,
  natgateway: GATEWAY,
  eip: ADDRESS,
};

/** What an action that names nothing is about. */
const SUBJECTS: readonly (readonly [RegExp, Named])[] = [
  [/Instance|Spot|Price|AvailableResource|Region|Zone|Account/, INSTANCE],
  [/SecurityGroup/, GROUP],
  [/KeyPair/, KEY_PAIR],
  [/Image/, IMAGE],
  [/Disk/, DISK],
  [/NatGateway|Snat/, GATEWAY],
  [/Eip/, ADDRESS],
  [/VSwitch/, VSWITCH],
  [/Vpc|Route/, VPC],
];

export interface Touching {
  readonly service: Service;
  readonly action: string;
  readonly parameters: Parameters;
  readonly nested: { readonly [name: string]: Nested };
  readonly region: RegionState;
  readonly regionId: string;
  readonly accountId: string;
}

/** At least one; new things are `TYPE/*` with the tags they will have. */
export function resourcesOf(call: Touching): Resource[] {
  const arn = (kind: Named, id: string): string =>
    `acs:${kind.service}:${call.regionId}:${call.accountId}:${kind.type}/${id}`;
  const found: Resource[] = [];
  const add = (kind: Named, value: Nested | undefined): void => {
    for (const id of idsIn(value)) found.push({ arn: arn(kind, id), tags: kind.tags(call.region, id) ?? {} });
  };
  for (const [name, kind] of Object.entries(NAMED)) add(kind, call.nested[name]);
  const tagged = TAGGED[(call.parameters.ResourceType ?? '').toLowerCase()];
  if (tagged) add(tagged, call.nested.ResourceId);
  const makes = /^(Run|Create|Import)/.test(call.action);
  if (makes || found.length === 0) {
    const subject = SUBJECTS.find(([pattern]) => pattern.test(call.action))?.[1];
    const anything = { service: call.service, type: '*', tags: () => undefined };
    found.push({ arn: arn(subject ?? anything, '*'), tags: makes ? requestTags(call.nested) : {} });
  }
  return found;
}

/** The tags that a request carries. */
export function requestTags(nested: { readonly [name: string]: Nested }): Tags {
  const tags: Tags = {};
  for (const tag of Array.isArray(nested.Tag) ? (nested.Tag as readonly Nested[]) : []) {
    const { Key, Value } = (typeof tag === 'object' ? tag : {}) as { Key?: Nested; Value?: Nested };
    if (typeof Key === 'string') tags[Key] = typeof Value === 'string' ? Value : '';
  }
  return tags;
}

function idsIn(value: Nested | undefined): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.filter((one): one is string => typeof one === 'string');
  if (typeof value !== 'string') return [];
  if (!value.startsWith('[')) return [value];
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string') : [];
  } catch {
    return [];
  }
}
