/**
 * An answer of each action that we ask, in the shape that Alibaba Cloud documents. ECS 2014-05-26,
 * VPC 2016-04-28.
 */
const page = { PageNumber: 1, PageSize: 50, RequestId: '473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E' };
const tags = {
  Tag: [
    { TagKey: 'gitlab-spot', TagValue: 'job' },
    { TagKey: 'gitlab-spot/stack', TagValue: 'job-gitlab.example.com-1001-1' },
    { TagKey: 'gitlab-spot/executor', TagValue: 'host-1' },
    { TagKey: 'gitlab-spot/server', TagValue: 'gitlab.example.com' },
    { TagKey: 'gitlab-spot/project', TagValue: 'team/app' },
    { TagKey: 'gitlab-spot/job', TagValue: '1001' },
  ],
};

export const ANSWERS = {
  DescribeInstances: {
    ...page,
    TotalCount: 1,
    Instances: {
      Instance: [
        {
          InstanceId: 'i-bp1',
          Status: 'Running',
          InstanceType: 'ecs.c7.xlarge',
          ZoneId: 'cn-hangzhou-k',
          VpcAttributes: { PrivateIpAddress: { IpAddress: ['10.0.0.9'] } },
          PublicIpAddress: { IpAddress: ['1.2.3.4'] },
          EipAddress: { IpAddress: '' },
          Tags: tags,
          CreationTime: '2026-11-24T12:00Z',
          AutoReleaseTime: '2026-11-24T14:00Z',
          OperationLocks: { LockReason: [{ LockReason: 'Recycling' }] },
        },
      ],
    },
  },
  DescribeDisks: {
    ...page,
    TotalCount: 1,
    Disks: { Disk: [{ DiskId: 'd-1', CreationTime: '2026-11-24T12:00:07Z' }] },
  },
  DescribeSecurityGroups: {
    ...page,
    TotalCount: 1,
    SecurityGroups: { SecurityGroup: [{ SecurityGroupId: 'sg-1', Tags: tags, CreationTime: '2026-11-24T12:00:00Z' }] },
  },
  DescribeKeyPairs: {
    ...page,
    TotalCount: 1,
    KeyPairs: { KeyPair: [{ KeyPairName: 'kp-1', Tags: tags, CreationTime: '2026-11-24T12:00Z' }] },
  },
  DescribeVSwitches: {
    ...page,
    TotalCount: 1,
    VSwitches: {
      VSwitch: [
        { VSwitchId: 'vsw-1', ZoneId: 'cn-hangzhou-k', AvailableIpAddressCount: 250, Status: 'Available' },
        { VSwitchId: 'vsw-2', ZoneId: 'cn-hangzhou-h', AvailableIpAddressCount: 0, Status: 'Available' },
      ],
    },
  },
  DescribeAvailableResource: {
    RequestId: page.RequestId,
    AvailableZones: {
      AvailableZone: [
        {
          ZoneId: 'cn-hangzhou-k',
          Status: 'Available',
          AvailableResources: {
            AvailableResource: [
              {
                Type: 'InstanceType',
                SupportedResources: {
                  SupportedResource: [{ Value: 'ecs.c7.xlarge', Status: 'Available', StatusCategory: 'WithStock' }],
                },
              },
            ],
          },
        },
      ],
    },
  },
  DescribeSpotPriceHistory: {
    RequestId: page.RequestId,
    NextOffset: 1,
    Currency: 'CNY',
    SpotPrices: {
      SpotPriceType: [
        { ZoneId: 'cn-hangzhou-k', SpotPrice: 0.155, OriginPrice: 0.815, Timestamp: '2026-11-24T11:00:00Z' },
        { ZoneId: 'cn-hangzhou-k', SpotPrice: 0.15, OriginPrice: 0.815, Timestamp: '2026-11-24T12:00:00Z' },
      ],
    },
  },
  DescribeSpotAdvice: {
    RequestId: page.RequestId,
    AvailableSpotZones: {
      AvailableSpotZone: [
        {
          ZoneId: 'cn-hangzhou-k',
          AvailableSpotResources: {
            AvailableSpotResource: [{ InstanceType: 'ecs.c7.xlarge', InterruptionRate: 2.5, AverageSpotDiscount: 20 }],
          },
        },
      ],
    },
  },
  DescribePrice: {
    RequestId: page.RequestId,
    PriceInfo: {
      Price: {
        TradePrice: 0.815,
        Currency: 'CNY',
        DetailInfos: { DetailInfo: [{ Resource: 'instanceType', TradePrice: 0.8 }] },
      },
    },
  },
  DescribeInstanceTypes: {
    RequestId: page.RequestId,
    NextToken: '',
    InstanceTypes: {
      InstanceType: [
        { InstanceTypeId: 'ecs.c7.xlarge', CpuCoreCount: 4, MemorySize: 8, GPUAmount: 0, CpuArchitecture: 'X86' },
      ],
    },
  },
  DescribeImages: {
    ...page,
    TotalCount: 1,
    Images: {
      Image: [
        {
          ImageId: 'm-1',
          ImageName: 'gitlab-spot-java23-1',
          ImageFamily: 'gitlab-spot-java23',
          Status: 'Available',
          Progress: '100%',
          CreationTime: '2026-11-24T12:00:00Z',
          Size: 40,
          DiskDeviceMappings: { DiskDeviceMapping: [{ SnapshotId: 's-1', Device: '/dev/xvda' }] },
          Tags: tags,
        },
      ],
    },
  },
  DescribeRegions: { RequestId: page.RequestId, Regions: { Region: [{ RegionId: 'cn-hangzhou' }] } },
  DescribeVpcs: {
    ...page,
    TotalCount: 1,
    Vpcs: { Vpc: [{ VpcId: 'vpc-1', VpcName: 'spot', CidrBlock: '10.0.0.0/8' }] },
  },
  CreateImage: { RequestId: page.RequestId, ImageId: 'm-2' },
  DeleteInstance: { RequestId: page.RequestId },
  DeleteSecurityGroup: { RequestId: page.RequestId },
  DeleteKeyPairs: { RequestId: page.RequestId },
} as const;

/** How the API refuses. */
export const REFUSAL = {
  Code: 'InvalidInstanceId.NotFound',
  Message: 'The specified InstanceId does not exist.',
  RequestId: page.RequestId,
  HostId: 'ecs.aliyuncs.com',
};
