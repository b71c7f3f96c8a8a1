/** Who calls, and what the account may have. */
import { z } from 'zod';
import { zoneIds } from '../catalog/pools';
import { action, type ActionGroup } from './action';
import { textList } from './fields';

export const identityActions: ActionGroup = {
  service: 'sts',
  actions: {
    GetCallerIdentity: action(z.object({}), ({ state, caller }) => {
      const isRoot = caller.policy === undefined;
      const kind = caller.securityToken !== undefined ? 'assumed-role' : 'user';
      return {
        AccountId: state.accountId,
        UserId: isRoot ? state.accountId : caller.userName,
        PrincipalId: isRoot ? state.accountId : caller.userName,
        IdentityType: isRoot ? 'Account' : kind === 'user' ? 'RAMUser' : 'AssumedRoleUser',
        Arn: isRoot ? `acs:ram::${state.accountId}:root` : `acs:ram::${state.accountId}:${kind}/${caller.userName}`,
        RoleId: '',
      };
    }),
  },
};

export const accountActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeAccountAttributes: action(z.object({ AttributeName: textList.optional() }), (context, wanted) => {
      const { quotas } = context.state;
      const values: Readonly<Record<string, string>> = {
        'max-security-groups': String(quotas.securityGroupsPerVpc),
        'max-key-pairs': String(quotas.keyPairs),
        'max-spot-instance-vcpu-count': String(quotas.spotVcpus),
        'max-postpaid-instance-vcpu-count': String(quotas.postPaidVcpus),
        'supported-postpay-instance-types': '',
        'instance-network-type': 'vpc',
        'real-name-authentication': 'yes',
      };
      const zones = zoneIds(context.regionId);
      const items = Object.entries(values)
        .filter(([name]) => wanted.AttributeName === undefined || wanted.AttributeName.includes(name))
        .map(([name, Value]) => ({
          AttributeName: name,
          AttributeValues: {
            ValueItem: name.includes('vcpu')
              ? zones.map((ZoneId) => ({ Value, ZoneId, InstanceChargeType: '', InstanceType: '', DiskCategory: '' }))
              : [{ Value, ZoneId: '', InstanceChargeType: '', InstanceType: '', DiskCategory: '' }],
          },
        }));
      return { AccountAttributeItems: { AccountAttributeItem: items } };
    }),
  },
};

/** Where a service is: here, all of them. */
export const locationActions: ActionGroup = {
  service: 'location',
  actions: {
    DescribeEndpoints: action(z.object({}), ({ endpoint, regionId }) => ({
      Success: true,
      Endpoints: {
        Endpoint: [
          {
            Endpoint: endpoint,
            Id: regionId,
            Namespace: '',
            SerivceCode: 'ecs',
            ServiceCode: 'ecs',
            Type: 'openAPI',
            Protocols: { Protocols: ['HTTP', 'HTTPS'] },
          },
        ],
      },
    })),
  },
};
