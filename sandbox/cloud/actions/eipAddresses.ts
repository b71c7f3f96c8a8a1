import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { PublicAddress } from '../model/records';
import { ApiError, notFound } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { hasTags, integer, page, paging, tagFilter, text, vpcTagSet } from './fields';

/** Elastic public addresses, as far as a NAT gateway needs one. */

function addressOf(context: Context, id: string): PublicAddress {
  const address = context.region.addresses.get(id);
  if (!address) throw notFound('InvalidAllocationId.NotFound', 'AllocationId');
  return address;
}

function describe(context: Context, address: PublicAddress) {
  const isBound = address.boundTo !== '';
  return {
    AllocationId: address.allocationId,
    IpAddress: address.ipAddress,
    Name: address.name,
    Description: address.description,
    RegionId: context.regionId,
    Status: isBound ? 'InUse' : 'Available',
    BusinessStatus: 'Normal',
    Bandwidth: String(address.bandwidthMbps),
    EipBandwidth: String(address.bandwidthMbps),
    ChargeType: 'PostPaid',
    InternetChargeType: address.internetChargeType,
    ISP: 'BGP',
    Netmode: 'public',
    Mode: isBound ? 'MULTI_BINDED' : '',
    HDMonitorStatus: 'OFF',
    DeletionProtection: false,
    InstanceId: address.boundTo,
    InstanceType: isBound ? 'Nat' : '',
    ResourceGroupId: '',
    AllocationTime: utcSeconds(address.createdAt),
    Tags: vpcTagSet(address.tags),
  };
}

/** 203.0.113.0/24 and 198.51.100.0/24 are for examples (RFC 5737): nobody has these addresses. */
function newAddress(context: Context): string {
  const taken = new Set([...context.region.addresses.values()].map((one) => one.ipAddress));
  const all = ['203.0.113', '198.51.100'].flatMap((net) => Array.from({ length: 254 }, (_, i) => `${net}.${i + 1}`));
  const free = all.find((one) => !taken.has(one));
  if (free === undefined) throw new ApiError(400, 'QuotaExceeded.Eip', 'The quota of EIPs is exceeded.');
  return free;
}

export const eipAddressActions: ActionGroup = {
  service: 'vpc',
  actions: {
    AllocateEipAddress: action(
      z.object({
        InstanceId: text.default(''),
        Bandwidth: integer(1, 1000).default(5),
        InternetChargeType: z.enum(['PayByBandwidth', 'PayByTraffic']).default('PayByBandwidth'),
        InstanceChargeType: z.enum(['PostPaid']).default('PostPaid'),
        Name: text.default(''),
        Description: text.default(''),
      }),
      (context, asked) => {
        const address: PublicAddress = {
          allocationId: context.random.id('eip'),
          ipAddress: newAddress(context),
          bandwidthMbps: asked.Bandwidth,
          internetChargeType: asked.InternetChargeType,
          name: asked.Name,
          description: asked.Description,
          boundTo: '',
          createdAt: context.clock.now(),
          tags: {},
        };
        context.region.addresses.set(address.allocationId, address);
        return { AllocationId: address.allocationId, EipAddress: address.ipAddress, ResourceGroupId: '' };
      },
    ),

    DescribeEipAddresses: action(
      z.object({ ...paging, AllocationId: text.optional(), EipAddress: text.optional(), Tag: tagFilter }),
      (context, wanted) => {
        const ids = wanted.AllocationId?.split(',');
        const found = [...context.region.addresses.values()].filter(
          (one) =>
            (ids === undefined || ids.includes(one.allocationId)) &&
            (wanted.EipAddress === undefined || one.ipAddress === wanted.EipAddress) &&
            hasTags(one.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, EipAddresses: { EipAddress: items.map((one) => describe(context, one)) } };
      },
    ),

    ModifyEipAddressAttribute: action(
      z.object({
        AllocationId: text,
        Bandwidth: integer(1, 1000).optional(),
        Name: text.optional(),
        Description: text.optional(),
      }),
      (context, asked) => {
        const address = addressOf(context, asked.AllocationId);
        address.bandwidthMbps = asked.Bandwidth ?? address.bandwidthMbps;
        address.name = asked.Name ?? address.name;
        address.description = asked.Description ?? address.description;
      },
    ),

    AssociateEipAddress: action(
      z.object({ AllocationId: text, InstanceId: text, InstanceType: text.default('EcsInstance') }),
      (context, asked) => {
        const address = addressOf(context, asked.AllocationId);
        if (address.boundTo !== '')
          throw new ApiError(400, 'IncorrectEipStatus', 'The EIP is already bound to another instance.');
        if (asked.InstanceType !== 'Nat' || !context.region.natGateways.has(asked.InstanceId))
          throw notFound('InvalidInstanceId.NotFound', 'InstanceId');
        address.boundTo = asked.InstanceId;
      },
    ),

    UnassociateEipAddress: action(z.object({ AllocationId: text, InstanceId: text.optional() }), (context, asked) => {
      const address = addressOf(context, asked.AllocationId);
      if ([...context.region.snatEntries.values()].some((one) => one.snatIp.split(',').includes(address.ipAddress)))
        throw new ApiError(400, 'InvalidIpStatus.HasBeenUsedBySnatTable', 'The EIP is used by a SNAT entry.');
      address.boundTo = '';
    }),

    ReleaseEipAddress: action(z.object({ AllocationId: text }), (context, asked) => {
      const address = addressOf(context, asked.AllocationId);
      if (address.boundTo !== '')
        throw new ApiError(400, 'IncorrectEipStatus', 'The EIP is bound to an instance and can not be released.');
      context.region.addresses.delete(address.allocationId);
    }),
  },
};
