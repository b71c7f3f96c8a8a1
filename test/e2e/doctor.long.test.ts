import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Finding } from '../../src/doctor/finding';
import { wantedConfig, type SectionFacts } from '../../src/register/section';
import { withSection } from '../../src/register/with-section';
import { readSettings } from '../../src/settings/settings';
import { executorPolicy } from '../../stacks/ram-policy';
import { Project, RUNNER_TOKEN } from '../../sandbox/runner/run-pipeline';
import { mountTmpfs, withoutMounts } from '../support/mounts';
import { testUnless } from '../support/skip';
import { leaveLock } from '../support/stale-lock';
import { repositoryWith, World } from '../support/world';

/**
 * `gitlab-spot doctor` in the sandbox: a healthy host, and typical failures, each injected and
 * named.
 */
jest.setTimeout(120_000);

let world: World;
let directory: string;
/** A RAM user with the policy that `ram-policy` prints, and nothing more. */
let executor: Record<string, string>;
let config: string;
let repository: string;
let project: Project;

beforeAll(async () => {
  world = await World.start();
  directory = world.sandbox.directory;
  repository = repositoryWith({ '.gitlab-ci.yml': 'job: { script: x }' });
  project = await Project.open({ repository });
  executor = {
    ...(await ramUser('LTAIexecutor', executorPolicy({ images: true }))),
    GITLAB_SPOT_GITLAB_URL: project.gitlab.url,
  };
  config = path.join(directory, 'config.toml');
  writeFileSync(config, runnerConfig());
});
afterAll(async () => {
  await project.close();
  rmSync(repository, { recursive: true });
  await world.close();
});
beforeEach(() => world.sandbox.control.clearFaults());

async function ramUser(id: string, policy: Parameters<typeof world.sandbox.control.addAccessKeyWithPolicy>[1]) {
  const { secret } = await world.sandbox.control.addAccessKeyWithPolicy(id, policy);
  return { ALICLOUD_ACCESS_KEY: id, ALICLOUD_SECRET_KEY: secret };
}

/** As `register` writes it. */
function runnerConfig(change: Partial<SectionFacts> = {}): string {
  const settings = readSettings({ GITLAB_SPOT_ENV_FILE: '/dev/null' }, { cloud: false });
  const facts: SectionFacts = {
    name: 'gitlab-spot',
    url: project.gitlab.url,
    id: 7,
    token: RUNNER_TOKEN,
    tokenExpiresAt: undefined,
    caFile: undefined,
    cloneUrl: undefined,
    concurrency: 10,
    sections: 5,
    cache: undefined,
    environment: [],
    hooks: path.resolve(__dirname, '../../dist/executor'),
    envFile: undefined,
    node: process.execPath,
    ...change,
  };
  return withSection('', 'config.toml', wantedConfig(facts, settings, new Date()));
}

async function doctor(change: Record<string, string | undefined> = {}, args: readonly string[] = ['--config', config]) {
  const { exitCode, stdout, stderr } = await world.gitlabSpot(['doctor', '--json', ...args], {
    ...executor,
    ...change,
  });
  if (stdout === '') throw new Error(stderr);
  const findings = JSON.parse(stdout) as Finding[];
  return { exitCode, findings, wrong: findings.filter(({ state }) => state !== 'good') };
}

const match = (condition: string, state: Finding['state'], detail: RegExp, remedy = /./) =>
  expect.objectContaining({
    condition,
    state,
    detail: expect.stringMatching(detail) as string,
    remedy: expect.stringMatching(remedy) as string,
  }) as Finding;

