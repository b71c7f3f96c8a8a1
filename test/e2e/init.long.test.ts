import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'dotenv';
import { runnerEnvironment, startSandbox, type Sandbox } from '../../sandbox/start';
import { gitlabSpot } from '../support/cli';
import { readOnlyFolder, withoutReadOnly } from '../support/mounts';
import { testUnless } from '../support/skip';

/** `gitlab-spot init`, as a person without a terminal runs it, against the simulated cloud. */
let sandbox: Sandbox;
let directory: string;
let envFile: string;

beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'init-'));
  envFile = path.join(directory, 'env');
});
afterEach(async () => {
  rmSync(directory, { recursive: true, force: true });
  await sandbox.control.clearFaults();
});

/** A host that knows only where the simulated cloud is. */
function host(change: Record<string, string | undefined> = {}): Record<string, string | undefined> {
  return {
    ...runnerEnvironment(sandbox),
    ALICLOUD_ACCESS_KEY: undefined,
    ALICLOUD_SECRET_KEY: undefined,
    ALICLOUD_REGION: undefined,
    GITLAB_SPOT_VPC_ID: undefined,
    GITLAB_SPOT_ENV_FILE: envFile,
    ...change,
  };
}

const account = () => [
  '--region',
  sandbox.info.region,
  '--access-key',
  sandbox.info.accessKeyId,
  '--secret-key-file',
  '-',
];
const init = (
  args: readonly string[],
  change?: Record<string, string | undefined>,
  secret = sandbox.info.accessKeySecret,
) => gitlabSpot(['init', '--yes', ...args], host(change), secret);
const written = () => parse(readFileSync(envFile));

it('writes an env file for its owner only, with what was checked', async () => {
  const result = await init([...account(), '--vpc', sandbox.info.vpcId]);
  expect(result.stderr).toContain('Credentials: good');
  expect(result).toMatchObject({ exitCode: 0, stdout: '' });
  expect(statSync(envFile).mode & 0o777).toBe(0o600);
  expect(written()).toMatchObject({
    ALICLOUD_REGION: sandbox.info.region,
    ALICLOUD_ACCESS_KEY: sandbox.info.accessKeyId,
    ALICLOUD_SECRET_KEY: sandbox.info.accessKeySecret,
    GITLAB_SPOT_VPC_ID: sandbox.info.vpcId,
  });
  expect(result.stderr).not.toContain(sandbox.info.accessKeySecret);
});

