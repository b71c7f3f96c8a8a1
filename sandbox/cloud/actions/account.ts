/** Who calls, and what the account may have. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { zoneIds } from '../catalog/pools';
import { utcSeconds } from '../model/clock';
import { joined } from '../model/ramPolicy';
import { ApiError } from '../server/errors';
import { action, type ActionGroup } from './action';
import { integer, text, textList } from './fields';
import { usedVcpus } from './launchChecks';
import { documentOf, policyOf } from './ramPolicies';

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

    /** Credentials of a role for a while; what its trust policy says is not looked at. */
    AssumeRole: action(
      z.object({ RoleArn: text, RoleSessionName: text, DurationSeconds: integer(900, 43_200).default(3600) }),
      (context, asked) => {
        const name = asked.RoleArn.split('/').pop() ?? '';
        const role = [...context.state.ram.roles.values()].find((one) => one.name.toLowerCase() === name.toLowerCase());
        if (!role) throw new ApiError(404, 'EntityNotExist.Role', `The specified Role not exists : ${name} .`);
        const documents = role.policies.map((one) => documentOf(policyOf(context, one.name, one.type)));
        const endsAt = context.clock.now() + asked.DurationSeconds * 1000;
        const credentials = {
          AccessKeyId: `STS.${randomBytes(12).toString('hex')}`,
          AccessKeySecret: randomBytes(20).toString('hex'),
          SecurityToken: randomBytes(48).toString('base64'),
          Expiration: utcSeconds(endsAt),
        };
        context.state.accessKeys.set(credentials.AccessKeyId, {
          id: credentials.AccessKeyId,
          secret: credentials.AccessKeySecret,
          securityToken: credentials.SecurityToken,
          policy: joined(documents),
          userName: `${role.name}/${asked.RoleSessionName}`,
          endsAt,
        });
        return {
          Credentials: credentials,
          AssumedRoleUser: {
            Arn: `acs:ram::${context.state.accountId}:assumed-role/${role.name}/${asked.RoleSessionName}`,
            AssumedRoleId: `${role.roleId}:${asked.RoleSessionName}`,
          },
        };
      },
    ),
  },
};

export const accountActions: ActionGroup = {
  service: 'ecs',
  actions: {
    DescribeAccountAttributes: action(z.object({ AttributeName: textList.optional() }), (context, wanted) => {
      const { quotas } = context.state;
      const values: Readonly<Record<string, string>> = {
        'max-security-groups': String(quotas.securityGroups),
        'max-spot-instance-vcpu-count': String(quotas.spotVcpus),
        'max-postpaid-instance-vcpu-count': String(quotas.postPaidVcpus),
        'used-spot-instance-vcpu-count': String(usedVcpus(context.region.instances.values(), true)),
        'used-postpaid-instance-vcpu-count': String(usedVcpus(context.region.instances.values(), false)),
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
