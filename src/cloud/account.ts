import * as z from 'zod/mini';
import { CloudUnreachable } from './errors';
import type { Params, Rpc, Service } from './rpc';

/** What `init` asks of an account before it writes anything. */
export interface Account {
  /** Also the cheapest way to try the credentials: needs no permission beyond looking. */
  regions(): Promise<readonly string[]>;
  vpcs(region: string): Promise<readonly Vpc[]>;
}

export interface Vpc {
  readonly vpcId: string;
  readonly name: string;
  readonly cidrBlock: string;
}

const regionsAnswer = z.object({ Regions: z.object({ Region: z.array(z.object({ RegionId: z.string() })) }) });
const vpcsAnswer = z.object({
  TotalCount: z.number(),
  Vpcs: z.object({
    Vpc: z.array(z.object({ VpcId: z.string(), VpcName: z.catch(z.string(), ''), CidrBlock: z.string() })),
  }),
});

export function createAccount(rpc: Pick<Rpc, 'call'>): Account {
  async function ask<S extends z.ZodMiniType>(
    service: Service,
    action: string,
    params: Params,
    schema: S,
  ): Promise<z.output<S>> {
    const parsed = schema.safeParse(await rpc.call(service, action, params));
    if (parsed.success) return parsed.data;
    throw new CloudUnreachable(action, service, 'the answer has not the documented shape', parsed.error);
  }
  return {
    async regions() {
      const { Regions } = await ask('ecs', 'DescribeRegions', {}, regionsAnswer);
      return Regions.Region.map((one) => one.RegionId);
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
          ...answer.Vpcs.Vpc.map((one) => ({ vpcId: one.VpcId, name: one.VpcName, cidrBlock: one.CidrBlock })),
        );
        if (answer.Vpcs.Vpc.length === 0 || found.length >= answer.TotalCount) break;
      }
      return found;
    },
  };
}
