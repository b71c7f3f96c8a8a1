import type { Account, IngressRule, SecurityGroup } from '../../../src/cloud/account';
import { CloudRefused, CloudUnreachable } from '../../../src/cloud/errors';
import { canProbe, missingPermissions } from '../../../src/cloud/permissions';
import { market } from '../../../src/doctor/examine';
import { lookAt } from '../../../src/doctor/finding';
import { region, vSwitches, zonesOf } from '../../../src/doctor/network';
import { permissions } from '../../../src/doctor/permissions';
import { quotas } from '../../../src/doctor/quotas';
import { securityGroup } from '../../../src/doctor/security-group';
import type { Candidate } from '../../../src/placement';
import { parseProfiles } from '../../../src/settings/profiles';
import { executorPolicy } from '../../../stacks/ram-policy';

const refused = (action: string, code: string) =>
  new CloudRefused({ action, code, message: 'Refused.', requestId: '' }, false);
const text = (pattern: RegExp) => expect.stringMatching(pattern) as string;

describe('permissions', () => {
  test('every action of the policy can be tried', () => {
    const actions = executorPolicy({ images: true }).Statement.flatMap(({ Action }) => Action);
    expect(actions.filter((action) => !canProbe(action))).toEqual([]);
  });

  test('an action is missing where the cloud forbids it, and granted whatever else it answers', async () => {
    const codes: Record<string, string> = {
      RunInstances: 'Forbidden.RAM',
      ImportKeyPair: 'NoPermission',
      DeleteInstance: 'InvalidInstanceId.NotFound',
    };
    const call = (_service: string, action: string) =>
      codes[action] ? Promise.reject(refused(action, codes[action])) : Promise.resolve({});
    const wrong = (await permissions({ call })).filter(({ state }) => state !== 'good');
    expect(wrong.map(({ condition, state }) => [condition, state])).toEqual([
      ['permission ecs:ImportKeyPair', 'bad'],
      ['permission ecs:RunInstances', 'bad'],
    ]);
    expect(wrong[1]).toMatchObject({ detail: text(/Forbidden\.RAM/), remedy: text(/Grant ecs:RunInstances/) });
  });

  test('an API that does not answer is no missing permission', async () => {
    const call = () => Promise.reject(new CloudUnreachable('x', 'y', undefined, 'no answer in time'));
    await expect(missingPermissions({ call }, ['ecs:RunInstances'])).rejects.toThrow('no answer in time');
  });

  test('what would make something can make nothing', async () => {
    const calls: Record<string, Record<string, unknown>> = {};
    const call = async (_service: string, action: string, params: object) => void (calls[action] = { ...params });
    await permissions({ call });
    expect(calls.RunInstances).toMatchObject({ DryRun: true, ImageId: text(/^m-0+$/), 'Tag.1.Key': 'gitlab-spot' });
    expect(calls.ImportKeyPair).toMatchObject({ PublicKeyBody: 'none' });
    expect(calls.CreateSecurityGroup).toMatchObject({ VpcId: text(/^vpc-0+$/) });
    for (const [action, params] of Object.entries(calls))
      if (/^(Delete|Stop|Modify|Revoke|Authorize)/.test(action)) expect(JSON.stringify(params)).toMatch(/-0{20}|-none/);
  });
});

describe('region and VPC', () => {
  const account = (vpcs: Account['vpcs']): Pick<Account, 'vpcs' | 'regions'> => ({
    vpcs,
    regions: () => Promise.resolve(['cn-hangzhou', 'cn-beijing']),
  });
  const wanted = { region: 'cn-hangzou', vpcId: 'vpc-1' };
  test('name the regions that there are', async () => {
    const answer = await region(
      wanted,
      account(() => Promise.reject(refused('DescribeVpcs', 'InvalidRegionId.NotFound'))),
    );
    expect(answer).toMatchObject({ state: 'bad', remedy: text(/cn-hangzhou, cn-beijing/) });
  });

  test('name the VPCs that there are', async () => {
    const vpc = { vpcId: 'vpc-2', name: '', cidrBlock: '10.0.0.0/8', tags: {} };
    const answer = await region(
      wanted,
      account(() => Promise.resolve([vpc])),
    );
    expect(answer).toMatchObject({ state: 'bad', detail: text(/no VPC vpc-1/), remedy: text(/vpc-2/) });
  });
});

