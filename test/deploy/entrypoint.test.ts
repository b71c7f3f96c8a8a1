import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runTool } from '../support/tools';
import { inDeploy } from './files';

/** The container's entry point with stand-ins for gitlab-runner and gitlab-spot that write down what happens to them. */
let directory: string;
let children: ChildProcess[];

const events = (): string[] => {
  const file = path.join(directory, 'events');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};

function program(name: string, text: string): void {
  const file = path.join(directory, name);
  writeFileSync(file, `#!/bin/bash\nEVENTS=${directory}/events\n${text}`);
  chmodSync(file, 0o755);
}

function start(environment: Record<string, string> = {}) {
  const child = spawn(inDeploy('runner/entrypoint.sh'), ['serve'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: `${directory}:${process.env.PATH}`,
      HOME: directory,
      CONFIG_FILE: path.join(directory, 'config.toml'),
      RUNNER_PID_FILE: path.join(directory, 'runner.pid'),
      GITLAB_SPOT_ENV_FILE: path.join(directory, 'env'),
      REAP_INTERVAL_SECONDS: '0.05',
      DRAIN_SECONDS: '60',
      ...environment,
    },
  });
  children.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  return { child, exit, stderr: () => stderr };
}

async function until(event: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!events().includes(event)) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(directory, look);
    look();
  });
}

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'entrypoint-'));
  children = [];
  program('gitlab-spot', 'echo "reap $*" >> $EVENTS');
  program('gitlab-spot-stop-runner', `exec ${inDeploy('runner/stop-runner.sh')} "$@"`);
  // Ends at SIGQUIT, as one does that has no jobs.
  program(
    'gitlab-runner',
    "trap 'echo quit >> $EVENTS; exit 0' QUIT\ntrap 'echo term >> $EVENTS; exit 1' TERM\necho \"run $*\" >> $EVENTS\necho ready >> $EVENTS\nwhile :; do sleep 0.05; done\n",
  );
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

describe('the runner’s container', () => {
  it('starts gitlab-runner with its configuration', async () => {
    const { child, exit } = start();
    await until('ready');
    expect(events()[0]).toBe(`run run --config ${directory}/config.toml --working-directory ${directory}`);
    child.kill('SIGTERM');
    await exit;
  });

  it('lets an idle runner end at once, in order, and ends with its exit status', async () => {
    const { child, exit } = start();
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(events().filter((event) => event === 'quit' || event === 'term')).toEqual(['quit']);
  });

  it('has jobs aborted that are not over when the time to drain is', async () => {
    program(
      'gitlab-runner',
      "trap 'echo quit >> $EVENTS' QUIT\ntrap 'echo term >> $EVENTS; exit 3' TERM\necho ready >> $EVENTS\nwhile :; do sleep 0.05; done\n",
    );
    const { child, exit, stderr } = start({ DRAIN_SECONDS: '1' });
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(3);
    expect(events().filter((event) => event === 'quit' || event === 'term')).toEqual(['quit', 'term']);
    expect(stderr()).toContain('waiting for running jobs to end (limit 1 s, 0 s gone)');
  });

  it('ends only when the last destroys have', async () => {
    program('destroy', 'echo destroying >> $EVENTS\nsleep 1\necho destroyed >> $EVENTS');
    program(
      'gitlab-runner',
      // Its command line ends as that of a node which runs dist/executor/destroyer.js.
      "trap 'setsid destroy /x/executor/destroyer.js & until grep -q destroying $EVENTS; do sleep 0.05; done; exit 0' QUIT\necho ready >> $EVENTS\nwhile :; do sleep 0.05; done\n",
    );
    const { child, exit, stderr } = start({ GITLAB_SPOT_STATE_DIR: directory });
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(events()).toContain('destroyed');
    expect(stderr()).toContain('waiting for the last instances to be destroyed (limit 45 s)');
  });

  it('reaps once init has written the env file, again and again', async () => {
    writeFileSync(path.join(directory, 'env'), '');
    const { child, exit } = start();
    await until('reap reap --yes');
    child.kill('SIGTERM');
    await exit;
    expect(events()).toContain('reap reap --yes');
  });

  it('serves metrics where METRICS_LISTEN says so, and again when they end', async () => {
    program(
      'gitlab-spot',
      'grep -q ^metrics $EVENTS || { echo "$*" >> $EVENTS; exit 7; }\necho "again $*" >> $EVENTS\nexec sleep 60',
    );
    const { child, exit, stderr } = start({ METRICS_LISTEN: '127.0.0.1:9750', METRICS_RESTART_SECONDS: '0.05' });
    await until('ready');
    await until('again metrics --listen 127.0.0.1:9750');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(stderr()).toContain('metrics ended with exit 7; they come again');
  });

  it('does not reap before there is an env file, and says how to register', async () => {
    const { child, exit, stderr } = start();
    await until('ready');
    child.kill('SIGTERM');
    await exit;
    expect(events()).not.toContain('reap reap --yes');
    expect(stderr()).toContain('no runner is registered yet: docker compose exec runner gitlab-spot register');
  });

  it('goes on when a round of the reaper fails', async () => {
    writeFileSync(path.join(directory, 'env'), '');
    program(
      'gitlab-spot',
      'echo "reap $*" >> $EVENTS\n[ "$(wc -l < $EVENTS)" -lt 4 ] || echo enough >> $EVENTS\nexit 7',
    );
    const { child, exit, stderr } = start();
    await until('enough');
    child.kill('SIGTERM');
    await exit;
    expect(stderr()).toContain('the reaper ended with exit 7');
  });

  it('is healthy while the runner lives', async () => {
    const health = () =>
      runTool(inDeploy('runner/entrypoint.sh'), ['health'], {
        env: { PATH: process.env.PATH, RUNNER_PID_FILE: path.join(directory, 'runner.pid') },
      }).exitCode;
    expect(health()).not.toBe(0);
    const { child, exit } = start();
    await until('ready');
    expect(health()).toBe(0);
    child.kill('SIGTERM');
    await exit;
    expect(health()).not.toBe(0);
  });

  it('runs any other command as it is', () => {
    expect(runTool(inDeploy('runner/entrypoint.sh'), ['echo', 'hello world'])).toMatchObject({
      exitCode: 0,
      stdout: 'hello world\n',
    });
  });
});
