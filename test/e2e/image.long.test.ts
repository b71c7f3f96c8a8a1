import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { builtFolder, runnerEnvironment, type Sandbox } from '../../sandbox/start';
import { gitlabSpot, type CommandResult } from '../support/cli';
import { HookedJob } from '../support/hooked-job';
import { World } from '../support/world';

jest.setTimeout(180_000);

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

it('makes an image of a provisioned instance, which the next job of its profile gets; the older one goes', async () => {
  const first = await build('gitlab-spot-java23', '--keep', '1');
  expect(first.stderr).toContain('provisioned on');
  expect(first.stderr).toMatch(/Waiting for i-\S+ to stop \(limit 5 min\)/);
  expect(first).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^m-\S+\n$/) as string });
  await expectNothingLeft();
  const [older, newer] = [first, await build('gitlab-spot-java23', '--keep', '1')].map(({ stdout }) => stdout.trim());
  const { stdout } = await image(['ls', 'gitlab-spot-java23', '--json']);
  // What somebody made by hand stays.
  expect(JSON.parse(stdout)).toMatchObject([
    { imageId: newer, family: 'gitlab-spot-java23', status: 'Available', tags: { 'gitlab-spot': 'image' } },
    { family: 'gitlab-spot-java23', tags: {} },
  ]);
  expect(newer).not.toBe(older);

  const job = new HookedJob(world);
  await job.prepare();
  const launches = (await sandbox.control.calls()).filter(({ action }) => action === 'RunInstances');
  expect(launches.at(-1)!.params).toMatchObject({ ImageId: newer });
  await job.cleanUp();
  await world.nothingLeft();

  expect(await image(['rm', newer!])).toMatchObject({ exitCode: 0 });
  expect((await image(['ls', 'gitlab-spot-java23'])).stdout).not.toContain(newer);
});

it('says for each pool why there is none, and begins nothing', async () => {
  await sandbox.control.setPool({}, { stock: 'WithoutStock' });
  const result = await image(['build', 'nowhere', '--script', script], {
    GITLAB_SPOT_STATE_DIR: path.join(directory, 'state'),
  });
  await sandbox.control.setPool({}, { stock: 'WithStock' });
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(
    /^gitlab-spot: No pool is available now for profile standard: ecs\.\S+ in \S+ \(spot\): no stock; .* more\..*\n$/,
  );
});

it('names the cause when the cloud refuses, and leaves nothing', async () => {
  const error = { status: 403, code: 'Forbidden.RAM', message: 'Refused.' };
  await sandbox.control.inject({ action: 'CreateSecurityGroup', error });
  const result = await build('refused');
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(
    /^gitlab-spot: Alibaba Cloud refused CreateSecurityGroup: Forbidden\.RAM, .*gitlab-spot ram-policy/m,
  );
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

it('SIGTERM while the instance is provisioned leaves nothing', async () => {
  writeFileSync(script, 'echo at work now\nsleep 60\n');
  const result = await interrupted('stopped', 'at work now', 'SIGTERM');
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

it('a killed build that can’t be destroyed keeps no other part of the round from its turn', async () => {
  const stack = 'image-stuck-20261101000000';
  const file = path.join(sandbox.directory, 'backend/.pulumi/stacks/gitlab-spot', `${stack}.json`);
  const resources = [{ urn: 'urn:nothing', type: 'no:such:Thing', custom: true, id: 'x' }];
  const latest = { manifest: { time: '2026-11-01T00:00:00Z', magic: '', version: '' }, resources };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    file,
    JSON.stringify({ version: 3, checkpoint: { stack: `organization/gitlab-spot/${stack}`, latest } }),
  );
  try {
    expect(await world.gitlabSpot(['reap', '--yes', '--json'])).toMatchObject({
      ...{ exitCode: 1, stdout: '[]\n' },
      stderr: expect.stringContaining('`pulumi destroy` failed') as string,
    });
  } finally {
    rmSync(file);
  }
});

it('begins with an image for the processor of the profile’s machines', async () => {
  const page = path.join(directory, 'arm.yaml');
  writeFileSync(
    page,
    'default: arm\nprofiles:\n  arm: { types: [ecs.c8y.large], image: ours, spot: { maxPrice: 1, fallback: none } }\n',
  );
  const made = await image(['build', 'ours', '--script', script], { GITLAB_SPOT_PROFILES_FILE: page });
  expect(made).toMatchObject({ exitCode: 0 });
  const launches = (await sandbox.control.calls()).filter(({ action }) => action === 'RunInstances');
  expect(launches.at(-1)).toMatchObject({ params: { ImageId: 'ubuntu_24_04_arm64_20G_alibase.vhd' } });
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
