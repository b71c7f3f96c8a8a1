import { hasFoundationNat, waysOut } from '../../../src/cloud/way-out';
import { hostPlace } from '../../../src/cloud/host-place';

const vSwitches = [
  { vSwitchId: 'vsw-a', cidrBlock: '10.86.0.0/21' },
  { vSwitchId: 'vsw-b', cidrBlock: '10.86.8.0/21' },
];

interface Entry {
  readonly SourceVSwitchId?: string;
  readonly SourceCIDR?: string;
  readonly Status?: string;
}

/** A VPC with one NAT gateway and these SNAT entries. */
function withEntries(entries: readonly Entry[], gateway: object = {}) {
  const asked: string[] = [];
  const call = async (service: string, action: string, params: object) => {
    asked.push(`${service} ${action} ${JSON.stringify(params)}`);
    if (action === 'DescribeNatGateways')
      return { NatGateways: { NatGateway: [{ NatGatewayId: 'ngw-1', Status: 'Available', ...gateway }] } };
    const all = entries.map((entry) => ({ SnatIp: '203.0.113.1', Status: 'Available', ...entry }));
    return { TotalCount: all.length, SnatTableEntries: { SnatTableEntry: all } };
  };
  return { rpc: { call }, asked };
}

const served = async (entries: readonly Entry[], gateway?: object) => [
  ...(await waysOut(withEntries(entries, gateway).rpc, 'vpc-1', vSwitches)).keys(),
];

test.each<[string, readonly Entry[], readonly string[]]>([
  ['its own entry', [{ SourceVSwitchId: 'vsw-a', SourceCIDR: '10.86.0.0/21' }], ['vsw-a']],
  ['an entry for the VPC’s block', [{ SourceCIDR: '10.86.0.0/16' }], ['vsw-a', 'vsw-b']],
  ['an entry for all addresses', [{ SourceCIDR: '0.0.0.0/0' }], ['vsw-a', 'vsw-b']],
  ['an entry for a block around it', [{ SourceCIDR: '10.86.8.0/20' }], ['vsw-a', 'vsw-b']],
  ['no entry: one for a part of it', [{ SourceCIDR: '10.86.0.0/24' }], []],
  ['no entry: one that is being made', [{ SourceCIDR: '10.86.0.0/16', Status: 'Pending' }], []],
  ['no entry', [], []],
])('a vSwitch has a way out by %s', async (_what, entries, expected) => {
  expect(await served(entries)).toEqual(expected);
});

test('a gateway between VPCs, or one that is being made, leads nowhere', async () => {
  expect(await served([{ SourceCIDR: '0.0.0.0/0' }], { NetworkType: 'intranet' })).toEqual([]);
  expect(await served([{ SourceCIDR: '0.0.0.0/0' }], { Status: 'Creating' })).toEqual([]);
});

test('a foundation’s gateway is known by its tag', async () => {
  const { rpc, asked } = withEntries([]);
  expect(await hasFoundationNat(rpc, 'vpc-1')).toBe(true);
  expect(asked[0]).toBe(
    'vpc DescribeNatGateways {"VpcId":"vpc-1","Tag.1.Key":"gitlab-spot","Tag.1.Value":"foundation"}',
  );
});

describe('where this host stands', () => {
  const metadata = (values: Record<string, string>, token: string | undefined) => {
    return async (url: string, { headers = {} }: { headers?: Readonly<Record<string, string>> } = {}) => {
      if (url.endsWith('/latest/api/token')) return new Response(token ?? '', { status: token ? 200 : 404 });
      if (token !== undefined && headers['X-aliyun-ecs-metadata-token'] !== token)
        return new Response('', { status: 403 });
      const value = values[url.replace(/^.*meta-data\//, '')];
      return new Response(value ?? '', { status: value === undefined ? 404 : 200 });
    };
  };
  const place = { 'region-id': 'cn-hangzhou', 'vpc-id': 'vpc-1' };
  const url = 'http://100.100.100.200';

  test.each([['with a token', 'abc=='] as const, ['without', undefined] as const])('%s', async (_how, token) => {
    expect(await hostPlace(metadata(place, token), url)).toEqual({ regionId: 'cn-hangzhou', vpcId: 'vpc-1' });
  });

  test.each([
    ['nothing answers', () => Promise.reject(new Error('no answer in time'))],
    ['a captive portal answers', async () => new Response('<html>Welcome</html>')],
    ['it is in no VPC', metadata({ 'region-id': 'cn-hangzhou' }, undefined)],
  ])('is unknown where %s', async (_what, fetch) => expect(await hostPlace(fetch, url)).toBeUndefined());
});
