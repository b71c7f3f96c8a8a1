/** RAM: what an access key's policy lets it do. An explicit Deny wins; what no statement allows is denied. */
import type { AccessKey } from '../model/records';
import type { RamPolicy } from '../types';
import { ApiError } from './errors';

/** A policy that allows these actions (`ecs:RunInstances`, `vpc:*`) on everything. */
export function policyOfActions(actions: readonly string[]): RamPolicy {
  return { Version: '1', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] };
}

function list(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

function like(pattern: string, value: string, caseless = false): boolean {
  const parts = pattern.split(/([*?])/).map((part) => {
    if (part === '*') return '.*';
    return part === '?' ? '.' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`, caseless ? 'is' : 's').test(value);
}

/** Throws the API's Forbidden.RAM, which names the action, where the key's policy does not grant it. */
export function checkPermission(key: AccessKey, accountId: string, action: string): void {
  if (!key.policy) return;
  const about = key.policy.Statement.filter((statement) =>
    list(statement.Action).some((pattern) => like(pattern, action, true)),
  );
  const denied = about.some((statement) => statement.Effect === 'Deny');
  if (!denied && about.some((statement) => statement.Effect === 'Allow')) return;
  throw new ApiError(
    403,
    'Forbidden.RAM',
    "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    {
      AccessDeniedDetail: {
        AuthAction: action,
        AuthPrincipalType: 'SubUser',
        AuthPrincipalOwnerId: accountId,
        AuthPrincipalDisplayName: key.userName,
        NoPermissionType: denied ? 'ExplicitDeny' : 'ImplicitDeny',
        PolicyType: 'AccountLevelIdentityBasedPolicy',
        EncodedDiagnosticMessage: '',
      },
    },
  );
}
