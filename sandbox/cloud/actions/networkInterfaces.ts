import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { Instance } from '../model/records';
import { action, type ActionGroup } from './action';
import { hasTags, page, paging, tagFilter, tagSet, text, textList } from './fields';

/** Every instance has one network interface, its primary one, made and deleted with it. */
function describe(instance: Instance) {
  return {
    Type: 'Primary',
    NetworkInterfaceId: instance.networkInterfaceId,
    NetworkInterfaceName: '',
    Description: '',
    MacAddress: instance.macAddress,
    PrivateIpSets: { PrivateIpSet: [{ PrivateIpAddress: instance.address, Primary: true }] },
    InstanceId: instance.instanceId,
    Status: 'InUse',
    VSwitchId: instance.vSwitchId,
    VpcId: instance.vpcId,
    ZoneId: instance.zoneId,
    PrivateIpAddress: instance.address,
    SecurityGroupIds: { SecurityGroupId: instance.securityGroupIds },
    Ipv6Sets: { Ipv6Set: [] },
    Ipv4PrefixSets: { Ipv4PrefixSet: [] },
    Tags: tagSet(instance.networkInterfaceTags),
    QueueNumber: 2,
    NetworkInterfaceTrafficMode: 'Standard',
    DeleteOnRelease: true,
    ResourceGroupId: instance.resourceGroupId,
    CreationTime: utcSeconds(instance.createdAt),
  };
}

const filters = z.object({
  ...paging,
  NetworkInterfaceId: textList.optional(),
  InstanceId: text.optional(),
  VSwitchId: text.optional(),
  VpcId: text.optional(),
  SecurityGroupId: text.optional(),
  Type: text.optional(),
  PrimaryIpAddress: text.optional(),
  Tag: tagFilter,
});

export const networkInterfaceActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeNetworkInterfaces: action(filters, (context, wanted) => {
      const found = [...context.region.instances.values()].filter(
        (one) =>
          (wanted.NetworkInterfaceId === undefined || wanted.NetworkInterfaceId.includes(one.networkInterfaceId)) &&
          (wanted.InstanceId === undefined || one.instanceId === wanted.InstanceId) &&
          (wanted.VSwitchId === undefined || one.vSwitchId === wanted.VSwitchId) &&
          (wanted.VpcId === undefined || one.vpcId === wanted.VpcId) &&
          (wanted.SecurityGroupId === undefined || one.securityGroupIds.includes(wanted.SecurityGroupId)) &&
          (wanted.Type === undefined || wanted.Type === 'Primary') &&
          (wanted.PrimaryIpAddress === undefined || one.address === wanted.PrimaryIpAddress) &&
          hasTags(one.networkInterfaceTags, wanted.Tag),
      );
      const { items, fields } = page(found, wanted, 10);
      return { ...fields, NetworkInterfaceSets: { NetworkInterfaceSet: items.map(describe) } };
    }),
  },
};
