import { ConfigurationError } from '../../../src/errors';
import { stackArgs, type StackFacts } from '../../../src/prepare/stack-args';
import type { Candidate } from '../../../src/placement/types';
import type { Profile, Settings } from '../../../src/settings/types';
import { START } from '../../support/fakes';
import { testProfile } from '../../support/profile';

const EGRESS: Profile['egress'] = [{ to: '10.0.0.0/8', protocol: 'tcp', ports: '443/443' }];
const GROUP = { securityGroupId: 'sg-shared' };

function argsOf(profile: Partial<Profile>, cloud: Partial<Settings['cloud']> = {}) {
  const candidate = { zoneId: 'z', vSwitchId: 'v', instanceType: 'ecs.c7.xlarge', market: 'spot', durationHours: 0 };
  const facts = {
    ...{ stackName: 'job-x-1-1', tags: {}, publicKey: 'ssh-rsa A', userData: '', lifeMs: 0, nowMs: START },
    ...{ profile: testProfile(profile), image: { imageId: 'm-1', imdsSupport: 'v2' } },
  };
  const settings = {
    cloud: { region: 'cn-x', vpcId: 'vpc-1', executorCidrs: ['10.0.0.5/32'], ...cloud },
    ssh: { port: 22, user: 'root' },
    limits: { releaseMarginMs: 0 },
  };
  return stackArgs(candidate as Candidate, facts as StackFacts, settings as unknown as Settings);
}

describe('what a profile lets its instances reach', () => {
  test('goes into the security group of the job', () => {
    expect(argsOf({ egress: EGRESS })).toMatchObject({ egress: EGRESS, executorCidr: ['10.0.0.5/32'] });
    expect(argsOf({ egress: [] }).egress).toEqual([]);
    expect(argsOf({}).egress).toBeUndefined();
  });

  test.each([
    ['rules', EGRESS],
    ['nothing at all', []],
  ])('is refused as %s where all jobs share one group, which would not have them', (_what, egress) => {
    const shared = () => argsOf({ egress }, GROUP);
    expect(shared).toThrow(ConfigurationError);
    expect(shared).toThrow('Profile standard has egress rules, and all jobs share one security group');
  });

  test('is everything in a shared group without a word of the profile', () => {
    expect(argsOf({}, GROUP)).toMatchObject({ securityGroupId: 'sg-shared', executorCidr: [] });
  });
});

test.each([
  [2.01, 2.01],
  [1.0019, 1.001],
])('of a price limit of %d the API is told %d: three decimals, and no less than they say', (cap, told) => {
  const { spot } = argsOf({ spot: { ...testProfile().spot, maxPriceYuanPerHour: cap } });
  expect(spot).toMatchObject({ strategy: 'SpotWithPriceLimit', priceLimitYuanPerHour: told });
});

test('a short job’s release time still holds once the provider has been throttled for as long as it asks again', () => {
  const askedMs = START + 12 * 60_000;
  expect(Date.parse(argsOf({}).autoReleaseTime) - askedMs).toBeGreaterThanOrEqual(30 * 60_000);
});
