import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Finding } from '../../src/doctor/finding';
import type { InstanceReport } from '../../src/doctor/instance/examine';
import { World } from '../support/world';

/**
 * `gitlab-spot doctor --instance`: an instance as a job gets it, looked at from inside, and gone
 * again whatever happens.
 */
jest.setTimeout(180_000);

const program = path.resolve(__dirname, '../../dist/cli/gitlab-spot.js');
const standIn = path.resolve(__dirname, '../../dist/sandbox/bin-instance/docker');
let world: World;
let tools: string;
beforeAll(async () => {
  tools = mkdtempSync(path.join(tmpdir(), 'doctor-instance-'));
  const docker = path.join(tools, 'docker');
  // With a mirror that is down.
  const script = `#!/bin/sh\n[ "$1" != info ] || exec echo '["http://127.0.0.1:9"]'\nexec ${standIn} "$@"\n`;
  writeFileSync(docker, script, { mode: 0o755 });
  world = await World.start({
    programs: { docker: { file: docker } },
    providerSleeps: 'create=1500,delete=50,network=20,poll=50,retry=50',
  });
});
afterAll(async () => {
  await world.close();
  rmSync(tools, { recursive: true });
});

/** A runner whose instances reach GitLab there. */
function config(name: string, lines: readonly string[]): string {
  const file = path.join(world.sandbox.directory, `${name}.toml`);
  writeFileSync(
    file,
    [
      '[[runners]]',
      'name = "gitlab-spot"',
      'executor = "custom"',
      ...lines,
      '[runners.custom]',
      'run_exec = "/x/executor/run.js"',
    ].join('\n'),
  );
  return file;
}

async function report(args: readonly string[], change: Readonly<Record<string, string>> = {}) {
  const { exitCode, stdout, stderr } = await world.gitlabSpot(['doctor', '--json', ...args], change);
  if (stdout === '') throw new Error(stderr);
  const answer = JSON.parse(stdout) as InstanceReport;
  const of = (condition: string): Finding | undefined => answer.findings.find((one) => one.condition === condition);
  return { exitCode, stderr, answer, of };
}

test('tells how long each point of the start took and what is there, and leaves nothing', async () => {
  const reached = `http://${world.sandbox.info.endpoint}/-/control/nothing`;
  const file = config('good', [`url = "http://${world.sandbox.info.endpoint}"`]);
  const { exitCode, answer, of, stderr } = await report(['--instance', 'small', '--config', file, '--reach', reached]);
  expect(answer.findings.filter(({ state }) => state === 'bad')).toEqual([]);
  expect(exitCode).toBe(0);
  expect(answer).toMatchObject({
    profile: 'small',
    instance: { instanceType: expect.stringMatching(/\.large$/) as string },
  });
  const { asked, created, sshLogin, ready, ...others } = answer.seconds;
  expect(Object.keys(answer.seconds)).toEqual(['asked', 'created', 'running', 'sshPort', 'sshLogin', 'ready']);
  // The cloud is asked once a second whether it runs: its port may be found open before.
  expect([asked, created, sshLogin, ready]).toEqual([asked, created, sshLogin, ready].sort((a, b) => a! - b!));
  for (const at of Object.values(others)) expect(at).toBeGreaterThan(asked!);
  for (const condition of ['machine', 'git', 'docker', 'gitlab-runner', 'GitLab', 'reach', 'clean up'])
    expect({ condition, state: of(condition)?.state }).toEqual({ condition, state: 'good' });
  expect(of('registry mirror')).toMatchObject({
    state: 'warning',
    detail: expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/v2\/ can't be reached: /) as string,
    remedy: expect.stringContaining('DOCKER_MIRROR') as string,
  });
  expect(stderr).toMatch(/Waiting for SSH at \S+ \(limit 300 s\)/);
  expect(await world.leftovers()).toEqual([]);
});

test('names what an instance lacks: GitLab, names, docker, gitlab-runner', async () => {
  const file = config('bad', ['url = "http://127.0.0.1:9"', 'clone_url = "http://gitlab.invalid"']);
  const profiles = path.join(world.sandbox.directory, 'bare.yaml');
  // The cloud's own image has nothing of ours.
  writeFileSync(
    profiles,
    'default: bare\nprofiles:\n  bare: { types: [ecs.c7.large], image: ubuntu_24_04_x64_20G_alibase.vhd, allow: { projects: [x/y] } }\n',
  );
  const { exitCode, of } = await report(['--instance', '--config', file], {
    GITLAB_SPOT_PROFILES_FILE: profiles,
    GITLAB_SPOT_RUNNER_HELPER: 'none',
  });
  expect(exitCode).toBe(1);
  expect(of('GitLab')).toMatchObject({
    state: 'bad',
    detail: expect.stringMatching(/127\.0\.0\.1:9\S* can't be reached/) as string,
  });
  expect(of('GitLab at clone_url')).toMatchObject({
    state: 'bad',
    remedy: expect.stringContaining('--clone-url') as string,
  });
  expect(of('name resolution')).toMatchObject({
    state: 'bad',
    detail: expect.stringContaining('gitlab.invalid') as string,
  });
  expect(of('docker')).toMatchObject({
    state: 'warning',
    detail: expect.stringContaining('there is no docker') as string,
  });
  expect(of('gitlab-runner')).toMatchObject({
    state: 'bad',
    detail: expect.stringContaining('would be lost') as string,
  });
  expect(await world.leftovers()).toEqual([]);
});

test('names why no instance came, and leaves nothing', async () => {
  await world.sandbox.control.inject({
    action: 'RunInstances',
    error: { status: 403, code: 'QuotaExceed.ElasticQuota', message: 'Used up.' },
  });
  const { exitCode, answer, of } = await report(['--instance', '--config', config('quota', [])]);
  await world.sandbox.control.clearFaults();
  expect(exitCode).toBe(1);
  expect(answer.instance).toBeUndefined();
  expect(of('instance')).toMatchObject({
    state: 'bad',
    detail: expect.stringContaining('QuotaExceed.ElasticQuota') as string,
  });
  expect(await world.leftovers()).toEqual([]);
});

function start() {
  const child = spawn(process.execPath, [program, 'doctor', '--instance'], {
    env: world.environment() as NodeJS.ProcessEnv,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  const said = (text: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error(`it has ended: ${told}`)));
      child.stderr.setEncoding('utf8').on('data', (more: string) => {
        told += more;
        if (text.test(told)) resolve();
      });
    });
  return { child, said, told: () => told };
}

test('cleans up when it is interrupted in the middle of the start', async () => {
  const { child, said, told } = start();
  await said(/Instance \S+ (was accepted|is running)/);
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([130, null]);
  expect(told()).toContain('Cleaning up');
  expect(await world.leftovers()).toEqual([]);
});

test('leaves what reap finds when it is killed', async () => {
  const { child, said } = start();
  await said(/Instance \S+ (was accepted|is running)/);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect((await world.leftovers()).length).toBeGreaterThan(0);
  const kept = await world.gitlabSpot(['jobs', 'ls', '--json']);
  expect(JSON.parse(kept.stdout)).toMatchObject([{ phase: 'preparing', project: 'gitlab-spot/doctor' }]);
  expect(await world.gitlabSpot(['reap', '--yes', '--grace', '0s'])).toMatchObject({ exitCode: 0 });
  expect(await world.leftovers()).toEqual([]);
});