test('a healthy host of a RAM user with the printed policy has nothing that is bad, and looking changes nothing', async () => {
  expect(await world.gitlabSpot(['reap', '--yes'], executor)).toMatchObject({ exitCode: 0 });
  const { exitCode, findings, wrong } = await doctor();
  // The tests run with any Node. A sandbox's GitLab is on this machine, as its instances are.
  expect(wrong.filter(({ condition }) => condition !== 'node')).toEqual([
    // As any account on its first day.
    match('way out', 'warning', /no NAT gateway has a SNAT entry for vpc-/, /--foundation --nat/),
  ]);
  expect(exitCode).toBe(0);
  for (const condition of [
    'permissions for jobs',
    'region and VPC',
    'vSwitches',
    'locks',
    'machine',
    'reaper',
    'GitLab token',
    'runner gitlab-spot at GitLab',
  ])
    expect(findings.map((finding) => finding.condition)).toContain(condition);
  expect(findings.find(({ condition }) => condition === 'credentials')?.detail).toMatch(/:user\/ltaiexecutor$/);
  expect(await world.leftovers()).toEqual([]);
});

test('people get a line each, a remedy below, and a sum', async () => {
  const { stdout, exitCode } = await world.gitlabSpot(['doctor', '--config', '/nowhere.toml'], executor);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^ok  permissions for jobs: none of \d+ actions is refused$/m);
  expect(stdout).toMatch(
    /^BAD runner configuration: there is none at \/nowhere\.toml.*\n {6}Run `gitlab-spot register`/m,
  );
  expect(stdout).toMatch(/\n\d+ OK, \d+ warnings?, 1 error\n$/);
});

describe('credentials', () => {
  test.each<[string, Record<string, string | undefined>, string, RegExp, RegExp]>([
    ['a wrong secret', { ALICLOUD_SECRET_KEY: 'wrong' }, 'credentials', /SignatureDoesNotMatch/, /ALICLOUD_SECRET_KEY/],
    [
      'an unknown key',
      { ALICLOUD_ACCESS_KEY: 'LTAInobody' },
      'credentials',
      /InvalidAccessKeyId/,
      /ALICLOUD_ACCESS_KEY/,
    ],
    ['a missing region', { ALICLOUD_REGION: undefined }, 'settings', /ALICLOUD_REGION is missing/, /init/],
    [
      'a region that does not exist',
      { ALICLOUD_REGION: 'cn-hangzou' },
      'region and VPC',
      /no region cn-hangzou/,
      /cn-beijing/,
    ],
    [
      'another region',
      { ALICLOUD_REGION: 'cn-beijing' },
      'region and VPC',
      /no VPC vpc-\S+ in cn-beijing/,
      /ALICLOUD_REGION/,
    ],
    [
      'an API out of reach',
      { ECS_ENDPOINT: '127.0.0.1:9' },
      'cloud API',
      /ECONNREFUSED/,
      /ALICLOUD_REGION, ECS_ENDPOINT/,
    ],
    ['a GitLab out of reach', { GITLAB_SPOT_GITLAB_URL: 'http://127.0.0.1:9' }, 'GitLab', /ECONNREFUSED/, /address/],
  ])('names %s', async (_title, change, condition, detail, remedy) => {
    const { findings, exitCode } = await doctor(change);
    expect(findings).toContainEqual(match(condition, 'bad', detail, remedy));
    expect(exitCode).toBe(1);
  });

  test('names a key that was disabled, and temporary credentials that have expired', async () => {
    const { control } = world.sandbox;
    const old = await ramUser('LTAIold', executorPolicy({ images: false }));
    const { secret } = await control.addAccessKeyWithPolicy('STS.old', executorPolicy({ images: false }), 'token');
    await control.disableAccessKey('LTAIold');
    await control.disableAccessKey('STS.old');
    expect((await doctor(old)).wrong).toContainEqual(match('credentials', 'bad', /InvalidAccessKeyId\.Inactive/));
    const temporary = { ALICLOUD_ACCESS_KEY: 'STS.old', ALICLOUD_SECRET_KEY: secret, ALICLOUD_SECURITY_TOKEN: 'token' };
    expect((await doctor(temporary)).wrong).toContainEqual(
      match('credentials', 'bad', /InvalidSecurityToken\.Expired/, /renew ALICLOUD_SECURITY_TOKEN/),
    );
  });

  test('names each action that is missing', async () => {
    const { Version, Statement } = executorPolicy({ images: true });
    const lacking = ['ecs:RunInstances', 'ecs:DescribeSpotPriceHistory', 'ecs:StopInstance'];
    const less = Statement.map((one) => ({ ...one, Action: one.Action.filter((name) => !lacking.includes(name)) }));
    const { wrong } = await doctor(await ramUser('LTAIless', { Version, Statement: less }));
    expect(wrong.filter(({ condition }) => condition.startsWith('permission'))).toEqual([
      match('permission ecs:DescribeSpotPriceHistory', 'bad', /Forbidden\.RAM/, /Grant ecs:DescribeSpotPriceHistory/),
      match('permission ecs:RunInstances', 'bad', /Forbidden\.RAM/),
      match('permission ecs:StopInstance', 'warning', /Forbidden\.RAM/),
    ]);
  });

  test("names a clock that is off, whatever it makes of the cloud's answers", async () => {
    const skew = path.join(directory, 'skew.js');
    writeFileSync(
      skew,
      'const Real = Date; const off = -20 * 60_000;' +
        'global.Date = class extends Real { constructor(...args) { args.length ? super(...args) : super(Real.now() + off); } static now() { return Real.now() + off; } };',
    );
    const { wrong } = await doctor({ NODE_OPTIONS: `--require ${skew}` });
    expect(wrong).toContainEqual(match('clock against the cloud', 'bad', /this host is 1\d{3} s behind/, /chrony/));
  });
});

