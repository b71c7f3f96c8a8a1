import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { backendDirectory } from '../../../src/engine/workspace';
import { ConfigurationError } from '../../../src/errors';
import { checkSettings, readSettings } from '../../../src/settings/settings';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'settings-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const enough = {
  GITLAB_SPOT_ENV_FILE: '',
  ALICLOUD_REGION: 'cn-hangzhou',
  GITLAB_SPOT_VPC_ID: 'vpc-1',
  ALICLOUD_ACCESS_KEY: 'id',
  ALICLOUD_SECRET_KEY: 'secret',
};

function envFile(text: string, mode = 0o600): string {
  const file = path.join(directory, 'env');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe('settings', () => {
  test('have defaults for all but region, network and credentials', () => {
    const settings = readSettings({ ...enough, GITLAB_SPOT_STATE_DIR: '/var/lib/gitlab-spot' });
    expect(settings).toMatchObject({
      pulumi: {
        backendUrl: 'file:///var/lib/gitlab-spot/pulumi',
        passphraseFile: '/var/lib/gitlab-spot/passphrase',
      },
      cloud: { region: 'cn-hangzhou', vpcId: 'vpc-1', vSwitchIds: [], usePublicAddress: false },
      ssh: { port: 22, user: 'root' },
      buildsDir: '/builds',
      cleanup: 'detached',
      limits: { bootMs: 300_000, concurrentUps: 4, acceptedUps: 6, maxCandidates: 8 },
      verbose: false,
    });
  });

  test.each(['/srv/ci #1', '/srv/ci?', '/srv/50%20off', '/srv/a\'b"ü'])(
    'keep the stacks in the state folder %s',
    (stateDir) => {
      const { backendUrl } = readSettings({ ...enough, GITLAB_SPOT_STATE_DIR: stateDir }).pulumi;
      // Pulumi reads it as a URL.
      const { pathname, search, hash } = new URL(backendUrl);
      expect([decodeURIComponent(pathname), search, hash]).toEqual([`${stateDir}/pulumi`, '', '']);
      expect(backendDirectory(backendUrl)).toBe(`${stateDir}/pulumi`);
    },
  );

  test('name the host as its tags do', () => {
    const executorIdOf = (id: string) => readSettings({ ...enough, GITLAB_SPOT_EXECUTOR_ID: id }).executorId;
    expect(executorIdOf('runner-1')).toBe('runner-1');
    // A tag's value can't begin so; what looks for its own instances by another one finds none.
    expect(executorIdOf('aliyun-ci')).toBe('_aliyun-ci');
  });

  test('come from the env file, and the environment wins', () => {
    const file = envFile('GITLAB_SPOT_SSH_PORT=2222\nGITLAB_SPOT_SSH_USER=ecs-user\n');
    const settings = readSettings({ ...enough, GITLAB_SPOT_ENV_FILE: file, GITLAB_SPOT_SSH_PORT: '2022' });
    expect(settings.ssh).toEqual({ port: 2022, user: 'ecs-user' });
  });

  test('are never what a job sets', () => {
    const settings = readSettings({ ...enough, CUSTOM_ENV_GITLAB_SPOT_SSH_USER: 'mallory' });
    expect(settings.ssh.user).toBe('root');
    expect(settings.childEnvironment).not.toHaveProperty('CUSTOM_ENV_GITLAB_SPOT_SSH_USER');
  });

  test('hand nothing of a job to child processes', () => {
    const { childEnvironment } = readSettings({
      ...enough,
      TMPDIR: '/job',
      JOB_RESPONSE_FILE: '/job/r',
      GITLAB_SPOT_ATTEMPT: '2',
      HTTPS_PROXY: 'p',
    });
    expect(childEnvironment).toMatchObject({ HTTPS_PROXY: 'p', ALICLOUD_REGION: 'cn-hangzhou' });
    for (const name of ['TMPDIR', 'JOB_RESPONSE_FILE', 'GITLAB_SPOT_ATTEMPT'])
      expect(childEnvironment).not.toHaveProperty(name);
  });

  test('report every problem at once, with variable and place', () => {
    const file = envFile('GITLAB_SPOT_BOOT_TIMEOUT=soon\n');
    const { problems } = checkSettings({
      GITLAB_SPOT_ENV_FILE: file,
      GITLAB_SPOT_CLEANUP: 'later',
      GITLAB_SPOT_SSH_PORT: '70000',
    });
    expect(problems).toEqual([
      'GITLAB_SPOT_SSH_PORT must be a whole number between 1 and 65535, but is "70000" (the environment)',
      `GITLAB_SPOT_BOOT_TIMEOUT must be a number of seconds between 1 and 3600, but is "soon" (${file})`,
      'GITLAB_SPOT_CLEANUP must be detached or wait, but is "later" (the environment)',
    ]);
  });

  test('say where a missing one can be set', () => {
    expect(() => readSettings({ GITLAB_SPOT_ENV_FILE: '' })).toThrow(ConfigurationError);
    expect(checkSettings({ GITLAB_SPOT_ENV_FILE: '' }).problems).toEqual([
      'ALICLOUD_ACCESS_KEY, ALICLOUD_SECRET_KEY, ALICLOUD_REGION and GITLAB_SPOT_VPC_ID are missing ' +
        '(set them in the environment or in the env file (GITLAB_SPOT_ENV_FILE, default /etc/gitlab-spot/env))',
    ]);
    expect(checkSettings({ ...enough, ALICLOUD_REGION: '' }).problems).toEqual([
      expect.stringMatching(/^ALICLOUD_REGION is missing \(set it in /) as string,
    ]);
  });

  test.each([
    ['PULUMI_CONFIG_PASSPHRASE_FILE', 'secrets/passphrase', 'must be an absolute path'],
    ['PULUMI_BACKEND_URL', '/srv/pulumi', 'must be a URL such as file:///srv/pulumi'],
    ['GITLAB_SPOT_GITLAB_URL', 'https://[', 'must be a URL such as https://gitlab.example.com'],
  ])('with %s=%s are refused', (name, value, problem) => {
    expect(checkSettings({ ...enough, [name]: value }).problems.join()).toContain(`${name} ${problem}`);
  });

  test.each([
    ['only a key id', { ALICLOUD_SECRET_KEY: '' }, /ALICLOUD_SECRET_KEY is missing/],
    ['only a secret', { ALICLOUD_ACCESS_KEY: '' }, /ALICLOUD_ACCESS_KEY is missing/],
  ])('with %s are incomplete', (_title, change, problem) => {
    expect(checkSettings({ ...enough, ...change }).problems.join()).toMatch(problem);
  });

  test('need no keys where the host has a RAM role', () => {
    const variables = { ...enough, ALICLOUD_ACCESS_KEY: '', ALICLOUD_SECRET_KEY: '', ALICLOUD_ECS_ROLE_NAME: 'runner' };
    expect(readSettings(variables).cloud).toMatchObject({ credentials: undefined, ecsRoleName: 'runner' });
  });

  test.each([
    ...['0.0.0.0/0', '::/0', '10.0.0.5/32,0.0.0.0/0', '0.0.0.0/1,128.0.0.0/1', '2000::/3', '1.2.3.4/00'],
    ...['gitlab.example.com', '10.0.0.5/33', '10.0.0/8', '10.0.0.5/8/8', '10.0.0.5/-1', '10.0.0.5/', '$(id)'],
  ])('let nobody in by GITLAB_SPOT_EXECUTOR_CIDR=%s', (value) => {
    expect(checkSettings({ ...enough, GITLAB_SPOT_EXECUTOR_CIDR: value }).problems.join()).toContain(
      'GITLAB_SPOT_EXECUTOR_CIDR must be addresses such as 10.0.0.5/32, separated by commas, and not the whole Internet',
    );
  });

  test('know the addresses of the executor', () => {
    const read = (value: string) => readSettings({ ...enough, GITLAB_SPOT_EXECUTOR_CIDR: value }).cloud.executorCidrs;
    expect(read('10.0.0.5, 10.0.0.0/8 fd00::/8')).toEqual(['10.0.0.5', '10.0.0.0/8', 'fd00::/8']);
    expect(read('')).toEqual([]);
  });

  test('refuse an env file with secrets that others may read', () => {
    const file = envFile('ALICLOUD_SECRET_KEY=s\n', 0o644);
    expect(checkSettings({ ...enough, GITLAB_SPOT_ENV_FILE: file }).problems).toEqual([
      `${file} holds ALICLOUD_SECRET_KEY and others may read it (mode 0644): run \`chmod 600 ${file}\``,
    ]);
  });

  test('accept a readable env file without secrets', () => {
    expect(
      checkSettings({ ...enough, GITLAB_SPOT_ENV_FILE: envFile('GITLAB_SPOT_SSH_PORT=2\n', 0o644) }).problems,
    ).toEqual([]);
  });

  test('miss an env file that was named', () => {
    expect(checkSettings({ ...enough, GITLAB_SPOT_ENV_FILE: '/nowhere/env' }).problems).toEqual([
      'the env file /nowhere/env does not exist: fix it, or change GITLAB_SPOT_ENV_FILE',
    ]);
  });

  test('may lack the cloud for what never asks it', () => {
    expect(readSettings({ GITLAB_SPOT_ENV_FILE: '' }, { cloud: false }).cloud.region).toBe('');
  });

  test('read budgets by project', () => {
    const settings = readSettings({
      ...enough,
      GITLAB_SPOT_BUDGET: '300',
      GITLAB_SPOT_BUDGET_PER_PROJECT: 'a/b=50,*=20.5',
    });
    expect(settings.budget).toEqual({
      currency: 'CNY',
      monthlyYuan: 300,
      perProjectYuan: { 'a/b': 50, '*': 20.5 },
      action: 'refuse',
    });
  });

  test.each([
    ['1/3', { monthlyYuan: 33.33, perProjectYuan: { 'a/b': 10 } }],
    ['0.5', { monthlyYuan: 50, perProjectYuan: { 'a/b': 15 } }],
  ])('give a host its share of them: %s', (share, budget) => {
    const sums = { GITLAB_SPOT_BUDGET: '100', GITLAB_SPOT_BUDGET_PER_PROJECT: 'a/b=30' };
    expect(readSettings({ ...enough, ...sums, GITLAB_SPOT_BUDGET_SHARE: share }).budget).toMatchObject(budget);
  });

  test.each(['0', '2', '3/2', '1/0', 'half'])('refuse a share of %s', (share) => {
    expect(checkSettings({ ...enough, GITLAB_SPOT_BUDGET_SHARE: share }).problems).toEqual([
      expect.stringContaining('GITLAB_SPOT_BUDGET_SHARE must be a part such as 1/3 or 0.25'),
    ]);
  });
});

test('a host that nobody has set up is told to run init', () => {
  expect(() => readSettings({})).toThrow('Not configured yet');
  for (const needs of [{ cloud: true }, { cloud: false }])
    expect(() => readSettings({ ...enough, GITLAB_SPOT_ENV_FILE: '/nowhere/env' }, needs)).toThrow(
      expect.objectContaining({
        message: 'Not configured yet (the env file /nowhere/env does not exist)',
        remedy: 'Run `gitlab-spot init`.',
      }),
    );
  expect(() => readSettings({ ALICLOUD_REGION: 'cn-hangzhou' })).toThrow(/GITLAB_SPOT_VPC_ID are missing/);
});
