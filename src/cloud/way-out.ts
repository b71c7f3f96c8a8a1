import { BlockList, isIPv4 } from 'node:net';
import * as z from 'zod/mini';
import { CloudUnreachable } from './errors';
import { nested, number, text } from './fields';
import { tagFilter } from './params';
import type { Params, Rpc } from './rpc';
import type { VSwitch } from './types';

const gatewaysAnswer = z.object({
  NatGateways: nested('NatGateway', z.object({ NatGatewayId: z.string(), Status: text, NetworkType: text })),
});
const entriesAnswer = z.object({
  TotalCount: number,
  SnatTableEntries: nested(
    'SnatTableEntry',
    z.object({ SourceVSwitchId: text, SourceCIDR: text, SnatIp: text, Status: text }),
  ),
});
type Entry = z.output<typeof entriesAnswer>['SnatTableEntries'][number];

/** The documented most of a page. */
const PAGE_SIZE = 50;
const MAX_PAGES = 20;

/**
 * The public address by which each vSwitch's instances reach the internet through a NAT gateway; a
 * vSwitch that has none is left out.
 * @throws CloudRefused, CloudUnreachable
 */
export async function waysOut(
  rpc: Pick<Rpc, 'call'>,
  vpcId: string,
  vSwitches: readonly Pick<VSwitch, 'vSwitchId' | 'cidrBlock'>[],
): Promise<ReadonlyMap<string, string>> {
  const { NatGateways } = await ask(rpc, 'DescribeNatGateways', { VpcId: vpcId, PageSize: PAGE_SIZE }, gatewaysAnswer);
  const open = NatGateways.filter(({ Status, NetworkType }) => Status === 'Available' && NetworkType !== 'intranet');
  const entries = (await Promise.all(open.map(({ NatGatewayId }) => entriesOf(rpc, NatGatewayId)))).flat();
  return new Map(
    vSwitches.flatMap((vSwitch) => {
      const entry = entries.find((one) => serves(one, vSwitch));
      return entry ? [[vSwitch.vSwitchId, entry.SnatIp] as const] : [];
    }),
  );
}

/** Did a foundation make a NAT gateway in the VPC? @throws CloudRefused, CloudUnreachable */
export async function hasFoundationNat(rpc: Pick<Rpc, 'call'>, vpcId: string): Promise<boolean> {
  const tag = tagFilter({ 'gitlab-spot': 'foundation' });
  const { NatGateways } = await ask(rpc, 'DescribeNatGateways', { VpcId: vpcId, ...tag }, gatewaysAnswer);
  return NatGateways.length > 0;
}

async function entriesOf(rpc: Pick<Rpc, 'call'>, NatGatewayId: string): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  for (let page = 1; page <= MAX_PAGES; page++) {
    const asked = { NatGatewayId, PageNumber: page, PageSize: PAGE_SIZE };
    const { SnatTableEntries, TotalCount } = await ask(rpc, 'DescribeSnatTableEntries', asked, entriesAnswer);
    found.push(...SnatTableEntries);
    if (SnatTableEntries.length === 0 || found.length >= TotalCount) break;
  }
  return found;
}

/** An entry is for a vSwitch, or for a block of addresses, such as the VPC's. */
function serves({ SourceVSwitchId, SourceCIDR, Status }: Entry, vSwitch: Pick<VSwitch, 'vSwitchId' | 'cidrBlock'>) {
  if (Status !== 'Available') return false;
  if (SourceVSwitchId !== '') return SourceVSwitchId === vSwitch.vSwitchId;
  const [network = '', bits = ''] = SourceCIDR.split('/');
  const [first = '', ownBits = ''] = vSwitch.cidrBlock.split('/');
  if (!isIPv4(network) || !isIPv4(first) || Number(bits) > Number(ownBits)) return false;
  if (Number(bits) === 0) return true;
  const block = new BlockList();
  block.addSubnet(network, Number(bits));
  return block.check(first);
}

async function ask<S extends z.ZodMiniType>(
  rpc: Pick<Rpc, 'call'>,
  action: string,
  params: Params,
  schema: S,
): Promise<z.output<S>> {
  const parsed = schema.safeParse(await rpc.call('vpc', action, params));
  if (parsed.success) return parsed.data;
  throw new CloudUnreachable(action, 'vpc', parsed.error, 'the answer has not the documented shape');
}
