import { executorPolicy } from '../../stacks/ram-policy';
import { SpotError } from '../errors';
import { networkReason, networkRemedy } from '../web/reason';

/** The cloud answered with an error. `code` is its own, as the API's documentation lists it. */
export class CloudRefused extends SpotError {
  readonly blame = 'cloud';
  readonly code: string;
  readonly action: string;
  readonly requestId: string;

  constructor(facts: { action: string; code: string; message: string; requestId: string }, retryable: boolean) {
    const request = facts.requestId === '' ? '' : ` (request ${facts.requestId})`;
    super(`Alibaba Cloud refused ${facts.action}: ${facts.code}, ${shorten(facts.message)}${request}`, {
      remedy: remedyOf(facts.code, facts.action),
      retryable,
    });
    this.code = facts.code;
    this.action = facts.action;
    this.requestId = facts.requestId;
  }
}

/** No usable answer: network, name resolution, TLS, a proxy's own page. */
export class CloudUnreachable extends SpotError {
  readonly blame = 'cloud';
  constructor(
    readonly action: string,
    endpoint: string,
    cause: unknown,
    /** Undefined: the network's own word. */
    why?: string,
  ) {
    const reason = why === undefined ? networkReason(cause) : { reason: why, kind: undefined };
    super(`Alibaba Cloud (${endpoint}) could not be asked for ${action}: ${reason.reason}`, {
      remedy: networkRemedy(reason, {
        certificate: 'Set SSL_CERT_FILE to a file with that authority’s certificate (PEM) in the env file.',
        otherwise:
          'Check ALICLOUD_REGION, ECS_ENDPOINT, and the runner host’s network and name resolution. A host in the VPC without a way to the internet needs ECS_ENDPOINT=ecs-vpc.REGION.aliyuncs.com and VPC_ENDPOINT=vpc-vpc.REGION.aliyuncs.com.',
      }),
      retryable: reason.kind !== 'certificate',
      cause,
    });
  }
}

const NOT_FOUND = /(NotFound|NotExist|InvalidParameter\.NotFound)/;

/** What was to be deleted or asked about is gone. */
export function isNotFound(error: unknown): error is CloudRefused {
  return error instanceof CloudRefused && NOT_FOUND.test(error.code) && !error.code.startsWith('InvalidAccessKey');
}

/** Some services spell it Forbbiden or Forbedden. */
const FORBIDDEN = /^(Forb\w{1,3}den|NoPermission|Unauthorized|UnauthorizedOperation|AccessDenied)/;

/** The credentials are good, but may not do this. */
export function isForbidden(error: unknown): error is CloudRefused {
  return error instanceof CloudRefused && FORBIDDEN.test(error.code);
}

/**
 * The same call may work in a moment.
 * https://www.alibabacloud.com/help/en/ecs/developer-reference/api-error-center
 */
export function mayWorkLater(code: string, status: number): boolean {
  return (
    status >= 500 ||
    status === 429 ||
    /^Throttling|^ServiceUnavailable|^InternalError|^LastTokenProcessing|^OperationConflict|IncorrectInstanceStatus|^SnapshotCreatedImage/.test(
      code,
    )
  );
}

/** By `CODE ACTION`. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^InvalidAccessKeyId/, 'Set a valid ALICLOUD_ACCESS_KEY (and its ALICLOUD_SECRET_KEY) in the env file.'],
  [
    /^(SignatureDoesNotMatch|IncompleteSignature)/,
    'Set the right ALICLOUD_SECRET_KEY for that access key in the env file.',
  ],
  [/^(InvalidTimeStamp|SignatureNonceUsed)/, 'Set the runner host’s clock (for example with chrony).'],
  [
    /^InvalidSecurityToken/,
    'The temporary credentials have expired: renew ALICLOUD_SECURITY_TOKEN, or use a RAM role.',
  ],
  [/^InvalidAccountStatus|NotEnoughBalance/, 'Top up or settle the Alibaba Cloud account.'],
  [/^Throttling/, 'The account’s API rate limit is used up: run fewer jobs at once, or ask for a higher limit.'],
  [
    /^QuotaExceed\S* Create(Vpc|VSwitch)$/,
    'Raise the quota in the console, or use a network that is there: `gitlab-spot init --vpc`.',
  ],
  [
    /^QuotaExceed\S* CreateImage$/,
    'Raise the quota in the console, or remove older images: `gitlab-spot image ls` and `image rm`.',
  ],
  [/^QuotaExceed/, 'Raise the quota in the console, or lower the runner’s concurrency.'],
  [/^InvalidRegionId/, 'Set ALICLOUD_REGION to a region of your account, such as cn-hangzhou.'],
  [/^InvalidVpc|^InvalidVpcID/, 'Set GITLAB_SPOT_VPC_ID to a VPC of that region.'],
  [
    /^InvalidCidrBlock\.Overlapped/,
    'Another vSwitch of the VPC has these addresses: choose a free block (network.cidrBlock of the foundation).',
  ],
  [/^OperationDenied\.NoStock/, 'Try again later, or give the profile more types in instances.yaml.'],
  [/^ImageUsingByInstance/, 'Remove it when no instance uses it any more.'],
  [/^InvalidImage/, 'Set the profile’s image to one that exists in that region.'],
];

/** What jobs and images need. */
const POLICY = executorPolicy({ images: true }).Statement.flatMap(({ Action }) => Action);

/** What to do about a refusal; '' where only the code's own page knows. */
export function remedyOf(code: string, action: string): string {
  if (FORBIDDEN.test(code))
    return action === '' || POLICY.some((one) => one.endsWith(`:${action}`))
      ? `Grant the executor’s RAM user the action for ${action || 'it'}; \`gitlab-spot ram-policy\` prints the whole policy.`
      : `Grant the RAM user the action for ${action} while the foundation is made (\`gitlab-spot ram-policy --init\`); jobs don’t need it.`;
  return REMEDIES.find(([pattern]) => pattern.test(`${code} ${action}`))?.[1] ?? '';
}

/** An API's message ends in a full stop and may hold the whole request: one sentence is enough. */
function shorten(message: string): string {
  const line = message
    .split('\n')[0]!
    .replace(/\s*server string to sign.*$/, '')
    .trim()
    .replace(/\.$/, '');
  return line.length > 200 ? `${line.slice(0, 197)}…` : line;
}
