import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { builtFolder, runnerEnvironment, type Sandbox } from '../../sandbox/start';
import { gitlabSpot, type CommandResult } from '../support/cli';
import { World } from '../support/world';

/** `gitlab-spot image`, against the simulated cloud. */
let world: World;
let sandbox: Sandbox;
let directory: string;
let script: string;

beforeAll(async () => {
  world = await World.start();
  sandbox = world.sandbox;
  directory = mkdtempSync(path.join(tmpdir(), 'image-'));
  script = path.join(directory, 'provision.sh');
  await sandbox.control.setDelays({ imageMs: 100 });
});
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  await world.close();
});
beforeEach(async () => {
  await sandbox.control.clearFaults();
  writeFileSync(script, 'echo "provisioned on $(hostname)"\n');
});

const image = (args: readonly string[], change: Record<string, string> = {}) =>
  gitlabSpot(['image', ...args], { ...runnerEnvironment(sandbox), ...change });
const build = (name: string, ...more: string[]) => image(['build', name, '--script', script, ...more]);

async function expectNothingLeft(): Promise<void> {
  expect(await sandbox.control.leftovers()).toMatchObject({ instances: [], securityGroupIds: [], keyPairNames: [] });
  expect(world.jobFolders()).toEqual([]);
}

it('makes an image of a provisioned instance, shows what happens, and leaves nothing else', async () => {
  const result = await build('java23-test');
  expect(result.stderr).toContain('provisioned on');
  expect(result.stderr).toMatch(/Waiting for i-\S+ to stop \(limit 5 min\)/);
  expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^m-\S+\n$/) as string });
  await expectNothingLeft();
  const { stdout } = await image(['ls', 'java23-test', '--json']);
  expect(JSON.parse(stdout)).toMatchObject([
    { imageId: result.stdout.trim(), family: 'java23-test', status: 'Available', tags: { 'gitlab-spot': 'image' } },
  ]);
});

it('keeps the newest, and removes one by its name', async () => {
  const first = await build('kept', '--keep', '1');
  expect(first.exitCode).toBe(0);
  const second = await build('kept', '--keep', '1');
  expect(second.stderr).toContain(`(${first.stdout.trim()})`);
  const { stdout } = await image(['ls', 'kept']);
  expect(stdout).toContain(second.stdout.trim());
  expect(stdout).not.toContain(first.stdout.trim());
  expect(await image(['rm', second.stdout.trim()])).toMatchObject({ exitCode: 0 });
  expect((await image(['ls', 'kept'])).stdout).toContain('There is no image yet');
});

it('leaves nothing when the script fails, and says so', async () => {
  writeFileSync(script, 'echo "no such package" >&2\nexit 3\n');
  const result = await build('broken');
  expect(result).toMatchObject({ exitCode: 1, stdout: '' });
  expect(result.stderr).toContain('no such package');
  expect(result.stderr).toContain('The provisioning script ended with exit 3');
  await expectNothingLeft();
});

it('tries another pool when one is sold out', async () => {
  await sandbox.control.inject({
    action: 'RunInstances',
    error: { status: 403, code: 'OperationDenied.NoStock', message: 'Sold out.' },
    times: 1,
  });
  const result = await build('elsewhere');
  expect(result.stderr).toMatch(/OperationDenied.NoStock.*trying the next/);
  expect(result.exitCode).toBe(0);
});

it('says for each pool why there is none, and begins nothing', async () => {
  await sandbox.control.setPool({}, { stock: 'WithoutStock' });
  const result = await image(['build', 'nowhere', '--script', script], {
    GITLAB_SPOT_STATE_DIR: path.join(directory, 'state'),
  });
  await sandbox.control.setPool({}, { stock: 'WithStock' });
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(
    /^gitlab-spot: No pool can be had now for profile standard: ecs\.\S+ in \S+ \(spot\): no stock; .* more\..*\n$/,
  );
});

