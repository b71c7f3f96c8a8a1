/**
 * What the executor may do in the account: each action is one that it or its provider calls, and no
 * other.
 */

/** A statement of a RAM policy document. */
export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export interface PolicyDocument {
  readonly Version: '1';
  readonly Statement: readonly Statement[];
}

export interface PolicyScope {
  /** Bucket of the shared Pulumi state; left out: the state lies on the host. */
  readonly stateBucket?: string | undefined;
  /** Bucket of the jobs' cache. */
  readonly cacheBucket?: string | undefined;
  /** May the role build images (`gitlab-spot image build`)? */
  readonly images: boolean;
  /**
   * Lets nothing be made without the tag by which the reaper finds it (default). Whether
   * RunInstances knows `acs:RequestTag` for each resource that it touches is not documented; where
   * it is refused, this is what to leave out.
   */
  readonly tagCondition?: boolean | undefined;
  /**
   * Lets nothing be deleted or tagged that does not carry our tag. Not by default: what is gone
   * carries none, so a second delete is refused instead of answered with "not found", and doctor
   * can't try these actions.
   */
  readonly deleteTagged?: boolean | undefined;
}

/** What a job stack makes. */
const CREATING = ['ecs:CreateSecurityGroup', 'ecs:ImportKeyPair', 'ecs:RunInstances'] as const;

/**
 * What ends it, and ecs:TagResources when a job takes a spare machine: whoever could tag what is not
 * ours could end it too.
 */
const OURS_ALONE = ['ecs:DeleteInstance', 'ecs:DeleteKeyPairs', 'ecs:DeleteSecurityGroup', 'ecs:TagResources'] as const;

/** The rest of a job stack's life: up, refresh and destroy. */
const JOB_STACK = [
  'ecs:AuthorizeSecurityGroup',
  'ecs:AuthorizeSecurityGroupEgress',
  'ecs:DescribeDisks',
  'ecs:DescribeInstanceAttachmentAttributes',
  'ecs:DescribeInstanceAttribute',
  'ecs:DescribeInstanceMaintenanceAttributes',
  'ecs:DescribeInstanceRamRole',
  'ecs:DescribeInstances',
  'ecs:DescribeKeyPairs',
  'ecs:DescribeNetworkInterfaces',
  'ecs:DescribeSecurityGroupAttribute',
  'ecs:DescribeSecurityGroups',
  'ecs:DescribeUserData',
  'ecs:ModifyInstanceAutoReleaseTime',
  'ecs:ModifyInstanceMetadataOptions',
  'ecs:ModifySecurityGroupPolicy',
  'ecs:RevokeSecurityGroup',
  'ecs:RevokeSecurityGroupEgress',
] as const;

/** Placement, and what `doctor` and `price` look at. */
const LOOKING = [
  'ecs:DescribeAccountAttributes',
  'ecs:DescribeAvailableResource',
  'ecs:DescribeImageFromFamily',
  'ecs:DescribeImages',
  'ecs:DescribeInstanceTypes',
  'ecs:DescribePrice',
  'ecs:DescribeRegions',
  'ecs:DescribeSpotAdvice',
  'ecs:DescribeSpotPriceHistory',
  'vpc:DescribeNatGateways',
  'vpc:DescribeSnatTableEntries',
  'vpc:DescribeVSwitchAttributes',
  'vpc:DescribeVSwitches',
  'vpc:DescribeVpcs',
] as const;

/** `gitlab-spot image build` and `image rm`. */
const IMAGES = [
  'ecs:CreateImage',
  'ecs:DeleteImage',
  'ecs:DeleteSnapshot',
  'ecs:DescribeSnapshots',
  'ecs:StopInstance',
] as const;

/**
 * `gitlab-spot init --foundation`, beside what doctor looks at; once, by a person's key or role.
 */
