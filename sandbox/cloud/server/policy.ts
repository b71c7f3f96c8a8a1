/**
 * RAM: what an access key's policy lets it do. An explicit Deny wins; what no statement allows is
 * denied.
 */
import type { AccessKey, Tags } from '../model/records';
import type { RamPolicy } from '../types';
import { ApiError } from './errors';

/** Something that a call touches, as RAM names it. */
export interface Resource {
  /** `acs:ecs:cn-hangzhou:1234567890123456:instance/i-…` */
  readonly arn: string;
  readonly tags: Tags;
}

/** What a caller wants to do. */
export interface Question {
  /** `ecs:RunInstances` */
  readonly action: string;
  readonly accountId: string;
  /** All of them must be allowed. */
  readonly resources: readonly Resource[];
  /** Tags in the request (`acs:RequestTag/KEY`). */
  readonly requestTags: Tags;
  readonly secureTransport: boolean;
}

type Statement = RamPolicy['Statement'][number];

/** A policy that allows these actions (`ecs:RunInstances`, `vpc:*`) on everything. */
export function policyOfActions(actions: readonly string[]): RamPolicy {
  return { Version: '1', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] };
}

/**
 * Throws the API's Forbidden.RAM, which names the action, where the key's policy does not grant it.
 */
export function checkPermission(key: AccessKey, question: Question): void {
  if (!key.policy) return;
  const about = key.policy.Statement.filter((statement) =>
    list(statement.Action).some((pattern) => like(pattern, question.action, true)),
  );
  for (const resource of question.resources) {
    const matching = about.filter((statement) => matches(statement, question, resource));
    const denied = matching.some((statement) => statement.Effect === 'Deny');
    if (denied || !matching.some((statement) => statement.Effect === 'Allow')) throw forbidden(key, question, denied);
  }
}

function forbidden(key: AccessKey, question: Question, denied: boolean): ApiError {
  return new ApiError(
    403,
    'Forbidden.RAM',
    "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    {
      AccessDeniedDetail: {
        AuthAction: question.action,
        AuthPrincipalType: key.securityToken === undefined ? 'SubUser' : 'AssumedRoleUser',
        AuthPrincipalOwnerId: question.accountId,
        AuthPrincipalDisplayName: key.userName,
        NoPermissionType: denied ? 'ExplicitDeny' : 'ImplicitDeny',
        PolicyType: 'AccountLevelIdentityBasedPolicy',
        EncodedDiagnosticMessage: '',
      },
    },
  );
}

function matches(statement: Statement, question: Question, resource: Resource): boolean {
  const named = list(statement.Resource).some((pattern) => like(pattern, resource.arn));
  return (
    named &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) => holds(operator, keys, question, resource))
  );
}

function holds(
  operator: string,
  keys: Readonly<Record<string, string | readonly string[]>>,
  question: Question,
  resource: Resource,
): boolean {
  return Object.entries(keys).every(([key, wanted]) => {
    const value = valueOf(key, question, resource);
    const negative = operator.startsWith('StringNot');
    if (value === undefined) return negative;
    const found = list(wanted).some((one) => compare(operator, one, value));
    return negative ? !found : found;
  });
}

/** An operator that isn't simulated never holds: an Allow that leans on it allows nothing. */
function compare(operator: string, wanted: string, value: string): boolean {
  switch (operator) {
    case 'StringEquals':
    case 'StringNotEquals':
      return wanted === value;
    case 'StringEqualsIgnoreCase':
    case 'StringNotEqualsIgnoreCase':
    case 'Bool':
      return wanted.toLowerCase() === value.toLowerCase();
    case 'StringLike':
    case 'StringNotLike':
      return like(wanted, value);
    default:
      return false;
  }
}

function valueOf(key: string, question: Question, resource: Resource): string | undefined {
  const [kind = '', ...rest] = key.split('/');
  const name = rest.join('/');
  switch (kind.toLowerCase()) {
    case 'acs:resourcetag':
    case 'ecs:tag':
    case 'vpc:tag':
      return resource.tags[name];
    case 'acs:requesttag':
      return question.requestTags[name];
    case 'acs:securetransport':
      return String(question.secureTransport);
    default:
      return undefined;
  }
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
