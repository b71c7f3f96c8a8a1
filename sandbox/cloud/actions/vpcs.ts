import { z } from 'zod';
import { utcSeconds } from '../model/clock';
import type { Vpc } from '../model/records';
import { ApiError, refuseDryRun } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { flag, hasTags, newTags, page, paging, tagFilter, vpcTagSet, text } from './fields';

function vpcOf(context: Context, vpcId: string): Vpc {
  const vpc = context.region.vpcs.get(vpcId);
  if (!vpc) throw new ApiError(404, 'InvalidVpcId.NotFound', 'The specified VpcId does not exist.');
  return vpc;
}

function describe(context: Context, vpc: Vpc) {
  const vSwitchIds = [...context.region.vSwitches.values()]
    .filter((one) => one.vpcId === vpc.vpcId)
    .map((one) => one.vSwitchId);
  return {
    VpcId: vpc.vpcId,
    VpcName: vpc.name,
    Description: vpc.description,
    RegionId: context.regionId,
    Status: 'Available',
    CidrBlock: vpc.cidrBlock,
    Ipv6CidrBlock: '',
    Ipv6CidrBlocks: { Ipv6CidrBlock: [] },
    SecondaryCidrBlocks: { SecondaryCidrBlock: [] },
    UserCidrs: { UserCidr: [] },
    VSwitchIds: { VSwitchId: vSwitchIds },
    VRouterId: vpc.routerId,
    IsDefault: vpc.isDefault,
    EnabledIpv6: false,
    DnsHostnameStatus: 'DISABLED',
    ResourceGroupId: '',
    CreationTime: utcSeconds(vpc.createdAt),
    Tags: vpcTagSet(vpc.tags),
  };
}

function listed(context: Context, vpc: Vpc) {
  return { ...describe(context, vpc), RouterTableIds: { RouterTableIds: [vpc.routeTableId] } };
}

const PRIVATE = /^(10\.|172\.(1[6-9]|2\d|3[01])\.|192\.168\.)(\d{1,3}\.){1,2}\d{1,3}\/(8|9|1\d|2[0-8])$/;

function checkNoDependency(context: Context, vpc: Vpc): void {
  const { region } = context;
  if ([...region.natGateways.values()].some((one) => one.vpcId === vpc.vpcId)) {
    throw new ApiError(400, 'DependencyViolation.NatGateway', 'Specified object has dependent resources: NatGateway.');
  }
  if ([...region.vSwitches.values()].some((one) => one.vpcId === vpc.vpcId)) {
    throw new ApiError(400, 'DependencyViolation.VSwitch', 'Specified object has dependent resources: VSwitch.');
  }
  if ([...region.securityGroups.values()].some((one) => one.vpcId === vpc.vpcId)) {
    throw new ApiError(
      400,
      'DependencyViolation.SecurityGroup',
      'Specified object has dependent resources: SecurityGroup.',
    );
  }
}

export const vpcActions: ActionGroup = {
  service: 'vpc',
  actions: {
    CreateVpc: action(
      z.object({
        CidrBlock: text.default('172.16.0.0/12'),
        VpcName: text.default(''),
        Description: text.default(''),
        DryRun: flag.default(false),
        Tag: newTags,
      }),
      (context, asked) => {
        if (!PRIVATE.test(asked.CidrBlock)) {
          throw new ApiError(400, 'InvalidVpcCidrBlock.Malformed', 'The specified CIDR block is not valid.');
        }
        refuseDryRun(asked);
        const vpc: Vpc = {
          vpcId: context.random.id('vpc'),
          name: asked.VpcName,
          description: asked.Description,
          cidrBlock: asked.CidrBlock,
          isDefault: false,
          routeTableId: context.random.id('vtb'),
          routerId: context.random.id('vrt'),
          createdAt: context.clock.now(),
          tags: asked.Tag,
        };
        context.region.vpcs.set(vpc.vpcId, vpc);
        return { VpcId: vpc.vpcId, VRouterId: vpc.routerId, RouteTableId: vpc.routeTableId, ResourceGroupId: '' };
      },
    ),

    DescribeVpcs: action(
      z.object({
        ...paging,
        VpcId: text.optional(),
        VpcName: text.optional(),
        IsDefault: flag.optional(),
        Tag: tagFilter,
      }),
      (context, wanted) => {
        const ids = wanted.VpcId?.split(',');
        const found = [...context.region.vpcs.values()].filter(
          (vpc) =>
            (ids === undefined || ids.includes(vpc.vpcId)) &&
            (wanted.VpcName === undefined || vpc.name === wanted.VpcName) &&
            (wanted.IsDefault === undefined || vpc.isDefault === wanted.IsDefault) &&
            hasTags(vpc.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, Vpcs: { Vpc: items.map((vpc) => listed(context, vpc)) } };
      },
    ),

    /** Of a VPC that is gone it answers empty fields: that is how the provider learns it. */
    DescribeVpcAttribute: action(z.object({ VpcId: text }), (context, wanted) => {
      const vpc = context.region.vpcs.get(wanted.VpcId);
      if (!vpc) return { VpcId: '', Status: '' };
      return {
        ...describe(context, vpc),
        ClassicLinkEnabled: false,
        AssociatedCens: { AssociatedCen: [] },
        CloudResources: { CloudResourceSetType: [] },
      };
    }),

    ModifyVpcAttribute: action(
      z.object({ VpcId: text, VpcName: text.optional(), Description: text.optional() }),
      (context, asked) => {
        const vpc = vpcOf(context, asked.VpcId);
        vpc.name = asked.VpcName ?? vpc.name;
        vpc.description = asked.Description ?? vpc.description;
      },
    ),

    DeleteVpc: action(z.object({ VpcId: text }), (context, asked) => {
      const vpc = vpcOf(context, asked.VpcId);
      checkNoDependency(context, vpc);
      context.region.vpcs.delete(vpc.vpcId);
    }),

    DescribeRouteTableList: action(
      z.object({ ...paging, VpcId: text.optional(), RouteTableId: text.optional() }),
      (context, wanted) => {
        const found = [...context.region.vpcs.values()].filter(
          (vpc) =>
            (wanted.VpcId === undefined || vpc.vpcId === wanted.VpcId) &&
            (wanted.RouteTableId === undefined || vpc.routeTableId === wanted.RouteTableId),
        );
        const { items, fields } = page(found, wanted, 10);
        const tables = items.map((vpc) => ({
          VpcId: vpc.vpcId,
          RouteTableId: vpc.routeTableId,
          RouteTableName: '',
          RouteTableType: 'System',
          RouterId: vpc.routerId,
          RouterType: 'VRouter',
          RoutePropagationEnable: true,
          AssociateType: 'VSwitch',
          Description: '',
          ResourceGroupId: '',
          Status: 'Available',
          CreationTime: utcSeconds(vpc.createdAt),
          VSwitchIds: describe(context, vpc).VSwitchIds,
          GatewayIds: { GatewayIds: [] },
          Tags: { Tag: [] },
        }));
        return { ...fields, RouterTableList: { RouterTableListType: tables } };
      },
    ),
  },
};
