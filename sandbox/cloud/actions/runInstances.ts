import { freeAddress } from '../model/addresses';
import type { Disk, Instance } from '../model/records';
import { ApiError, refuseDryRun } from '../server/errors';
import { action, type ActionGroup, type Context } from './action';
import { checkLaunch, type LaunchPlan } from './launchChecks';
import { launchSchema, type LaunchRequest } from './launchRequest';

const DAY_MS = 24 * 3600_000;

function launch(context: Context, asked: LaunchRequest) {
  const request = JSON.stringify({ ...asked, ClientToken: undefined });
  const earlier = asked.ClientToken ? context.region.launches.get(asked.ClientToken) : undefined;
  if (earlier && context.clock.now() - earlier.at < DAY_MS) {
    if (earlier.request !== request) {
      throw new ApiError(
        400,
        'IdempotentParameterMismatch',
        'The specified parameter has changed while using an already used clientToken.',
      );
    }
    return answer(
      earlier.instanceIds,
      context.region.instances.get(earlier.instanceIds[0] ?? '')?.priceYuanPerHour ?? 0,
    );
  }
  const plan = checkLaunch(context, asked);
  refuseDryRun(asked);
  const instances = Array.from({ length: asked.Amount }, () => create(context, asked, plan));
  const instanceIds = instances.map((instance) => instance.instanceId);
  if (asked.ClientToken) {
    context.region.launches.set(asked.ClientToken, {
      token: asked.ClientToken,
      request,
      instanceIds,
      at: context.clock.now(),
    });
    forgetOldLaunches(context);
  }
  return answer(instanceIds, plan.priceYuanPerHour);
}

function answer(instanceIds: readonly string[], price: number) {
  return { InstanceIdSets: { InstanceIdSet: instanceIds }, TradePrice: price };
}

function forgetOldLaunches(context: Context): void {
  for (const [token, launched] of context.region.launches) {
    if (context.clock.now() - launched.at < DAY_MS) return;
    context.region.launches.delete(token);
  }
}

function create(context: Context, asked: LaunchRequest, plan: LaunchPlan): Instance {
  const now = context.clock.now();
  const taken = [...context.region.instances.values()].map((instance) => instance.address);
  const address = freeAddress(context.state.addressBlock, taken);
  if (!address) {
    throw new ApiError(
      400,
      'InvalidVSwitchId.IpNotEnough',
      'The number of available IP addresses in the specified vSwitch is not enough.',
    );
  }
  const instanceId = context.random.id('i');
  const hostName = asked.HostName ?? `iZ${instanceId.slice(2)}Z`;
  const instance: Instance = {
    instanceId,
    name: asked.InstanceName ?? hostName,
    hostName,
    description: asked.Description,
    imageId: plan.image.imageId,
    instanceType: plan.type.name,
    zoneId: plan.vSwitch.zoneId,
    vpcId: plan.vSwitch.vpcId,
    vSwitchId: plan.vSwitch.vSwitchId,
    securityGroupIds: [...plan.securityGroupIds],
    keyPairName: asked.KeyPairName,
    userData: asked.UserData,
    chargeType: asked.InstanceChargeType,
    spotStrategy: asked.SpotStrategy,
    spotPriceLimit: asked.SpotPriceLimit ?? 0,
    spotDuration: asked.SpotStrategy === 'NoSpot' ? 0 : asked.SpotDuration,
    spotInterruptionBehavior: asked.SpotInterruptionBehavior,
    priceYuanPerHour: plan.priceYuanPerHour,
    internetMaxBandwidthOut: asked.InternetMaxBandwidthOut,
    internetChargeType: asked.InternetChargeType,
    ramRoleName: asked.RamRoleName,
    deletionProtection: asked.DeletionProtection,
    metadata: {
      httpEndpoint: asked.HttpEndpoint,
      httpTokens: asked.HttpTokens,
      hopLimit: asked.HttpPutResponseHopLimit,
    },
    disks: disksOf(context, asked, plan),
    networkInterfaceId: context.random.id('eni'),
    macAddress: macOf(address),
    address,
    resourceGroupId: asked.ResourceGroupId,
    createdAt: now,
    tags: asked.Tag,
    networkInterfaceTags: {},
    status: 'Pending',
    statusEndsAt: now + (context.vanishesAfterMs ?? context.state.delays.pendingMs),
    stopsFor: 'release',
    vanishesWhilePending: context.vanishesAfterMs !== undefined,
    machineStartsAt: undefined,
    runningAt: undefined,
    autoReleaseAt: plan.autoReleaseAt,
    interruption: undefined,
  };
  context.lifecycle.launched(instance);
  return instance;
}

function disksOf(context: Context, asked: LaunchRequest, { disks }: LaunchPlan): Disk[] {
  return disks.map((shape, index) => ({
    diskId: context.random.id('d'),
    name: [asked.SystemDisk, ...asked.DataDisk][index]?.DiskName ?? '',
    type: index === 0 ? 'system' : 'data',
    ...shape,
    device: `/dev/xvd${String.fromCharCode(97 + index)}`,
    tags: { ...asked.Tag },
  }));
}

function macOf(address: string): string {
  const numbers = address
    .split('.')
    .slice(1)
    .map((part) => Number(part).toString(16).padStart(2, '0'));
  return `00:16:3e:${numbers.join(':')}`;
}

export const runInstancesActions: ActionGroup = {
  service: 'ecs',
  actions: { RunInstances: action(launchSchema, launch) },
};
