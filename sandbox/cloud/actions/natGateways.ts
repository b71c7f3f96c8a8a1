import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { NatGateway, SnatEntry } from '../model/records';
import { ApiError, missingParameter, notFound } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { flag, hasTags, page, paging, tagFilter, text, vpcTagSet } from './fields';

/**
 * NAT gateways for the internet, and their SNAT entries: the way out of those who have no public
 * address.
 */

function gatewayOf(context: Context, id: string): NatGateway {
  const gateway = context.region.natGateways.get(id);
  if (!gateway) throw notFound('InvalidNatGatewayId.NotFound', 'NatGatewayId');
  return gateway;
}

function gatewayWithTable(context: Context, snatTableId: string): NatGateway {
  const found = [...context.region.natGateways.values()].find((one) => one.snatTableId === snatTableId);
  if (!found) throw notFound('InvalidSnatTableId.NotFound', 'SnatTableId');
  return found;
}

function entryOf(context: Context, asked: { SnatTableId: string; SnatEntryId: string }): SnatEntry {
  const entry = context.region.snatEntries.get(asked.SnatEntryId);
  if (entry?.snatTableId !== asked.SnatTableId) throw notFound('InvalidSnatEntryId.NotFound', 'SnatEntryId');
  return entry;
}

const addressesOf = (context: Context, gateway: NatGateway) =>
  [...context.region.addresses.values()].filter((one) => one.boundTo === gateway.natGatewayId);

const entriesOf = (context: Context, gateway: NatGateway) =>
  [...context.region.snatEntries.values()].filter((one) => one.snatTableId === gateway.snatTableId);

function describeGateway(context: Context, gateway: NatGateway) {
  const usable = (ip: string) => entriesOf(context, gateway).some((one) => one.snatIp === ip);
  return {
    NatGatewayId: gateway.natGatewayId,
    Name: gateway.name,
    Description: gateway.description,
    RegionId: context.regionId,
    VpcId: gateway.vpcId,
    Status: 'Available',
    BusinessStatus: 'Normal',
    NatType: 'Enhanced',
    NetworkType: 'internet',
    Spec: '',
    InstanceChargeType: 'PostPaid',
    InternetChargeType: 'PayByLcu',
    AutoPay: false,
    DeletionProtection: false,
    EcsMetricEnabled: false,
    EipBindMode: 'MULTI_BINDED',
    IcmpReplyEnabled: true,
    PrivateLinkEnabled: false,
    ResourceGroupId: '',
    ExpiredTime: '',
    CreationTime: utcSeconds(gateway.createdAt),
    SnatTableIds: { SnatTableId: [gateway.snatTableId] },
    ForwardTableIds: { ForwardTableId: [gateway.forwardTableId] },
    NatGatewayPrivateInfo: {
      VswitchId: gateway.vSwitchId,
      IzNo: context.region.vSwitches.get(gateway.vSwitchId)?.zoneId ?? '',
    },
    IpLists: {
      IpList: addressesOf(context, gateway).map((one) => ({
        AllocationId: one.allocationId,
        IpAddress: one.ipAddress,
        SnatEntryEnabled: true,
        UsingStatus: usable(one.ipAddress) ? 'UsedBySnatTable' : 'Idle',
      })),
    },
    Tags: { Tag: vpcTagSet(gateway.tags).Tag.map(({ Key, Value }) => ({ TagKey: Key, TagValue: Value })) },
  };
}

function describeEntry(context: Context, entry: SnatEntry) {
  return {
    SnatEntryId: entry.snatEntryId,
    SnatTableId: entry.snatTableId,
    SnatEntryName: entry.name,
    SnatIp: entry.snatIp,
    SourceVSwitchId: entry.sourceVSwitchId,
    SourceCIDR: entry.sourceCidr || (context.region.vSwitches.get(entry.sourceVSwitchId)?.cidrBlock ?? ''),
    NatGatewayId: gatewayWithTable(context, entry.snatTableId).natGatewayId,
    EipAffinity: '0',
    Status: 'Available',
  };
}