it('keeps lines that it does not know, and the answers of the last time', async () => {
  writeFileSync(envFile, '# by Li\nGITLAB_SPOT_BUDGET=300\n', { mode: 0o600 });
  await init([...account(), '--vpc', sandbox.info.vpcId]);
  const before = readFileSync(envFile, 'utf8');
  expect(before).toMatch(/^# by Li\nGITLAB_SPOT_BUDGET=300\n/);
  expect(await init([])).toMatchObject({ exitCode: 0 });
  expect(readFileSync(envFile, 'utf8')).toBe(before);
});

it('makes the foundation, and its network is the one that jobs get', async () => {
  const result = await init([...account(), '--foundation', '--no-cache', '--foundation-name', 'made-by-init']);
  expect(result.stderr).toContain('Foundation: vpc-');
  expect(result.exitCode).toBe(0);
  expect(written().GITLAB_SPOT_VPC_ID).toMatch(/^vpc-/);
  expect(written().GITLAB_SPOT_VPC_ID).not.toBe(sandbox.info.vpcId);
  expect(written().GITLAB_SPOT_VSWITCH_IDS!.split(',').length).toBeGreaterThan(0);
  const other = await init([...account(), '--foundation', '--vpc', sandbox.info.vpcId]);
  expect(other).toMatchObject({ exitCode: 1 });
  expect(other.stderr).toMatch(/The foundation made vpc-\S+, and would delete it for vpc-/);
});

it('makes the foundation in a VPC that is there, around its vSwitches, with a security group for all jobs', async () => {
  const backend = { PULUMI_BACKEND_URL: `file://${directory}` };
  const zone = Object.keys(sandbox.info.vSwitchIds)[0]!;
  const inVpc = [...account(), '--foundation', '--no-cache', '--shared-group', '--vpc', sandbox.info.vpcId];
  const result = await init(inVpc, backend);
  expect(result.stderr).toContain(`Foundation: ${sandbox.info.vpcId} with a vSwitch in `);
  expect((await sandbox.control.leftovers()).securityGroupIds).toEqual([written().GITLAB_SPOT_SECURITY_GROUP_ID]);
  expect(written()).toMatchObject({
    GITLAB_SPOT_VPC_ID: sandbox.info.vpcId,
    GITLAB_SPOT_VSWITCH_IDS: expect.stringContaining(sandbox.info.vSwitchIds[zone]!) as string,
  });
});

const key = (id: string) => ['--access-key', id, '--secret-key-file', '-'];

it.each<[string, () => string[], string]>([
  [
    'an access key that does not exist',
    () => ['--region', 'cn-hangzhou', ...key('LTAInobody'), '--vpc', 'vpc-1'],
    'InvalidAccessKeyId',
  ],
  [
    'a region that does not exist',
    () => ['--region', 'cn-hangzou', ...key(sandbox.info.accessKeyId), '--vpc', sandbox.info.vpcId],
    'There is no region cn-hangzou for this account. Pass one of: cn-',
  ],
  [
    'a VPC of another region',
    () => ['--region', 'cn-beijing', ...key(sandbox.info.accessKeyId), '--vpc', sandbox.info.vpcId],
    'in cn-beijing',
  ],
  [
    'a vSwitch that the VPC does not have',
    () => [...account(), '--vpc', sandbox.info.vpcId, '--vswitches', 'vsw-nowhere'],
    'has no vSwitch vsw-nowhere. It has: vsw-',
  ],
  [
    'a foundation in a VPC that is not there',
    () => [...account(), '--foundation', '--vpc', 'vpc-nowhere'],
    'There is no VPC vpc-nowhere in cn-hangzhou. It has: vpc-',
  ],
  ['no network', () => account(), 'init does not know the network. Pass --vpc'],
  ['no credentials', () => ['--region', 'cn-hangzhou'], 'init has no credentials for Alibaba Cloud'],
])('refuses %s in one sentence, and writes nothing', async (_what, args, sentence) => {
  const result = await init(args());
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain(sentence);
  expect(result.stderr).not.toMatch(/^\s+at /m);
  expect(() => statSync(envFile)).toThrow('ENOENT');
});

it('names a wrong secret', async () => {
  const result = await init([...account(), '--vpc', sandbox.info.vpcId], {}, 'wrong');
  expect(result).toMatchObject({ exitCode: 1 });
  expect(result.stderr).toContain('SignatureDoesNotMatch');
});

it('names the action that a RAM user lacks', async () => {
  const { secret } = await sandbox.control.addAccessKey('LTAIblind', ['ecs:*']);
  const result = await init(
    [
      '--region',
      sandbox.info.region,
      '--access-key',
      'LTAIblind',
      '--secret-key-file',
      '-',
      '--vpc',
      sandbox.info.vpcId,
    ],
    {},
    secret,
  );
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain('Alibaba Cloud refused DescribeVpcs: Forbidden.RAM');
});

it('names an expired key', async () => {
  await sandbox.control.addAccessKey('LTAIold', ['ecs:*', 'vpc:*']);
  await sandbox.control.disableAccessKey('LTAIold');
  const result = await init([
    '--region',
    sandbox.info.region,
    '--access-key',
    'LTAIold',
    '--secret-key-file',
    '-',
    '--vpc',
    'vpc-1',
  ]);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(/InvalidAccessKeyId\S*/);
});

it('warns of a vSwitch that is nearly full', async () => {
  await init([...account(), '--vpc', sandbox.info.vpcId]);
  const instance = await gitlabSpot(['init', '--yes', '--vswitches', 'vsw-none'], host());
  const id = /It has: (vsw-[\w-]+)/.exec(instance.stderr)![1]!;
  await sandbox.control.setForeignAddresses(id, 4085);
  const result = await init([]);
  await sandbox.control.setForeignAddresses(id, 0);
  expect(result.stderr).toMatch(new RegExp(`${id} in \\S+ has only \\d+ free address(?:es)?: each job takes one`));
});

testUnless(withoutReadOnly(), 'asks nothing where its answers could not be kept', async () => {
  const place = readOnlyFolder();
  try {
    const file = path.join(place.folder, 'made/env');
    const result = await init([...account(), '--vpc', sandbox.info.vpcId, '--file', file]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/^gitlab-spot: \S+ can't be written \(E\w+\)\. Run the command as a user who .*\n$/);
  } finally {
    place.remove();
  }
});

it('tells what the cloud refused while it makes the foundation, and keeps what was typed', async () => {
  await sandbox.control.inject({
    action: 'CreateVpc',
    error: { status: 400, code: 'QuotaExceeded.Vpc', message: 'VPC quota exceeded.' },
  });
  const result = await init([...account(), '--foundation', '--no-cache', '--foundation-name', 'refused'], {
    PULUMI_BACKEND_URL: `file://${directory}`,
  });
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain('QuotaExceeded.Vpc, VPC quota exceeded. Raise the quota in the console, or use a');
  expect(result.stderr).toContain('init goes on from there when it is run again');
  expect(written().ALICLOUD_ACCESS_KEY).toBe(sandbox.info.accessKeyId);
});

it('asks nobody where there is no terminal', async () => {
  const result = await gitlabSpot(['init'], host());
  expect(result).toMatchObject({ exitCode: 1 });
  expect(result.stderr).toContain('init has nobody to ask: its input is not a terminal');
});