test('names what the account and the network lack: quotas, addresses, images, zones', async () => {
  const { control, info } = world.sandbox;
  const [first, ...others] = Object.values(info.vSwitchIds);
  const profiles = path.join(directory, 'instances.yaml');
  writeFileSync(
    profiles,
    [
      'default: gone',
      'profiles:',
      '  gone: { types: [ecs.c7.xlarge], image: m-gone, spot: { fallback: none } }',
      '  unbuilt: { types: [ecs.c7.large], image: unbuilt, zones: [cn-hangzhou-z] }',
      '  sold-out: { types: [ecs.c8a.xlarge], image: gitlab-spot-java23 }',
    ].join('\n'),
  );
  await control.setQuotas({ spotVcpus: 3, postPaidVcpus: 4, securityGroups: 5 });
  await control.setForeignAddresses(first!, 10_000);
  await control.setPool({ instanceType: 'ecs.c8a.xlarge' }, { stock: 'WithoutStock' });
  try {
    const { wrong } = await doctor({ GITLAB_SPOT_PROFILES_FILE: profiles });
    for (const expected of [
      match('vSwitches', 'warning', new RegExp(`${first} in \\S+ has no free address`)),
      match('zones of profile unbuilt', 'bad', /no vSwitch in cn-hangzhou-z/),
      match('image of profile gone', 'bad', /no image m-gone/, /image ls/),
      match('image of profile unbuilt', 'bad', /no image unbuilt/, /image build unbuilt/),
      match('stock and price of profile sold-out', 'bad', /no pool is available now/, /gitlab-spot price sold-out/),
      match(
        'spot vCPU quota of profile gone',
        'bad',
        /3 vCPUs, 0 in use; ecs\.c7\.xlarge has 4: no job/,
        /Quota Center/,
      ),
      match('pay-as-you-go vCPU quota of profile unbuilt', 'warning', /enough for 2 jobs, and the runner takes 10/),
      match('quota of security groups', 'warning', /0 of 5 are there, and the runner takes 10 jobs/),
    ])
      expect(wrong).toContainEqual(expected);
    for (const id of others) await control.setForeignAddresses(id, 10_000);
    expect((await doctor()).wrong).toContainEqual(match('vSwitches', 'bad', /no vSwitch has a free address/));
  } finally {
    await control.setQuotas({ spotVcpus: 4000, postPaidVcpus: 4000, securityGroups: 500 });
    for (const id of [first!, ...others]) await control.setForeignAddresses(id, 0);
    await control.setPool({ instanceType: 'ecs.c8a.xlarge' }, { stock: 'WithStock' });
  }
});

