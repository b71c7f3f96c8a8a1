import { z } from 'zod';
import { zoneIds } from '../catalog/pools';
import { utcSeconds } from '../model/clock';
import type { VSwitch } from '../model/records';
import { ApiError, notFound, refuseDryRun } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { flag, hasTags, newTags, page, paging, tagFilter, vpcTagSet, text } from './fields';
import { freeAddressesOf } from './launchChecks';

function vSwitchOf(context: Context, vSwitchId: string): VSwitch {
  const vSwitch = context.region.vSwitches.get(vSwitchId);
  if (!vSwitch) throw notFound('InvalidVswitchID.NotFound', 'VSwitchId');
  return vSwitch;
}

function describe(context: Context, vSwitch: VSwitch) {
  const vpc = context.region.vpcs.get(vSwitch.vpcId);
  return {
    VSwitchId: vSwitch.vSwitchId,
    VSwitchName: vSwitch.name,
    VpcId: vSwitch.vpcId,
    ZoneId: vSwitch.zoneId,
    CidrBlock: vSwitch.cidrBlock,
    Ipv6CidrBlock: '',
    Description: vSwitch.description,
    Status: 'Available',
    AvailableIpAddressCount: freeAddressesOf(context, vSwitch),
    IsDefault: vSwitch.isDefault,
    NetworkAclId: '',
    ResourceGroupId: '',
    RouteTable: { RouteTableId: vpc?.routeTableId ?? '', RouteTableType: 'System' },
    CreationTime: utcSeconds(vSwitch.createdAt),
    ShareType: '',
    Tags: vpcTagSet(vSwitch.tags),
  };
}

/** First and last address of a CIDR block, as numbers. */
function range(cidrBlock: string): readonly [number, number] {
  const [address = '', bits = ''] = cidrBlock.split('/');
  const parts = address.split('.').map(Number);
  const size = 2 ** (32 - Number(bits));
  const start = Math.floor(parts.reduce((sum, part) => sum * 256 + part, 0) / size) * size;
  return [start, start + size - 1];
}

function checkBlock(context: Context, vpcId: string, cidrBlock: string): void {
  const vpc = context.region.vpcs.get(vpcId);
  if (!vpc) throw notFound('InvalidVpcId.NotFound', 'VpcId');
  const [from, to] = range(cidrBlock);
  const [vpcFrom, vpcTo] = range(vpc.cidrBlock);
  if (!/^(\d{1,3}\.){3}\d{1,3}\/(1[6-9]|2\d)$/.test(cidrBlock) || from < vpcFrom || to > vpcTo) {
    throw new ApiError(400, 'InvalidCidrBlock.Malformed', 'The specified parameter "CidrBlock" is not valid.');
  }
  for (const other of context.region.vSwitches.values()) {
    if (other.vpcId !== vpcId) continue;
    const [otherFrom, otherTo] = range(other.cidrBlock);
    if (from <= otherTo && to >= otherFrom) {
      throw new ApiError(
        400,
        'InvalidCidrBlock.Overlapped',
        'Specified CIDR block is overlapped with another vSwitch.',
      );
    }
  }
}

export const vSwitchActions: ActionGroup = {
  service: 'vpc',
  actions: {
    CreateVSwitch: action(
      z.object({
        VpcId: text,
        ZoneId: text,
        CidrBlock: text,
        VSwitchName: text.default(''),
        Description: text.default(''),
        DryRun: flag.default(false),
        Tag: newTags,
      }),
      (context, asked) => {
        if (!zoneIds(context.regionId).includes(asked.ZoneId)) throw notFound('InvalidZoneId.NotFound', 'ZoneId');
        checkBlock(context, asked.VpcId, asked.CidrBlock);
        refuseDryRun(asked);
        const vSwitch: VSwitch = {
          vSwitchId: context.random.id('vsw'),
          vpcId: asked.VpcId,
          zoneId: asked.ZoneId,
          name: asked.VSwitchName,
          description: asked.Description,
          cidrBlock: asked.CidrBlock,
          isDefault: false,
          createdAt: context.clock.now(),
          foreignAddresses: 0,
          tags: asked.Tag,
        };
        context.region.vSwitches.set(vSwitch.vSwitchId, vSwitch);
        return { VSwitchId: vSwitch.vSwitchId };
      },
    ),

    DescribeVSwitches: action(
      z.object({
        ...paging,
        VpcId: text.optional(),
        VSwitchId: text.optional(),
        ZoneId: text.optional(),
        VSwitchName: text.optional(),
        IsDefault: flag.optional(),
        Tag: tagFilter,
      }),
      (context, wanted) => {
        const ids = wanted.VSwitchId?.split(',');
        const found = [...context.region.vSwitches.values()].filter(
          (one) =>
            (wanted.VpcId === undefined || one.vpcId === wanted.VpcId) &&
            (ids === undefined || ids.includes(one.vSwitchId)) &&
            (wanted.ZoneId === undefined || one.zoneId === wanted.ZoneId) &&
            (wanted.VSwitchName === undefined || one.name === wanted.VSwitchName) &&
            (wanted.IsDefault === undefined || one.isDefault === wanted.IsDefault) &&
            hasTags(one.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, VSwitches: { VSwitch: items.map((one) => describe(context, one)) } };
      },
    ),

    /** Of a vSwitch that is gone it answers empty fields: that is how the provider learns it. */
    DescribeVSwitchAttributes: action(z.object({ VSwitchId: text }), (context, wanted) => {
      const vSwitch = context.region.vSwitches.get(wanted.VSwitchId);
      if (!vSwitch) return { VSwitchId: '', Status: '' };
      return describe(context, vSwitch);
    }),

    ModifyVSwitchAttribute: action(
      z.object({ VSwitchId: text, VSwitchName: text.optional(), Description: text.optional() }),
      (context, asked) => {
        const vSwitch = vSwitchOf(context, asked.VSwitchId);
        vSwitch.name = asked.VSwitchName ?? vSwitch.name;
        vSwitch.description = asked.Description ?? vSwitch.description;
      },
    ),

    DeleteVSwitch: action(z.object({ VSwitchId: text }), (context, asked) => {
      const vSwitch = vSwitchOf(context, asked.VSwitchId);
      const { instances, natGateways } = context.region;
      if ([...instances.values(), ...natGateways.values()].some((one) => one.vSwitchId === vSwitch.vSwitchId)) {
        throw new ApiError(400, 'DependencyViolation', 'Specified object has dependent resources.');
      }
      context.region.vSwitches.delete(vSwitch.vSwitchId);
    }),
  },
};
