import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startSandbox, type Sandbox } from '../../sandbox/start';

const root = path.join(__dirname, '../..');

jest.setTimeout(180_000);

let sandbox: Sandbox;
/** The repository's root, without what a person may have configured there. */
const directory = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-foundation-'));

beforeAll(async () => {
  sandbox = await startSandbox();
  copyFileSync(path.join(root, 'Pulumi.yaml'), path.join(directory, 'Pulumi.yaml'));
  for (const name of ['stacks', 'node_modules', 'package.json']) {
    symlinkSync(path.join(root, name), path.join(directory, name));
  }
});

afterAll(async () => {
  await sandbox.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** `pulumi` as a person types it in the repository's root. */
const pulumi = (...args: readonly string[]): Promise<Outcome> => pulumiWith({}, ...args);

function pulumiWith(change: Record<string, string>, ...args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, ...sandbox.environment, PULUMI_NODEJS_TRANSPILE_ONLY: 'true', ...change };
  return new Promise((resolve) => {
    execFile('pulumi', [...args, '--non-interactive'], { cwd: directory, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}

function configure(foundation: object): void {
  const values = { 'alicloud:region': 'cn-hangzhou', 'gitlab-spot:foundation': foundation };
  writeFileSync(path.join(directory, 'Pulumi.foundation.yaml'), JSON.stringify({ config: values }));
}

test('pulumi up from the root makes network, way out, buckets and role; a second one changes nothing; destroy removes all', async () => {
  const whole = { network: { nat: { bandwidthMbps: 10 } } };
  configure(whole);
  await expect(pulumi('stack', 'init', 'foundation')).resolves.toMatchObject({ code: 0 });
  const up = await pulumi('up', '--yes', '--skip-preview', '--stack', 'foundation');
  expect(up).toMatchObject({ code: 0, output: expect.stringMatching(/\+ 19 created/) as string });
  expect(up.output).toMatch(/backendUrl *: "s3:\/\/gitlab-spot-state-\w+\?region=cn-hangzhou/);

  // Another host's, in the same VPC.
  const vpcId = /vpcId *: "(vpc-\w+)"/.exec(up.output)![1]!;
  configure({ network: { vpcId, cidrBlock: '10.86.0.0/16' }, cache: false, state: false, role: false });
  mkdirSync(path.join(directory, 'backend'));
  const second = { PULUMI_BACKEND_URL: `file://${directory}/backend` };
  await pulumiWith(second, 'stack', 'init', 'foundation');
  const conflict = await pulumiWith(second, 'up', '--yes', '--skip-preview', '--stack', 'foundation');
  expect(conflict.code).not.toBe(0);
  expect(conflict.output).toMatch(/Code: InvalidCidrBlock\.Overlapped/);
  configure(whole);

  const again = await pulumi('preview', '--stack', 'foundation');
  expect(again).toMatchObject({ code: 0, output: expect.stringMatching(/19 unchanged/) as string });

  const destroy = await pulumi('destroy', '--yes', '--skip-preview', '--stack', 'foundation');
  expect(destroy).toMatchObject({ code: 0, output: expect.stringMatching(/- 19 deleted/) as string });
});

test('an account that may not create a role says which permission is missing', async () => {
  configure({ cache: false, state: false });
  await sandbox.control.inject({
    action: 'CreateRole',
    error: {
      status: 403,
      code: 'NoPermission',
      message: 'You are not authorized to do this action. Resource: acs:ram:*:*:role/* Action: ram:CreateRole',
    },
    times: 1,
  });
  const up = await pulumi('up', '--yes', '--skip-preview', '--stack', 'foundation');
  expect(up.code).not.toBe(0);
  expect(up.output).toContain('Action: ram:CreateRole');
  await expect(pulumi('destroy', '--yes', '--skip-preview', '--stack', 'foundation')).resolves.toMatchObject({
    code: 0,
  });
});

test('a region that sells none of the types gets one sentence', async () => {
  configure({ instanceTypes: ['ecs.none.large'] });
  const up = await pulumi('preview', '--stack', 'foundation');
  expect(up.code).not.toBe(0);
  expect(up.output).toContain(
    'no zone of cn-hangzhou sells ecs.none.large as spot instances: name other types or another region',
  );
  expect(up.output).not.toMatch(/^\s+at /m);
});

test('a region that does not exist is named, without a trace of our program', async () => {
  configure({});
  const values = readFileSync(path.join(directory, 'Pulumi.foundation.yaml'), 'utf8');
  writeFileSync(path.join(directory, 'Pulumi.foundation.yaml'), values.replace('cn-hangzhou', 'cn-hangzou'));
  const up = await pulumi('preview', '--stack', 'foundation');
  expect(up.code).not.toBe(0);
  expect(up.output).toContain('ErrorCode: InvalidRegionId.NotFound');
  expect(up.output).not.toMatch(/^\s+at /m);
});

test('a job stack without configuration says in one sentence where it comes from', async () => {
  await pulumi('stack', 'init', 'job-try');
  const preview = await pulumi('preview', '--stack', 'job-try');
  expect(preview.code).not.toBe(0);
  expect(preview.output).toMatch(/stack job-try has no configuration for a job .* copy stacks\/job\.example\.yaml/);
});
