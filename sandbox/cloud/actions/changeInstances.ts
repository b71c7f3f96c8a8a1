import { z } from 'zod';
import type { Instance } from '../model/records';
import { ApiError, refuseDryRun } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { instanceOf } from './describeInstances';
import { flag, integer, text, textList } from './fields';
import { autoReleaseOf } from './launchChecks';

/** Throws where the instance can't go now. Returns whether it still has to be released. */
function checkRelease(instance: Instance, force: boolean): boolean {
  if (instance.deletionProtection) {
    throw new ApiError(
      403,
      'InvalidOperation.DeletionProtection',
      'The operation is not allowed due to deletion protection.',
    );
  }
  if (instance.status === 'Pending') {
    throw new ApiError(
      403,
      'IncorrectInstanceStatus.Initializing',
      'The specified instance status does not support this operation.',
    );
  }
  if (instance.status === 'Stopping' && instance.stopsFor === 'release') return false;
  if (instance.status !== 'Stopped' && !force) throw wrongStatus();
  return true;
}

function wrongStatus(): ApiError {
  return new ApiError(
    403,
    'IncorrectInstanceStatus',
    'The current status of the resource does not support this operation.',
  );
}

function stopOne(context: Context, instance: Instance): void {
  if (instance.status === 'Stopped') return;
  if (instance.status !== 'Running') throw wrongStatus();
  context.lifecycle.stop(instance);
}

function startOne(context: Context, instance: Instance): void {
  if (instance.status === 'Running') return;
  if (instance.status !== 'Stopped') throw wrongStatus();
  context.lifecycle.start(instance);
}

function rebootOne(context: Context, instance: Instance): void {
  if (instance.status !== 'Running') throw wrongStatus();
  context.lifecycle.reboot(instance);
}

/** Some actions name one instance, their plural many. */
const one = z.object({ InstanceId: text });
const many = z.object({ InstanceId: textList });

function eachInstance(
  context: Context,
  ids: readonly string[],
  change: (context: Context, instance: Instance) => void,
): void {
  for (const instance of ids.map((id) => instanceOf(context, id))) change(context, instance);
}

export const changeInstanceActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DeleteInstance: action(
      one.extend({ Force: flag.default(false), DryRun: flag.default(false) }),
      (context, asked) => {
        const instance = instanceOf(context, asked.InstanceId);
        const toRelease = checkRelease(instance, asked.Force);
        refuseDryRun(asked);
        if (toRelease) context.lifecycle.release(instance);
      },
    ),

    /** All or none. */
    DeleteInstances: action(
      many.extend({ Force: flag.default(false), DryRun: flag.default(false) }),
      (context, asked) => {
        const instances = asked.InstanceId.map((id) => instanceOf(context, id));
        const toRelease = instances.filter((instance) => checkRelease(instance, asked.Force));
        refuseDryRun(asked);
        for (const instance of toRelease) context.lifecycle.release(instance);
      },
    ),

    StopInstance: action(one, (context, asked) => stopOne(context, instanceOf(context, asked.InstanceId))),
    StopInstances: action(many, (context, asked) => eachInstance(context, asked.InstanceId, stopOne)),
    StartInstance: action(one, (context, asked) => startOne(context, instanceOf(context, asked.InstanceId))),
    StartInstances: action(many, (context, asked) => eachInstance(context, asked.InstanceId, startOne)),
    RebootInstance: action(one, (context, asked) => rebootOne(context, instanceOf(context, asked.InstanceId))),
    RebootInstances: action(many, (context, asked) => eachInstance(context, asked.InstanceId, rebootOne)),

    /** Without AutoReleaseTime the instance is no longer released by itself. */
    ModifyInstanceAutoReleaseTime: action(one.extend({ AutoReleaseTime: text.optional() }), (context, asked) => {
      const instance = instanceOf(context, asked.InstanceId);
      if (instance.status === 'Stopping') throw wrongStatus();
      instance.autoReleaseAt = autoReleaseOf(asked.AutoReleaseTime, context.clock.now());
      context.lifecycle.arm(instance);
    }),

    ModifyInstanceAttribute: action(
      one.extend({
        InstanceName: text.optional(),
        Description: text.optional(),
        UserData: text.optional(),
        DeletionProtection: flag.optional(),
        SecurityGroupIds: textList.optional(),
      }),
      (context, asked) => {
        const instance = instanceOf(context, asked.InstanceId);
        instance.name = asked.InstanceName ?? instance.name;
        instance.description = asked.Description ?? instance.description;
        instance.userData = asked.UserData ?? instance.userData;
        instance.deletionProtection = asked.DeletionProtection ?? instance.deletionProtection;
        instance.securityGroupIds = asked.SecurityGroupIds ?? instance.securityGroupIds;
      },
    ),

    ModifyInstanceMetadataOptions: action(
      one.extend({
        HttpEndpoint: z.enum(['enabled', 'disabled']).optional(),
        HttpTokens: z.enum(['optional', 'required']).optional(),
        HttpPutResponseHopLimit: integer(1, 64).optional(),
      }),
      (context, asked) => {
        const { metadata } = instanceOf(context, asked.InstanceId);
        metadata.httpEndpoint = asked.HttpEndpoint ?? metadata.httpEndpoint;
        metadata.httpTokens = asked.HttpTokens ?? metadata.httpTokens;
        metadata.hopLimit = asked.HttpPutResponseHopLimit ?? metadata.hopLimit;
      },
    ),

    JoinSecurityGroup: action(one.extend({ SecurityGroupId: text }), (context, asked) => {
      const instance = instanceOf(context, asked.InstanceId);
      if (!instance.securityGroupIds.includes(asked.SecurityGroupId))
        instance.securityGroupIds.push(asked.SecurityGroupId);
    }),

    LeaveSecurityGroup: action(one.extend({ SecurityGroupId: text }), (context, asked) => {
      const instance = instanceOf(context, asked.InstanceId);
      instance.securityGroupIds = instance.securityGroupIds.filter((id) => id !== asked.SecurityGroupId);
    }),
  },
};