export const natGatewayActions: ActionGroup = {
  service: 'vpc',
  actions: {
    CreateNatGateway: action(
      z.object({
        VpcId: text,
        VSwitchId: text.optional(),
        NatType: text.default('Enhanced'),
        Name: text.default(''),
        Description: text.default(''),
      }),
      (context, asked) => {
        if (!context.region.vpcs.has(asked.VpcId)) throw notFound('InvalidVpcId.NotFound', 'VpcId');
        if (asked.NatType !== 'Enhanced')
          throw new ApiError(400, 'InvalidNatType.Malformed', 'Only enhanced NAT gateways can be created.');
        if (asked.VSwitchId === undefined) throw missingParameter('VSwitchId');
        if (context.region.vSwitches.get(asked.VSwitchId)?.vpcId !== asked.VpcId)
          throw notFound('InvalidVSwitchId.NotFound', 'VSwitchId');
        const gateway: NatGateway = {
          natGatewayId: context.random.id('ngw'),
          vpcId: asked.VpcId,
          vSwitchId: asked.VSwitchId,
          name: asked.Name,
          description: asked.Description,
          snatTableId: context.random.id('stb'),
          forwardTableId: context.random.id('ftb'),
          createdAt: context.clock.now(),
          tags: {},
        };
        context.region.natGateways.set(gateway.natGatewayId, gateway);
        return {
          NatGatewayId: gateway.natGatewayId,
          SnatTableIds: { SnatTableId: [gateway.snatTableId] },
          ForwardTableIds: { ForwardTableId: [gateway.forwardTableId] },
        };
      },
    ),

    DescribeNatGateways: action(
      z.object({ ...paging, NatGatewayId: text.optional(), VpcId: text.optional(), Tag: tagFilter }),
      (context, wanted) => {
        const found = [...context.region.natGateways.values()].filter(
          (one) =>
            (wanted.NatGatewayId === undefined || one.natGatewayId === wanted.NatGatewayId) &&
            (wanted.VpcId === undefined || one.vpcId === wanted.VpcId) &&
            hasTags(one.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, NatGateways: { NatGateway: items.map((one) => describeGateway(context, one)) } };
      },
    ),

    DeleteNatGateway: action(z.object({ NatGatewayId: text, Force: flag.default(false) }), (context, asked) => {
      const gateway = gatewayOf(context, asked.NatGatewayId);
      const addresses = addressesOf(context, gateway);
      const entries = entriesOf(context, gateway);
      if (!asked.Force && addresses.length > 0)
        throw new ApiError(400, 'DependencyViolation.EIPS', 'There is EIP dependency on the specified NAT gateway.');
      if (!asked.Force && entries.length > 0)
        throw new ApiError(400, 'DependencyViolation.SnatEntry', 'There is SNAT entry on the specified NAT gateway.');
      for (const address of addresses) address.boundTo = '';
      for (const { snatEntryId } of entries) context.region.snatEntries.delete(snatEntryId);
      context.region.natGateways.delete(gateway.natGatewayId);
    }),

    CreateSnatEntry: action(
      z.object({
        SnatTableId: text,
        SnatIp: text,
        SourceVSwitchId: text.default(''),
        SourceCIDR: text.default(''),
        SnatEntryName: text.default(''),
      }),
      (context, asked) => {
        const gateway = gatewayWithTable(context, asked.SnatTableId);
        if ((asked.SourceVSwitchId === '') === (asked.SourceCIDR === ''))
          throw new ApiError(400, 'InvalidParameter', 'Name either SourceVSwitchId or SourceCIDR.');
        const bound = addressesOf(context, gateway).map((one) => one.ipAddress);
        if (asked.SnatIp.split(',').some((ip) => !bound.includes(ip)))
          throw new ApiError(400, 'EIP_NOT_IN_GATEWAY', 'The specified EIP is not bound to the NAT gateway.');
        if (
          asked.SourceVSwitchId !== '' &&
          context.region.vSwitches.get(asked.SourceVSwitchId)?.vpcId !== gateway.vpcId
        )
          throw notFound('InvalidSourceVSwitchId.NotFound', 'SourceVSwitchId');
        const entry: SnatEntry = {
          snatEntryId: context.random.id('snat'),
          snatTableId: asked.SnatTableId,
          name: asked.SnatEntryName,
          snatIp: asked.SnatIp,
          sourceVSwitchId: asked.SourceVSwitchId,
          sourceCidr: asked.SourceCIDR,
        };
        context.region.snatEntries.set(entry.snatEntryId, entry);
        return { SnatEntryId: entry.snatEntryId };
      },
    ),

    ModifySnatEntry: action(
      z.object({ SnatTableId: text, SnatEntryId: text, SnatIp: text.optional(), SnatEntryName: text.optional() }),
      (context, asked) => {
        const entry = entryOf(context, asked);
        entry.snatIp = asked.SnatIp ?? entry.snatIp;
        entry.name = asked.SnatEntryName ?? entry.name;
      },
    ),

    DescribeSnatTableEntries: action(
      z.object({
        ...paging,
        SnatTableId: text.optional(),
        NatGatewayId: text.optional(),
        SnatEntryId: text.optional(),
      }),
      (context, wanted) => {
        if (wanted.SnatTableId === undefined && wanted.NatGatewayId === undefined)
          throw missingParameter('SnatTableId');
        const table = wanted.SnatTableId ?? gatewayOf(context, wanted.NatGatewayId!).snatTableId;
        gatewayWithTable(context, table);
        const found = [...context.region.snatEntries.values()].filter(
          (one) =>
            one.snatTableId === table && (wanted.SnatEntryId === undefined || one.snatEntryId === wanted.SnatEntryId),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, SnatTableEntries: { SnatTableEntry: items.map((one) => describeEntry(context, one)) } };
      },
    ),

    DeleteSnatEntry: action(z.object({ SnatTableId: text, SnatEntryId: text }), (context, asked) => {
      context.region.snatEntries.delete(entryOf(context, asked).snatEntryId);
    }),
  },
};
