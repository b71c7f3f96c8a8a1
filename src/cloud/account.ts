import * as z from 'zod/mini';
import { aboutTypes } from './about-types';
import { CloudUnreachable } from './errors';
import { count, nested, number, tags, text } from './fields';
import { indexed } from './params';
import type { Params, Rpc, Service } from './rpc';

/** What `init` and `doctor` ask of an account. */
export interface Account {
  /** Also the cheapest way to try the credentials: needs no permission beyond looking. */
  regions(): Promise<readonly string[]>;
  vpcs(region: string): Promise<readonly Vpc[]>;
  /** Who the credentials are; everybody may ask. */
  identity(): Promise<Identity>;
  /**
   * The account's limits in the region.
   * https://www.alibabacloud.com/help/en/ecs/developer-reference/api-describeaccountattributes
   */
  quotas(): Promise<Quotas>;
  /** How many the region has now; both quotas are of the region. */
  counts(): Promise<{ readonly securityGroups: number; readonly keyPairs: number }>;
  /** @throws CloudRefused where there is none. */
  securityGroup(id: string): Promise<SecurityGroup>;
  /** vCPUs of each type; a type that the region does not know is left out. */
  vcpus(instanceTypes: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

export interface Identity {
  readonly accountId: string;
  /** `acs:ram::1234567890123456:user/ci` */
  readonly arn: string;
  /** The account's own key: it may do everything, and no policy can limit it. */
  readonly isRoot: boolean;
}

export interface SecurityGroup {
  readonly vpcId: string;
  /** Whether its members reach each other. */
  readonly innerAccess: 'accept' | 'drop';
  readonly ingress: readonly IngressRule[];
}

export interface IngressRule {
  /** `TCP`, `ALL` … */
  readonly protocol: string;
  /** `22/22`; -1/-1: all. */
  readonly portRange: string;
  /** '' where it lets in a group. */
  readonly cidr: string;
  readonly policy: 'accept' | 'drop';
}

/** One value of an account's limit; a zone or type of '' means any. */
export interface QuotaValue {
  readonly value: number;
  readonly zoneId: string;
  /** A type or family. */
  readonly instanceType: string;
}

export interface Quotas {
  readonly spotVcpus: readonly QuotaValue[];
  readonly onDemandVcpus: readonly QuotaValue[];
  /** Undefined: the API did not say. */
  readonly usedSpotVcpus: number | undefined;
  readonly usedOnDemandVcpus: number | undefined;
  readonly securityGroups: number | undefined;
  readonly keyPairs: number;
}

export interface Vpc {
  readonly vpcId: string;
  readonly name: string;
  readonly cidrBlock: string;
  readonly tags: Readonly<Record<string, string>>;
}

const regionsAnswer = z.object({ Regions: nested('Region', z.object({ RegionId: z.string() })) });
const vpcsAnswer = z.object({
  TotalCount: count,
  Vpcs: nested('Vpc', z.object({ VpcId: z.string(), VpcName: text, CidrBlock: text, Tags: tags })),
});

/** Every region knows all of them; the configured one may be none. */
const ANY_REGION = 'cn-hangzhou';
const identityAnswer = z.object({ AccountId: z.string(), Arn: z.string(), IdentityType: text });
const attributesAnswer = z.object({
  AccountAttributeItems: nested(
    'AccountAttributeItem',
    z.object({
      AttributeName: z.string(),
      AttributeValues: nested('ValueItem', z.object({ Value: text, ZoneId: text, InstanceType: text })),
    }),
  ),
});
const groupAnswer = z.object({
  VpcId: text,
  InnerAccessPolicy: text,
  Permissions: nested('Permission', z.object({ IpProtocol: text, PortRange: text, SourceCidrIp: text, Policy: text })),
});
const countAnswer = z.object({ TotalCount: count });
const typesAnswer = z.object({
  InstanceTypes: nested('InstanceType', z.object({ InstanceTypeId: z.string(), CpuCoreCount: number })),
});
/** The API tells no limit of key pairs; its documentation does (ImportKeyPair). */
const KEY_PAIRS_PER_REGION = 500;
/** The API takes eight names at most. */
const ATTRIBUTES = [
  'max-spot-instance-vcpu-count',
  'used-spot-instance-vcpu-count',
  'max-postpaid-instance-vcpu-count',
  'used-postpaid-instance-vcpu-count',
  'max-security-groups',
];

export function createAccount(rpc: Pick<Rpc, 'call'>): Account {
  async function ask<S extends z.ZodMiniType>(
    service: Service,
    action: string,
    params: Params,
    schema: S,
  ): Promise<z.output<S>> {
    const parsed = schema.safeParse(await rpc.call(service, action, params));
    if (parsed.success) return parsed.data;
    throw new CloudUnreachable(action, service, parsed.error, 'the answer has not the documented shape');
  }
  return {
    async regions() {
      const { Regions } = await ask('ecs', 'DescribeRegions', { RegionId: ANY_REGION }, regionsAnswer);
      return Regions.map((one) => one.RegionId);
    },
    async vpcs(region) {
      const found: Vpc[] = [];
      for (let page = 1; page <= 20; page++) {
        const answer = await ask(
          'vpc',
          'DescribeVpcs',
          { RegionId: region, PageNumber: page, PageSize: 50 },
          vpcsAnswer,
        );
        found.push(
          ...answer.Vpcs.map((one) => ({
            vpcId: one.VpcId,
            name: one.VpcName,
            cidrBlock: one.CidrBlock,
            tags: one.Tags,
          })),
        );
        if (answer.Vpcs.length === 0 || found.length >= answer.TotalCount) break;
      }
      return found;
    },
    async identity() {
      const { AccountId, Arn, IdentityType } = await ask('sts', 'GetCallerIdentity', {}, identityAnswer);
      return { accountId: AccountId, arn: Arn, isRoot: IdentityType === 'Account' };
    },
    async quotas() {
      const params = indexed('AttributeName', ATTRIBUTES);
      const { AccountAttributeItems } = await ask('ecs', 'DescribeAccountAttributes', params, attributesAnswer);
      const values = (name: string): QuotaValue[] =>
        AccountAttributeItems.filter((item) => item.AttributeName === name)
          .flatMap((item) => item.AttributeValues)
          .map((item) => ({ value: Number(item.Value), zoneId: item.ZoneId, instanceType: item.InstanceType }))
          .filter(({ value }) => Number.isFinite(value));
      const most = (name: string): number | undefined => values(name).sort((a, b) => b.value - a.value)[0]?.value;
      return {
        spotVcpus: values('max-spot-instance-vcpu-count'),
        onDemandVcpus: values('max-postpaid-instance-vcpu-count'),
        usedSpotVcpus: most('used-spot-instance-vcpu-count'),
        usedOnDemandVcpus: most('used-postpaid-instance-vcpu-count'),
        securityGroups: most('max-security-groups'),
        keyPairs: KEY_PAIRS_PER_REGION,
      };
    },
    async counts() {
      const [groups, keyPairs] = await Promise.all([
        ask('ecs', 'DescribeSecurityGroups', { PageSize: 1 }, countAnswer),
        ask('ecs', 'DescribeKeyPairs', { PageSize: 1 }, countAnswer),
      ]);
      return { securityGroups: groups.TotalCount, keyPairs: keyPairs.TotalCount };
    },
    async securityGroup(id) {
      const asked = { SecurityGroupId: id, Direction: 'ingress' };
      const group = await ask('ecs', 'DescribeSecurityGroupAttribute', asked, groupAnswer);
      return {
        vpcId: group.VpcId,
        innerAccess: /^drop$/i.test(group.InnerAccessPolicy) ? 'drop' : 'accept',
        ingress: group.Permissions.map((rule) => ({
          protocol: rule.IpProtocol.toUpperCase(),
          portRange: rule.PortRange,
          cidr: rule.SourceCidrIp,
          policy: /^drop$/i.test(rule.Policy) ? 'drop' : 'accept',
        })),
      };
    },
    async vcpus(instanceTypes) {
      const found = await aboutTypes(instanceTypes, async (batch) => {
        const answer = await ask('ecs', 'DescribeInstanceTypes', indexed('InstanceTypes', batch), typesAnswer);
        return answer.InstanceTypes;
      });
      return new Map(found.map((one) => [one.InstanceTypeId, one.CpuCoreCount]));
    },
  };
}
