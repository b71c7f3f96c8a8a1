import { World } from '../support/world';

/** `gitlab-spot doctor` in the sandbox: a healthy host, and typical failures, each named. */
jest.setTimeout(60_000);

interface Finding {
  readonly condition: string;
  readonly state: string;
  readonly detail: string;
  readonly remedy: string;
}

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

async function doctor(change: Record<string, string | undefined> = {}) {
  const { exitCode, stdout } = await world.gitlabSpot(['doctor', '--json'], change);
  const findings = JSON.parse(stdout) as Finding[];
  return { exitCode, findings, wrong: findings.filter(({ state }) => state !== 'good') };
}

test('a healthy host has nothing that is wrong, but images that are still to be built', async () => {
  const { exitCode, findings, wrong } = await doctor();
  expect(findings.filter(({ state }) => state === 'bad')).toEqual([]);
  expect(exitCode).toBe(0);
  expect(wrong.every(({ condition }) => condition.startsWith('image of') || condition.startsWith('stock'))).toBe(true);
  expect(findings.map(({ condition }) => condition)).toContain('pulumi and its backend');
});

test.each([
  ['a wrong secret', { ALICLOUD_SECRET_KEY: 'wrong' }, 'credentials and network', /SignatureDoesNotMatch/],
  ['a missing region', { ALICLOUD_REGION: undefined }, 'settings', /ALICLOUD_REGION is missing/],
  ['another region', { ALICLOUD_REGION: 'cn-beijing' }, 'credentials and network', /vSwitch|cn-beijing/],
  ['no pulumi', { PATH: '/usr/bin:/bin' }, 'pulumi and its backend', /no `pulumi` on PATH/],
  ['a profiles file that is not there', { GITLAB_SPOT_PROFILES_FILE: '/nowhere.yaml' }, 'profiles', /nowhere\.yaml/],
] as const)('names %s', async (_title, change, condition, detail) => {
  const { findings } = await doctor(change);
  const finding = findings.find((one) => one.condition === condition);
  expect(finding?.state).not.toBe('good');
  expect(finding?.detail).toMatch(detail);
});

test('names a permission that is missing', async () => {
  const { secret } = await world.sandbox.control.addAccessKey('LTAIlimited', ['vpc:*']);
  const { wrong, exitCode } = await doctor({ ALICLOUD_ACCESS_KEY: 'LTAIlimited', ALICLOUD_SECRET_KEY: secret });
  expect(exitCode).toBe(1);
  expect(wrong.map(({ condition }) => condition)).toContain('permission to look for instances');
  expect(wrong.map(({ detail }) => detail).join()).toContain('Forbidden.RAM');
});