describe('vSwitches', () => {
  const place = { region: 'cn-hangzhou', vpcId: 'vpc-1', vSwitchIds: [] as readonly string[] };
  const cloud = (...free: number[]) => ({
    vSwitches: () =>
      Promise.resolve(
        free.map((freeAddresses, index) => ({
          vSwitchId: `vsw-${index}`,
          zoneId: `cn-hangzhou-${index}`,
          cidrBlock: '',
          freeAddresses,
          tags: {},
        })),
      ),
  });
  test.each<[string, number[], readonly string[], number | undefined, string, RegExp]>([
    ['none', [], [], undefined, 'bad', /has no vSwitch in cn-hangzhou/],
    ['one that is not there', [9, 9], ['vsw-9'], undefined, 'bad', /no vSwitch vsw-9/],
    ['all full', [0, 0], [], undefined, 'bad', /no vSwitch has a free address/],
    ['one full', [0, 90], [], 10, 'warning', /vsw-0 in cn-hangzhou-0 has no free address/],
    ['too few addresses', [3, 4], [], 10, 'warning', /7 free addresses are too few for 10 jobs/],
    ['one zone', [90], [], 10, 'warning', /all are in cn-hangzhou-0/],
    ['enough', [90, 90], [], 10, 'good', /vsw-0 in cn-hangzhou-0 \(90 free\)/],
  ])('%s', async (_title, free, vSwitchIds, concurrency, state, detail) => {
    const findings = await vSwitches({ ...place, vSwitchIds }, cloud(...free), concurrency);
    expect(findings).toContainEqual(expect.objectContaining({ state, detail: text(detail) }));
  });

  test('a zone that only the profile knows is named', () => {
    const page = parseProfiles(
      'default: a\nprofiles:\n  a: { types: [ecs.c7.xlarge], image: m-1, zones: [cn-hangzhou-x, cn-hangzhou-1] }',
      'f',
    );
    expect(zonesOf(page, ['cn-hangzhou-1'])).toMatchObject([{ state: 'warning', detail: text(/cn-hangzhou-x/) }]);
    expect(zonesOf(page, ['cn-hangzhou-2'])).toMatchObject([{ state: 'bad' }]);
  });
});

describe('quotas', () => {
  const page = parseProfiles('default: a\nprofiles:\n  a: { types: [ecs.c7.xlarge, ecs.c8a.xlarge], image: m-1 }', 'f');
  const any = (value: number, instanceType = '') => [{ value, zoneId: '', instanceType }];
  const limits = {
    spotVcpus: any(100),
    onDemandVcpus: any(100),
    usedSpotVcpus: 0,
    usedOnDemandVcpus: 0,
    securityGroups: 100,
    keyPairs: 500,
  };
  const ask = (
    change: Partial<typeof limits> | object,
    counts = { securityGroups: 1, keyPairs: 1 },
    concurrency = 10,
    sharedGroup = false,
  ) =>
    quotas({
      account: {
        quotas: () => Promise.resolve({ ...limits, ...change }),
        counts: () => Promise.resolve(counts),
        vcpus: () =>
          Promise.resolve(
            new Map([
              ['ecs.c7.xlarge', 4],
              ['ecs.c8a.xlarge', 4],
            ]),
          ),
      },
      page,
      typesOf: () => ['ecs.c7.xlarge', 'ecs.c8a.xlarge'],
      sharedGroup,
      concurrency,
    });

  test('that are enough are good', async () => {
    expect((await ask({})).every(({ state }) => state === 'good')).toBe(true);
  });

  test.each<[string, object, string, string, RegExp]>([
    ['too few spot vCPUs for one job', { spotVcpus: any(3) }, 'spot vCPU quota of profile a', 'bad', /no job/],
    ['spot vCPUs that are used up', { usedSpotVcpus: 98 }, 'spot vCPU quota of profile a', 'bad', /no further job/],
    [
      'spot vCPUs for fewer jobs',
      { spotVcpus: any(20) },
      'spot vCPU quota of profile a',
      'warning',
      /enough for 5 jobs/,
    ],
    [
      'a family’s own quota',
      { spotVcpus: [...any(100), ...any(8, 'ecs.c7'), ...any(0, 'ecs.c8a')] },
      'spot vCPU quota of profile a',
      'warning',
      /enough for 2 jobs/,
    ],
    ['pay-as-you-go vCPUs', { onDemandVcpus: any(0) }, 'pay-as-you-go vCPU quota of profile a', 'bad', /no job/],
  ])('name %s', async (_title, change, condition, state, detail) => {
    expect(await ask(change)).toContainEqual(expect.objectContaining({ condition, state, detail: text(detail) }));
  });

  test('count security groups and key pairs', async () => {
    const findings = await ask({}, { securityGroups: 100, keyPairs: 495 });
    expect(findings).toContainEqual(expect.objectContaining({ condition: 'quota of security groups', state: 'bad' }));
    expect(findings).toContainEqual(expect.objectContaining({ condition: 'quota of key pairs', state: 'warning' }));
  });

  test('of security groups are none of a host’s whose jobs share one', async () => {
    const used = { securityGroups: 100, keyPairs: 1 };
    const findings = await ask({}, used, 10, true);
    expect(findings.map(({ condition }) => condition)).not.toContain('quota of security groups');
    const [own] = (await ask({}, used)).filter(({ condition }) => condition === 'quota of security groups');
    expect(own).toMatchObject({ remedy: text(/init --foundation --shared-group/) });
  });
});

