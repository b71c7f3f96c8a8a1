import { CloudRefused } from '../../../src/cloud/errors';
import { hostInVpc, wayOut, type WayOutFacts } from '../../../src/doctor/way-out';

const cloud = { vpcId: 'vpc-1', region: 'cn-hangzhou', usePublicAddress: false };
const place = (vpcId: string) => ({ vpcId, regionId: 'cn-hangzhou' });

test.each([
  ['in the VPC', place('vpc-1'), false, 'good', 'this host is in vpc-1'],
  ['in another VPC', place('vpc-9'), false, 'warning', 'this host is in vpc-9 (cn-hangzhou), and instances are made'],
  ['outside of the cloud', undefined, false, 'warning', 'the private addresses of vpc-1 must lead there (VPN'],
  ['outside, with public addresses', undefined, true, 'good', 'GITLAB_SPOT_PUBLIC_ADDRESS'],
] as const)('a host %s', (_where, at, usePublicAddress, state, detail) => {
  const found = hostInVpc(at, { ...cloud, usePublicAddress });
  expect(found).toMatchObject({ state, detail: expect.stringContaining(detail) });
  expect(found.remedy !== '').toBe(state === 'warning');
});

describe('the way out', () => {
  const vSwitch = (vSwitchId: string) => ({
    vSwitchId,
    zoneId: 'z',
    cidrBlock: '10.0.0.0/24',
    freeAddresses: 9,
    tags: {},
  });
  const facts = (change: Partial<WayOutFacts> = {}): WayOutFacts => ({
    vpcId: 'vpc-1',
    vSwitches: [vSwitch('vsw-a'), vSwitch('vsw-b')],
    profiles: [{ name: 'standard', internetBandwidthMbps: 0 }],
    waysOut: async () => new Map(),
    ...change,
  });

  test('is a NAT gateway’s address', async () => {
    const ways = new Map(['vsw-a', 'vsw-b'].map((id) => [id, '203.0.113.1']));
    expect(await wayOut(facts({ waysOut: async () => ways }))).toMatchObject({
      state: 'good',
      detail: 'through 203.0.113.1 (NAT gateway)',
    });
  });

  test('is each profile’s public address: then nobody asks', async () => {
    const waysOut = () => Promise.reject(new Error('asked'));
    const profiles = [{ name: 'standard', internetBandwidthMbps: 5 }];
    expect(await wayOut(facts({ waysOut, profiles }))).toMatchObject({ state: 'good' });
  });

  test('that is missing is named, with what will not work and what does', async () => {
    const found = await wayOut(facts());
    expect(found).toMatchObject({ state: 'warning', remedy: expect.stringContaining('init --foundation --nat') });
    expect(found.detail).toMatch(/for vpc-1, and standard gives no public address: .* neither docker\.io, github\.com/);
  });

  test('of some vSwitches alone: the others are named', async () => {
    const waysOut = async () => new Map([['vsw-a', '203.0.113.1']]);
    expect((await wayOut(facts({ waysOut }))).detail).toContain('has a SNAT entry for vsw-b, and');
  });

  test('that nobody may look at is unknown, not bad', async () => {
    const refusal = new CloudRefused(
      { action: 'DescribeNatGateways', code: 'Forbidden.RAM', message: 'no', requestId: '' },
      false,
    );
    expect(await wayOut(facts({ waysOut: () => Promise.reject(refusal) }))).toMatchObject({
      state: 'warning',
      remedy: expect.stringContaining('DescribeNatGateways'),
    });
  });
});