it.each([
  ['a quota', 'RunInstances', 'QuotaExceed.ElasticQuota', 'Raise the quota in the console'],
  ['a quota of images', 'CreateImage', 'QuotaExceed.Image', 'remove older images: `gitlab-spot image ls`'],
  ['a missing permission', 'CreateSecurityGroup', 'Forbidden.RAM', 'gitlab-spot ram-policy'],
])('names the cause when the cloud refuses because of %s, and leaves nothing', async (_what, action, code, remedy) => {
  await sandbox.control.inject({ action, error: { status: 403, code, message: 'Refused.' } });
  const result = await build('refused');
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(new RegExp(`^gitlab-spot: Alibaba Cloud refused ${action}: ${code}, .*${remedy}`, 'm'));
  await sandbox.control.clearFaults();
  await expectNothingLeft();
});

/** A build that gets a signal, as Ctrl-C sends it, once it has said this. */
function interrupted(name: string, said: string, signal: NodeJS.Signals): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const program = path.resolve(builtFolder(), '../cli/gitlab-spot.js');
    const child = spawn(process.execPath, [program, 'image', 'build', name, '--script', script], {
      env: runnerEnvironment(sandbox),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (!stderr.includes(said) && (stderr + text).includes(said)) process.kill(-child.pid!, signal);
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}

it.each<[NodeJS.Signals, string, string]>([
  ['SIGINT', 'is being created', 'Starting ecs.'],
  ['SIGTERM', 'is provisioned', 'at work now'],
  ['SIGHUP', 'is made into an image', 'Waiting for image m-'],
])('%s while the instance %s leaves nothing', async (signal, _when, said) => {
  writeFileSync(script, `echo at work now\n${said === 'at work now' ? 'sleep 60\n' : ''}`);
  await sandbox.control.setDelays({ imageMs: 60_000 });
  const result = await interrupted('stopped', said, signal);
  await sandbox.control.setDelays({ imageMs: 100 });
  expect(result).toMatchObject({ exitCode: 130, stdout: '' });
  expect(result.stderr).toContain('Destroying the stack image-stopped-');
  await expectNothingLeft();
  expect((await image(['ls', 'stopped'])).stdout).toContain('There is no image yet');
});

it('a build that was killed is ended by the next round of the reaper', async () => {
  writeFileSync(script, 'echo at work now\nsleep 60\n');
  expect(await interrupted('killed', 'at work now', 'SIGKILL')).toMatchObject({ exitCode: null });
  expect((await sandbox.control.leftovers()).instances).toHaveLength(1);
  const { stderr } = await world.gitlabSpot(['reap', '--yes']);
  expect(stderr).toMatch(/Destroying image-killed-\d+, which a killed image build left behind/);
  await expectNothingLeft();
  expect((await world.gitlabSpot(['reap', '--yes'])).stderr).not.toContain('image-killed');
});

it('the next job of a profile that names the family gets its newest image', async () => {
  const { stdout } = await build('gitlab-spot-java23');
  expect((await world.job('true')).state).toBe('success');
  const launches = (await sandbox.control.calls()).filter(({ action }) => action === 'RunInstances');
  expect(launches.at(-1)!.params).toMatchObject({ ImageId: stdout.trim() });
  await world.nothingLeft();
});

it.each([
  [['build', 'Upper Case'], "can't be an image family"],
  [['build', 'ok', '--base', 'acs:nothing', '--script', '/dev/null'], 'There is no image acs:nothing in this region'],
  [['build', 'ok', '--script', '/nowhere.sh'], 'The provisioning script /nowhere.sh'],
  [['build', 'ok', '--keep', '0'], '--keep must be a whole number above 0'],
  [['build', 'ok', '--profile', 'huge', '--script', '/dev/null'], 'There is no profile "huge"'],
  [['rm', 'm-nowhere'], 'There is no image m-nowhere that was made here'],
])('answers %j with one sentence', async (args, sentence) => {
  const result = await image(args);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain(sentence);
});
