/** Tags of anything that has some: the same three actions in ECS and in VPC. */
import { z } from 'zod';
import type { Tags } from '../model/records';
import { ApiError } from '../server/errors';
import { action, type Action, type ActionGroup, type Context } from './action';
import { flag, newTags, tagFilter, hasTags, text, textList } from './fields';

/** Something with tags, whichever field holds them. */
interface Tagged {
  readonly id: string;
  readonly read: () => Tags;
  readonly write: (tags: Tags) => void;
}

function tagged(id: string, owner: { tags: Tags }): Tagged {
  return { id, read: () => owner.tags, write: (tags) => (owner.tags = tags) };
}

function all(context: Context, type: string): Tagged[] {
  const { region } = context;
  const of = (owners: Map<string, { tags: Tags }>): Tagged[] => [...owners].map(([id, owner]) => tagged(id, owner));
  const instances = [...region.instances.values()];
  switch (type.toLowerCase()) {
    case 'instance':
      return of(region.instances);
    case 'disk':
      return instances.flatMap((instance) => instance.disks.map((disk) => tagged(disk.diskId, disk)));
    case 'eni':
    case 'networkinterface':
      return instances.map((instance) => ({
        id: instance.networkInterfaceId,
        read: () => instance.networkInterfaceTags,
        write: (tags) => (instance.networkInterfaceTags = tags),
      }));
    case 'securitygroup':
      return of(region.securityGroups);
    case 'keypair':
      return of(region.keyPairs);
    case 'image':
      return of(region.images);
    case 'snapshot':
      return of(region.snapshots);
    case 'vpc':
      return of(region.vpcs);
    case 'vswitch':
      return of(region.vSwitches);
    case 'natgateway':
      return of(region.natGateways);
    case 'eip':
      return of(region.addresses);
    case 'routetable':
      return [...region.vpcs.values()].map((vpc) => ({
        id: vpc.routeTableId,
        read: () => ({}),
        write: () => undefined,
      }));
    default:
      throw new ApiError(
        404,
        'InvalidResourceType.NotFound',
        'The ResourceType provided does not exist in our records.',
      );
  }
}

const resources = { ResourceType: text, ResourceId: textList };

function named(context: Context, asked: { ResourceType: string; ResourceId: string[] }): Tagged[] {
  const byId = new Map(all(context, asked.ResourceType).map((one) => [one.id, one]));
  return asked.ResourceId.map((id) => {
    const found = byId.get(id);
    if (!found)
      throw new ApiError(404, 'InvalidResourceId.NotFound', 'The specified ResourceIds are not found in our records.');
    return found;
  });
}

const untag = action(
  z.object({ ...resources, TagKey: textList.default([]), All: flag.default(false) }),
  (context, asked) => {
    for (const one of named(context, asked)) {
      const kept = Object.entries(one.read()).filter(([key]) => !asked.All && !asked.TagKey.includes(key));
      one.write(Object.fromEntries(kept));
    }
  },
);

const common: Readonly<Record<string, Action>> = {
  TagResources: action(z.object({ ...resources, Tag: newTags }), (context, asked) => {
    for (const one of named(context, asked)) {
      const tags = { ...one.read(), ...asked.Tag };
      if (Object.keys(tags).length > 20) {
        throw new ApiError(400, 'TagNumberExceed', 'The maximum number of tags on a resource is 20.');
      }
      one.write(tags);
    }
  }),

  ListTagResources: action(
    z.object({ ResourceType: text, ResourceId: textList.optional(), Tag: tagFilter, NextToken: text.optional() }),
    (context, wanted) => {
      const found = all(context, wanted.ResourceType).filter(
        (one) =>
          (wanted.ResourceId === undefined || wanted.ResourceId.includes(one.id)) && hasTags(one.read(), wanted.Tag),
      );
      const lines = found.flatMap((one) =>
        Object.entries(one.read()).map(([TagKey, TagValue]) => ({
          ResourceType: wanted.ResourceType,
          ResourceId: one.id,
          TagKey,
          TagValue,
        })),
      );
      return { NextToken: '', TagResources: { TagResource: lines } };
    },
  ),
};

export const ecsTagActions: ActionGroup = { service: 'ecs', actions: { ...common, UntagResources: untag } };
/** VPC spells one of them another way. */
export const vpcTagActions: ActionGroup = { service: 'vpc', actions: { ...common, UnTagResources: untag } };
