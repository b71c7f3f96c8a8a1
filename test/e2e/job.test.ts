import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { programOn } from '../../sandbox/start';
import { readable, World } from '../support/world';

/**
 * One job through the built hooks, in the sandbox: what its author and the platform team see of it.
 */
jest.setTimeout(120_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

describe('a job', () => {
  test('runs on an instance of its own, shows its output and what it cost, and leaves nothing', async () => {
    const job = await world.job(['echo "hello from $CI_JOB_NAME"', 'test -f .gitlab-ci.yml']);
    const log = readable(job.log);
    expect(job).toMatchObject({ state: 'success', attempts: 1 });
    expect(log).toContain('hello from job');
    expect(log).toMatch(/Ready after .*: i-\w+ \(ecs\.[\w.-]+\) at 127\.\d+\.\d+\.\d+/);
    expect(log.match(/^Cost: .* on ecs\.[\w.-]+ at [\d.]+ yuan\/h: 0\.\d+ yuan/gm)).toHaveLength(1);
    await world.nothingLeft();
  });

  test('fails with its own exit code, also with 255, which ssh uses for failures of its own', async () => {
    const job = await world.job('exit 255');
    expect(job).toMatchObject({ state: 'failed', failureReason: 'script_failure', exitCode: 255 });
  });

  test("which reads standard input, leaves a process behind and ends without a newline, ends at once, and knows no secret of the runner's host", async () => {
    const job = await world.job([
      'env; cat /proc/self/environ | tr "\\0" "\\n"',
      'cat',
      '(sleep 300 &) ; printf "no newline at the end"',
    ]);
    const { ALICLOUD_SECRET_KEY, ALICLOUD_ACCESS_KEY } = world.sandbox.environment;
    expect(job.state).toBe('success');
    expect(readable(job.log)).toContain('no newline at the end');
    expect(job.durationMs).toBeLessThan(60_000);
    expect(job.log).not.toContain(ALICLOUD_SECRET_KEY);
    expect(job.log).not.toContain(ALICLOUD_ACCESS_KEY);
    expect(job.log).not.toMatch(/PULUMI_CONFIG_PASSPHRASE/);
  });
});

test('the sample pipeline goes from gradle by docker to kubectl, each job on a machine of its profile', async () => {
  // Instances see nothing of this machine's temporary folder, but share one for caches.
  const tools = mkdtempSync(path.join(world.sandbox.directory, 'cache', 'tools-'));
  const tool = (name: string, script = '') =>
    writeFileSync(path.join(tools, name), `#!/bin/sh\necho "${name} $*"\n${script}`, { mode: 0o755 });
  tool('java');
  tool('gradle', '[ "$1" != build ] || { mkdir -p build/libs && touch build/libs/app.jar; }\n');
  tool('docker', 'case $1 in login) grep -qx pass ;; build) test -f build/libs/app.jar ;; esac\n');
  tool('kubectl');
  // The stand-in, or the real one where the sandbox has that.
  const runner = programOn(world.environment().PATH ?? '', 'gitlab-runner')!;
  symlinkSync(realpathSync(runner), path.join(tools, 'gitlab-runner'));
  try {
    const { jobs } = await world.pipeline(
      readFileSync(path.resolve(__dirname, '../../deploy/gitlab-ci.sample.yml'), 'utf8'),
      {
        files: { Dockerfile: 'FROM scratch\n', 'gradle/wrapper/gradle-wrapper.properties': '' },
        variables: {
          PATH: `${tools}:/usr/local/bin:/usr/bin:/bin`,
          CI_REGISTRY: 'registry.example.com',
          CI_REGISTRY_IMAGE: 'registry.example.com/team/app',
          CI_REGISTRY_USER: 'ci',
          CI_REGISTRY_PASSWORD: 'pass',
        },
      },
    );
    expect(jobs.map(({ name, state }) => `${name}: ${state}`)).toEqual([
      'build: success',
      'container: success',
      'deploy: success',
    ]);
    const [build, container, deploy] = jobs.map(({ log }) => readable(log));
    expect(build).toContain('gradle build');
    expect(container).toMatch(/docker push registry\.example\.com\/team\/app:[0-9a-f]{8}\n[\s\S]*docker logout/);
    expect(deploy).toMatch(/Profile small[\s\S]*kubectl set image deployment\/app app=registry\.example\.com/);
  } finally {
    rmSync(tools, { recursive: true });
  }
});