test('what can’t be looked at is a finding with the error’s remedy as a sentence', async () => {
  const findings = await lookAt('x', () => Promise.reject(refused('DescribeVpcs', 'InvalidAccessKeyId.NotFound')));
  expect(findings).toEqual([
    {
      condition: 'x',
      state: 'bad',
      detail: text(/InvalidAccessKeyId/),
      remedy: text(/^Set a valid ALICLOUD_ACCESS_KEY.*\.$/),
    },
  ]);
});

describe('a market that can not be asked', () => {
  const pool = { instanceType: 'ecs.c7.xlarge', zoneId: 'a', market: 'spot' } as Candidate;
  test.each([
    ['for want of a permission', 'Forbidden.RAM; `gitlab-spot ram-policy` prints what the credentials need', /^Grant/],
    [
      'in time',
      'Alibaba Cloud could not be asked for DescribeSpotAdvice: no answer in time',
      /^`gitlab-spot price small`/,
    ],
  ])('%s', (_why, reason, remedy) => {
    const ranking = { candidates: [pool], rejected: [], warnings: [`Interruption rates can't be asked (${reason})`] };
    expect(market({ name: 'small' }, ranking)).toMatchObject({ state: 'warning', remedy: text(remedy) });
  });
});

describe('the shared security group', () => {
  const shared = { securityGroupId: 'sg-1', vpcId: 'vpc-1', executorCidrs: ['10.0.0.5/32'], sshPort: 22 };
  const rule = (cidr: string, portRange = '22/22'): IngressRule => ({
    ...{ protocol: 'TCP', portRange, cidr, policy: 'accept' },
  });
  const good: SecurityGroup = { vpcId: 'vpc-1', innerAccess: 'drop', ingress: [rule('10.0.0.5/32')] };
  const look = (change: Partial<SecurityGroup>) =>
    securityGroup(shared, { securityGroup: () => Promise.resolve({ ...good, ...change }) });

  test.each<[string, Partial<SecurityGroup>, string, RegExp]>([
    ['as it should be', {}, 'good', /they don't reach each other/],
    ['whose rule covers a range', { ingress: [rule('10.0.0.0/24')] }, 'warning', /also lets in 10\.0\.0\.0\/24/],
    ['whose members reach each other', { innerAccess: 'accept' }, 'bad', /members of sg-1 reach each other/],
    ['of another VPC', { vpcId: 'vpc-2' }, 'bad', /sg-1 is in vpc-2/],
    ['with a rule for many ports', { ingress: [rule('10.0.0.5/32', '1/65535')] }, 'good', /they don't reach/],
    ['with a rule for ports above', { ingress: [rule('10.0.0.5/32', '23/65535')] }, 'bad', /no rule that lets/],
    ['without the rule', { ingress: [] }, 'bad', /no rule that lets 10\.0\.0\.5\/32 in at port 22/],
    ['with a rule for another port', { ingress: [rule('10.0.0.5/32', '2222/2222')] }, 'bad', /no rule that lets/],
    ['that drops it', { ingress: [{ ...rule('10.0.0.5/32'), policy: 'drop' }] }, 'bad', /no rule that lets/],
    ['that lets others in', { ingress: [rule('10.0.0.5/32'), rule('0.0.0.0/0')] }, 'warning', /0\.0\.0\.0\/0 \(TCP 22/],
  ])('%s', async (_title, change, state, detail) => {
    expect(await look(change)).toEqual([expect.objectContaining({ state, detail: text(detail) })]);
  });

  test('that is gone is told, with what to do', async () => {
    const facts = { action: 'x', code: 'InvalidSecurityGroupId.NotFound', message: '', requestId: '' };
    const gone = () => Promise.reject(new CloudRefused(facts, false));
    const [finding] = await securityGroup(shared, { securityGroup: gone });
    expect(finding).toMatchObject({ state: 'bad', remedy: text(/--shared-group/) });
  });
});
