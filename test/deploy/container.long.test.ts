import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostStartMs } from '../../src/host/process-owner';
import { describeWithDocker } from '../support/docker';
import { read } from './files';

const PROGRAMS = 'bash sh cat sleep grep sed xargs find wc rm id env mkdir touch ls tail'.split(' ');

/**
 * The container of deploy/runner as docker runs it: entry point and PID namespace are real, runner
 * and reaper are stand-ins.
 */
describeWithDocker('the runner’s container in a real engine', (daemon) => {
  let work: string;
  let volume: string;
  let id: string;

  beforeAll(() => daemon.importImage('base', PROGRAMS), 120_000);
  beforeEach(() => {
    work = mkdtempSync(path.join(tmpdir(), 'container-'));
    volume = path.join(work, 'volume');
    mkdirSync(path.join(volume, 'stacks'), { recursive: true });
    writeFileSync(path.join(volume, 'stacks/instances.yaml'), '');
  });
  afterEach(async () => {
    await daemon.docker('rm', '-f', id);
    rmSync(work, { recursive: true });
  });

  const program = (name: string, text: string) =>
    writeFileSync(path.join(volume, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });

  async function start(): Promise<void> {
    program('entrypoint', read('runner/entrypoint.sh'));
    program('gitlab-spot-stop-runner', read('runner/stop-runner.sh'));
    program('gitlab-runner', "trap 'echo runner quit; exit 0' QUIT\necho runner ready\nwhile :; do sleep 0.1; done");
    const environment = {
      PATH: '/volume:/bin',
      CONFIG_FILE: '/volume/config.toml',
      GITLAB_SPOT_ENV_FILE: '/volume/env',
      GITLAB_SPOT_STATE_DIR: '/volume',
      GITLAB_SPOT_PACKAGE: '/volume',
      READINESS_SECONDS: '0.2',
    };
    const flags = Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const where = ['--network=none', '--volume', `${volume}:/volume`, '--entrypoint', '/volume/entrypoint'];
    id = (await daemon.docker('run', '--detach', ...where, ...flags, 'base', 'serve')).trim();
  }

  /** Waits until one of its processes has said that. */
  async function said(sentence: string): Promise<void> {
    while (!(await daemon.docker('logs', id)).includes(sentence)) await sleep(100);
  }

  it('is up before a runner is registered, and runs it then; a stop waits for the reap that is under way', async () => {
    writeFileSync(path.join(volume, 'env'), '');
    program(
      'gitlab-spot',
      'echo reap begins\nuntil [ -e /volume/may-end ]; do sleep 0.1; done\nsleep 1\necho reap ends',
    );
    await start();
    await said('reap begins');
    writeFileSync(path.join(volume, 'config.toml'), '');
    await said('runner ready');
    const stopped = daemon.docker('stop', '--timeout', '60', id);
    await said('runner quit');
    writeFileSync(path.join(volume, 'may-end'), '');
    await stopped;
    await said('reap ends');
    expect(await daemon.docker('inspect', '--format', '{{.State.ExitCode}}', id)).toBe('0\n');
  }, 120_000);

  it('counts as a restarted host when it was restarted', async () => {
    writeFileSync(path.join(volume, 'config.toml'), '');
    program('gitlab-spot', 'exit 0');
    await start();
    await said('runner ready');
    const first = await startOf();
    await sleep(2_000);
    const beforeMs = Date.now();
    await daemon.docker('restart', '--timeout', '30', id);
    const second = await startOf();
    // To a second: the kernel's start is told in whole ones.
    expect(second).toBeGreaterThanOrEqual(beforeMs - 1_000);
    expect(second).toBeGreaterThan(first + 1_000);
  }, 120_000);

  /** As the reaper in the container computes it, from the container's own /proc. */
  async function startOf(): Promise<number> {
    mkdirSync(path.join(work, '1'), { recursive: true });
    for (const file of ['stat', '1/stat'])
      writeFileSync(path.join(work, file), await daemon.docker('exec', id, 'cat', `/proc/${file}`));
    return hostStartMs(work);
  }
});
