import { z } from 'zod';
import type { Instance } from '../model/records';
import { ApiError, notFound } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { hasTags, jsonList, matchesPattern, page, paging, tagFilter, text, textList } from './fields';
import { describeDisk, describeInstance, instanceAttribute } from './instanceAnswers';

export function instanceOf(context: Context, instanceId: string): Instance {
  const instance = context.region.instances.get(instanceId);
  if (!instance) throw notFound('InvalidInstanceId.NotFound', 'InstanceId');
  return instance;
}

const filters = z.object({
  ...paging,
  InstanceIds: jsonList.optional(),
  VpcId: text.optional(),
  VSwitchId: text.optional(),
  ZoneId: text.optional(),
  InstanceType: text.optional(),
  ImageId: text.optional(),
  SecurityGroupId: text.optional(),
  KeyPairName: text.optional(),
  InstanceName: text.optional(),
  InstanceChargeType: text.optional(),
  Status: text.optional(),
  PrivateIpAddresses: jsonList.optional(),
  Tag: tagFilter,
});

function matches(instance: Instance, wanted: z.output<typeof filters>): boolean {
  const equal = (value: string, filter: string | undefined): boolean => filter === undefined || value === filter;
  return (
    (wanted.InstanceIds === undefined || wanted.InstanceIds.includes(instance.instanceId)) &&
    equal(instance.vpcId, wanted.VpcId) &&
    equal(instance.vSwitchId, wanted.VSwitchId) &&
    equal(instance.zoneId, wanted.ZoneId) &&
    equal(instance.instanceType, wanted.InstanceType) &&
    equal(instance.imageId, wanted.ImageId) &&
    equal(instance.keyPairName, wanted.KeyPairName) &&
    equal(instance.chargeType, wanted.InstanceChargeType) &&
    equal(instance.status, wanted.Status) &&
    (wanted.SecurityGroupId === undefined || instance.securityGroupIds.includes(wanted.SecurityGroupId)) &&
    (wanted.InstanceName === undefined || matchesPattern(instance.name, wanted.InstanceName)) &&
    (wanted.PrivateIpAddresses === undefined || wanted.PrivateIpAddresses.includes(instance.address)) &&
    hasTags(instance.tags, wanted.Tag)
  );
}

const STATUSES = ['Pending', 'Starting', 'Running', 'Stopping', 'Stopped'];

/**
 * One instance of those named by `InstanceIds`, described by `describe`; for actions that answer an
 * entry for each id.
 */
function eachOf(context: Context, ids: readonly string[] | undefined): Instance[] {
  const all = [...context.region.instances.values()];
  return ids === undefined ? all : all.filter((instance) => ids.includes(instance.instanceId));
}

export const describeInstanceActions: ActionGroup = {
  service: 'ecs',
  actions: {
    /** What is gone is left out: no error. */
    DescribeInstances: action(filters, (context, wanted) => {
      if (wanted.Status !== undefined && !STATUSES.includes(wanted.Status)) {
        throw new ApiError(404, 'InvalidStatus.NotFound', 'The specified Status does not exist.');
      }
      const found = [...context.region.instances.values()].filter((instance) => matches(instance, wanted)).reverse();
      const { items, fields } = page(found, wanted, 10);
      return { ...fields, Instances: { Instance: items.map((instance) => describeInstance(context, instance)) } };
    }),

    DescribeInstanceStatus: action(
      z.object({ ...paging, InstanceId: textList.optional(), ZoneId: text.optional() }),
      (context, wanted) => {
        const found = eachOf(context, wanted.InstanceId).filter(
          (one) => wanted.ZoneId === undefined || one.zoneId === wanted.ZoneId,
        );
        const { items, fields } = page(found, wanted, 10);
        return {
          ...fields,
          InstanceStatuses: {
            InstanceStatus: items.map((one) => ({ InstanceId: one.instanceId, Status: one.status })),
          },
        };
      },
    ),

    DescribeInstanceAttribute: action(z.object({ InstanceId: text }), (context, wanted) =>
      instanceAttribute(context, instanceOf(context, wanted.InstanceId)),
    ),

    DescribeUserData: action(z.object({ InstanceId: text }), (context, wanted) => ({
      InstanceId: wanted.InstanceId,
      RegionId: context.regionId,
      UserData: instanceOf(context, wanted.InstanceId).userData,
    })),

    DescribeInstanceRamRole: action(
      z.object({ ...paging, InstanceIds: jsonList.optional(), RamRoleName: text.optional() }),
      (context, wanted) => {
        const found = eachOf(context, wanted.InstanceIds).filter(
          (one) =>
            one.ramRoleName !== '' && (wanted.RamRoleName === undefined || one.ramRoleName === wanted.RamRoleName),
        );
        const { items } = page(found, wanted);
        return {
          TotalCount: found.length,
          InstanceRamRoleSets: {
            InstanceRamRoleSet: items.map((one) => ({ InstanceId: one.instanceId, RamRoleName: one.ramRoleName })),
          },
        };
      },
    ),

    DescribeInstanceMaintenanceAttributes: action(z.object({ InstanceId: textList.optional() }), (context, wanted) => {
      const found = eachOf(context, wanted.InstanceId);
      return {
        TotalCount: found.length,
        MaintenanceAttributes: {
          MaintenanceAttribute: found.map((one) => ({
            InstanceId: one.instanceId,
            MaintenanceWindows: { MaintenanceWindow: [] },
            ActionOnMaintenance: {
              Value: 'AutoRecover',
              DefaultValue: 'AutoRecover',
              SupportedValues: { SupportedValue: [] },
            },
            NotifyOnMaintenance: false,
          })),
        },
      };
    }),

    DescribeInstanceAttachmentAttributes: action(z.object({ ...paging, InstanceIds: jsonList }), (context, wanted) => {
      const { items, fields } = page(eachOf(context, wanted.InstanceIds), wanted, 10);
      return {
        ...fields,
        Instances: {
          Instance: items.map((one) => ({
            InstanceId: one.instanceId,
            PrivatePoolOptionsMatchCriteria: 'None',
            PrivatePoolOptionsId: '',
          })),
        },
      };
    }),

    DescribeDisks: action(
      z.object({
        ...paging,
        InstanceId: text.optional(),
        DiskIds: jsonList.optional(),
        DiskType: z.enum(['all', 'system', 'data']).default('all'),
        Category: text.optional(),
        Tag: tagFilter,
      }),
      (context, wanted) => {
        const all = [...context.region.instances.values()].flatMap((instance) =>
          instance.disks.map((disk) => ({ instance, disk })),
        );
        const found = all.filter(
          ({ instance, disk }) =>
            (wanted.InstanceId === undefined || instance.instanceId === wanted.InstanceId) &&
            (wanted.DiskIds === undefined || wanted.DiskIds.includes(disk.diskId)) &&
            (wanted.DiskType === 'all' || disk.type === wanted.DiskType) &&
            (wanted.Category === undefined || wanted.Category === 'all' || disk.category === wanted.Category) &&
            hasTags(disk.tags, wanted.Tag),
        );
        const { items, fields } = page(found, wanted, 10);
        return { ...fields, Disks: { Disk: items.map(({ instance, disk }) => describeDisk(context, instance, disk)) } };
      },
    ),
  },
};
