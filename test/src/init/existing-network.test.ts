import { existingNetwork } from '../../../src/init/existing-network';

const foundation = { 'gitlab-spot': 'foundation' };
const vpc = (cidrBlock: string, tags = {}) => ({ vpcId: 'vpc-1', name: '', cidrBlock, tags });
const vSwitch = (zoneId: string, cidrBlock: string, tags = {}) => ({
  vSwitchId: `vsw-${zoneId}`,
  zoneId,
  cidrBlock,
  freeAddresses: 9,
  tags,
});

describe('a foundation in a VPC that is there', () => {
  it.each([
    ['an empty VPC', '10.0.0.0/8', [], '10.0.0.0/16'],
    ['a VPC of one block', '192.168.0.0/16', [], '192.168.0.0/16'],
    ['one in use', '172.16.0.0/12', [vSwitch('h', '172.16.9.0/24')], '172.17.0.0/16'],
    ['one with a large vSwitch', '10.0.0.0/8', [vSwitch('h', '10.0.0.0/15')], '10.2.0.0/16'],
    ['one that is full', '192.168.0.0/16', [vSwitch('h', '192.168.3.0/24')], undefined],
  ])('takes the vSwitches of %s, and a block that none of them has', (_what, block, there, cidrBlock) => {
    const vSwitchIds = Object.fromEntries(there.map((one) => [one.zoneId, one.vSwitchId]));
    expect(existingNetwork(vpc(block), there)).toEqual({ vpcId: 'vpc-1', vSwitchIds, cidrBlock });
  });

  it('still declares what it made there itself, which the stack would delete otherwise', () => {
    const there = [vSwitch('h', '172.16.9.0/24'), vSwitch('k', '172.18.80.0/21', foundation)];
    expect(existingNetwork(vpc('172.16.0.0/12'), there)).toEqual({
      vpcId: 'vpc-1',
      vSwitchIds: { h: 'vsw-h' },
      cidrBlock: '172.18.0.0/16',
    });
  });

  it.each([
    ['the VPC that a foundation made', vpc('10.86.0.0/16', foundation), 'was made by a foundation'],
    ['one too small for a vSwitch in each zone', vpc('10.1.0.0/24'), 'has no vSwitch, and no free /16'],
  ])('refuses %s', (_what, one, sentence) => {
    expect(() => existingNetwork(one, [])).toThrow(sentence);
  });
});