describe('pulumi', () => {
  /** A folder that has only these of the sandbox's programs, and others in their place. */
  function programs(name: string, links: readonly string[], scripts: Readonly<Record<string, string>> = {}): string {
    const folder = path.join(directory, `bin-${name}`);
    mkdirSync(folder, { recursive: true });
    for (const link of links) symlinkSync(path.join(directory, 'bin', link), path.join(folder, link));
    for (const [file, script] of Object.entries(scripts)) {
      writeFileSync(path.join(folder, file), `#!/bin/sh\n${script}\n`);
      chmodSync(path.join(folder, file), 0o755);
    }
    return `${folder}:${path.dirname(process.execPath)}:/usr/bin:/bin`;
  }

  test.each<[string, () => Record<string, string>, string, RegExp, RegExp]>([
    ['no CLI', () => ({ PATH: programs('none', []) }), 'pulumi', /no `pulumi` on PATH/, /Install the pulumi CLI/],
    [
      'no plugin',
      () => ({ PATH: programs('bare', ['pulumi']) }),
      'alicloud plugin',
      /no alicloud plugin is installed in \S+\/pulumi/,
      /pulumi plugin install resource alicloud 3\.\d+\.\d+.*PULUMI_HOME=/,
    ],
    [
      'an old plugin',
      () => ({ PATH: programs('old-plugin', ['pulumi'], { 'pulumi-resource-alicloud': 'echo 3.20.0' }) }),
      'alicloud plugin',
      /is 3\.20\.0, older than/,
      /install/,
    ],
    [
      'a backend that can not be',
      () => ({ PULUMI_BACKEND_URL: 'file:///dev/null/backend' }),
      'pulumi',
      /\/dev\/null\/backend/,
      /PULUMI_BACKEND_URL/,
    ],
  ])('names %s', async (_title, change, condition, detail, remedy) => {
    expect((await doctor(change())).wrong).toContainEqual(match(condition, 'bad', detail, remedy));
  });

  test('names a lock that a killed CLI left', async () => {
    const folder = leaveLock(path.join(directory, 'backend'), 'job-gone-1-1');
    try {
      expect((await doctor()).wrong).toContainEqual(
        match('locks', 'warning', /job-gone-1-1 is locked since 2026-11-24T13:14:21Z by root@/, /reap/),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('names a config.toml that does not fit', async () => {
  writeFileSync(
    config,
    runnerConfig({ hooks: '/nowhere/executor' }).replace(/graceful_kill_timeout = \d+/, 'graceful_kill_timeout = 900'),
  );
  try {
    const { wrong } = await doctor();
    expect(wrong).toContainEqual(
      match('runner gitlab-spot', 'bad', /it starts \/nowhere\/executor\/config\.js/, /register/),
    );
    expect(wrong).toContainEqual(match('runner gitlab-spot', 'bad', /graceful_kill_timeout is 900 s/));
  } finally {
    writeFileSync(config, runnerConfig());
  }
});

testUnless(withoutMounts(), 'names a full disk by its folder', async () => {
  const folder = path.join(directory, 'full');
  mkdirSync(folder);
  const { unmount } = mountTmpfs(folder, 'size=64k,mode=700');
  try {
    expect(() => writeFileSync(path.join(folder, 'filler'), Buffer.alloc(128 * 1024))).toThrow('ENOSPC');
    const { wrong } = await doctor({ GITLAB_SPOT_STATE_DIR: folder });
    expect(wrong).toContainEqual(match('state folder', 'bad', /full is full \(ENOSPC\)/, /Free space/));
  } finally {
    unmount();
  }
});

test('names a state folder that is none once, and not again by each file that is missing in it', async () => {
  const file = path.join(directory, 'no-folder');
  writeFileSync(file, '');
  const { wrong } = await doctor({ GITLAB_SPOT_STATE_DIR: file });
  expect(wrong.filter(({ state }) => state === 'bad')).toEqual([
    match('state folder', 'bad', /no-folder can't be made \(EEXIST\)/, /GITLAB_SPOT_STATE_DIR/),
  ]);
});