const FOUNDATION = [
  'ecs:DescribeZones',
  'oss:DeleteBucket',
  'oss:GetBucketInfo',
  'oss:GetBucketLifecycle',
  'oss:GetBucketTagging',
  'oss:ListObjects',
  'oss:PutBucket',
  'oss:PutBucketEncryption',
  'oss:PutBucketLifecycle',
  'oss:PutBucketTagging',
  'oss:PutBucketVersioning',
  'ram:AttachPolicyToRole',
  'ram:CreatePolicy',
  'ram:CreatePolicyVersion',
  'ram:CreateRole',
  'ram:DeletePolicy',
  'ram:DeletePolicyVersion',
  'ram:DeleteRole',
  'ram:DetachPolicyFromRole',
  'ram:GetPolicy',
  'ram:GetRole',
  'ram:ListEntitiesForPolicy',
  'ram:ListPoliciesForRole',
  'ram:ListPolicyVersions',
  'ram:ListTagResources',
  'vpc:CreateVSwitch',
  'vpc:CreateVpc',
  'vpc:DeleteVSwitch',
  'vpc:DeleteVpc',
  'vpc:DescribeRouteTableList',
  'vpc:DescribeVpcAttribute',
  'vpc:ListTagResources',
  'vpc:TagResources',
  'vpc:UnTagResources',
] as const;

/**
 * How large the buckets are (`gitlab-spot cost`): what RAM calls DescribeMetricLast of CloudMonitor.
 * It knows no resources.
 */
const METRICS = ['cms:QueryMetricLast'] as const;

/** The same with a NAT gateway (`--nat`). */
const NAT = [
  'vpc:AllocateEipAddress',
  'vpc:AssociateEipAddress',
  'vpc:CreateNatGateway',
  'vpc:CreateSnatEntry',
  'vpc:DeleteNatGateway',
  'vpc:DeleteSnatEntry',
  'vpc:DescribeEipAddresses',
  'vpc:ModifyEipAddressAttribute',
  'vpc:ModifySnatEntry',
  'vpc:ReleaseEipAddress',
  'vpc:UnassociateEipAddress',
] as const;

const OBJECTS = ['oss:DeleteObject', 'oss:GetObject', 'oss:ListObjects', 'oss:PutObject'] as const;

/** Nothing comes into being without the tag by which the reaper finds it. */
const CREATING_TAGGED: Statement = {
  Effect: 'Allow',
  Action: CREATING,
  Resource: ['*'],
  Condition: { StringLike: { 'acs:RequestTag/gitlab-spot': ['*'] } },
};

/**
 * An instance, key pair or group without our tag is somebody else's.
 * https://www.alibabacloud.com/help/en/ecs/user-guide/use-tags-to-grant-access-to-ecs-resources-by-group
 */
const OURS_TAGGED: Statement = {
  Effect: 'Allow',
  Action: OURS_ALONE,
  Resource: ['*'],
  Condition: { StringLike: { 'acs:ResourceTag/gitlab-spot': ['*'] } },
};

/** What making, changing and removing the foundation needs, and no job. */
export function foundationPolicy(): PolicyDocument {
  const everywhere = [...LOOKING, ...FOUNDATION, ...NAT].sort();
  return { Version: '1', Statement: [{ Effect: 'Allow', Action: everywhere, Resource: ['*'] }] };
}

/** The least that the executor can work with. */
export function executorPolicy(scope: PolicyScope): PolicyDocument {
  const buckets = [scope.stateBucket, scope.cacheBucket].filter((bucket) => bucket !== undefined);
  const hasCondition = scope.tagCondition ?? true;
  const free = [...(hasCondition ? [] : CREATING), ...(scope.deleteTagged ? [] : OURS_ALONE)];
  const everywhere = [...free, ...JOB_STACK, ...LOOKING, ...(scope.images ? IMAGES : [])].sort();
  return {
    Version: '1',
    Statement: [
      { Effect: 'Allow', Action: everywhere, Resource: ['*'] },
      ...(hasCondition ? [CREATING_TAGGED] : []),
      ...(scope.deleteTagged ? [OURS_TAGGED] : []),
      ...(buckets.length === 0
        ? []
        : [
            {
              Effect: 'Allow' as const,
              Action: OBJECTS,
              Resource: buckets.flatMap((bucket) => [`acs:oss:*:*:${bucket}`, `acs:oss:*:*:${bucket}/*`]),
            },
            { Effect: 'Allow' as const, Action: METRICS, Resource: ['*'] },
          ]),
    ],
  };
}
