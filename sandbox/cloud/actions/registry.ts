/** Every action of the simulated API. */
import { accountActions, identityActions, locationActions } from './account';
import type { Action, ActionGroup, Service } from './action';
import { changeInstanceActions } from './changeInstances';
import { describeInstanceActions } from './describeInstances';
import { imageActions } from './images';
import { keyPairActions } from './keyPairs';
import { marketActions } from './market';
import { eipAddressActions } from './eipAddresses';
import { metricActions } from './metrics';
import { natGatewayActions } from './natGateways';
import { networkInterfaceActions } from './networkInterfaces';
import { priceActions } from './prices';
import { placeActions } from './places';
import { ramPolicyActions } from './ramPolicies';
import { ramRoleActions } from './ramRoles';
import { runInstancesActions } from './runInstances';
import { securityGroupRuleActions } from './securityGroupRules';
import { securityGroupActions } from './securityGroups';
import { snapshotActions } from './snapshots';
import { ecsTagActions, vpcTagActions } from './tags';
import { vpcActions } from './vpcs';
import { vSwitchActions } from './vSwitches';

const GROUPS: readonly ActionGroup[] = [
  runInstancesActions,
  describeInstanceActions,
  changeInstanceActions,
  networkInterfaceActions,
  keyPairActions,
  securityGroupActions,
  securityGroupRuleActions,
  imageActions,
  snapshotActions,
  marketActions,
  priceActions,
  placeActions,
  accountActions,
  ecsTagActions,
  vpcActions,
  vSwitchActions,
  natGatewayActions,
  eipAddressActions,
  vpcTagActions,
  ramRoleActions,
  ramPolicyActions,
  identityActions,
  locationActions,
  metricActions,
];

const ACTIONS: ReadonlyMap<string, Action> = new Map(
  GROUPS.flatMap(({ service, actions }) =>
    Object.entries(actions).map(([name, action]): [string, Action] => [`${service}:${name}`, action]),
  ),
);

export function findAction(service: Service, name: string): Action | undefined {
  return ACTIONS.get(`${service}:${name}`);
}

/** `ecs:RunInstances` and so on, for those who want to know what there is. */
export function actionNames(): readonly string[] {
  return [...ACTIONS.keys()];
}
