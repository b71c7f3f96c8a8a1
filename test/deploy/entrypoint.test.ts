import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SLEEPER, toldBeforeEachCommand } from '../support/each-command';
import { runTool } from '../support/tools';
import { inDeploy } from './files';

// A runner that did not hear the first SIGQUIT gets another after a minute, and a busy machine is
// slow to start a shell.
jest.setTimeout(300_000);

/**
 * The container's entry point with stand-ins for gitlab-runner and gitlab-spot that write down what
 * happens to them.
 */
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
      GITLAB_SPOT_STATE_DIR: directory,
      GITLAB_SPOT_PACKAGE: directory,
      READINESS_SECONDS: '0.05',
      REAP_INTERVAL_SECONDS: '0.05',
      DRAIN_SECONDS: '60',
      ...environment,
    },
  });
  children.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const said = (sentence: string) =>
    new Promise<void>((resolve) => {
      const look = () => stderr.includes(sentence) && resolve();
      child.stderr.on('data', look);
      look();
    });
  const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  return { child, exit, said, stderr: () => stderr };
}

const health = () =>
  runTool(inDeploy('runner/entrypoint.sh'), ['health'], {
    env: { PATH: process.env.PATH, RUNNER_PID_FILE: path.join(directory, 'runner.pid') },
  }).exitCode;

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
  writeFileSync(path.join(directory, 'config.toml'), '');
  mkdirSync(path.join(directory, 'stacks'));
  writeFileSync(path.join(directory, 'stacks/instances.yaml'), '');
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

  it('starts nothing at a signal that comes before it knows its runner, whose id is the last one’s', () => {
    const [stopRunner] = /^stop_runner\(\) \{\n.*?^\}/ms.exec(readFileSync(inDeploy('runner/entrypoint.sh'), 'utf8'))!;
    const script = `${stopRunner}\nrunner=\nsleep 0 &\nlast=$!\nstop_runner\n[ "$!" = "$last" ]`;
    expect(runTool('sh', ['-c', script]).exitCode).toBe(0);
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
      "trap 'setsid destroy /x/dist/executor/destroyer.js > /dev/null 2>&1 & until grep -q destroying $EVENTS; do sleep 0.05; done; exit 0' QUIT\necho ready >> $EVENTS\nwhile :; do sleep 0.05; done\n",
    );
    const { child, exit, stderr } = start();
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(events()).toContain('destroyed');
    expect(stderr()).toContain('waiting for the last instances to be destroyed (limit 45 s)');
  });

  it('ends only when the round of the reaper has that holds the destroyer’s slot', async () => {
    writeFileSync(path.join(directory, 'env'), '');
    program(
      'gitlab-spot',
      'echo reaping >> $EVENTS\nuntil grep -q quit $EVENTS; do sleep 0.05; done\nsleep 1\necho reaped >> $EVENTS',
    );
    const { child, exit, stderr } = start();
    await until('reaping');
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(events().slice(-2)).toEqual(['quit', 'reaped']);
    expect(events().filter((event) => event === 'reaping')).toHaveLength(1);
    expect(stderr()).toContain('waiting for the last instances to be destroyed (limit 45 s)');
  });

  it('says what is not destroyed when the time for it is over', async () => {
    const job = (name: string, phase: string) => {
      mkdirSync(path.join(directory, 'jobs', name), { recursive: true });
      writeFileSync(path.join(directory, 'jobs', name, 'record.json'), JSON.stringify({ phase }, null, 2));
    };
    job('job-a', 'destroying');
    job('job-b', 'running');
    program('destroy', 'echo destroying >> $EVENTS\nexec sleep 5 > /dev/null 2>&1');
    program(
      'gitlab-runner',
      "trap 'setsid destroy /x/dist/executor/destroyer.js > /dev/null 2>&1 & until grep -q destroying $EVENTS; do sleep 0.05; done; exit 0' QUIT\necho ready >> $EVENTS\nwhile :; do sleep 0.05; done\n",
    );
    const { child, exit, stderr } = start({ LAST_DESTROYS_SECONDS: '0' });
    await until('ready');
    child.kill('SIGTERM');
    await exit;
    expect(stderr()).toContain('instances not destroyed yet: 1. The next start does it');
  });

  it('reaps at once, since what ran before its start has nobody else, and again and again', async () => {
    writeFileSync(path.join(directory, 'env'), '');
    program('gitlab-spot', 'echo "reap $*" >> $EVENTS\n[ "$(grep -c ^reap $EVENTS)" -lt 3 ] || echo thrice >> $EVENTS');
    const { child, exit } = start();
    await until('thrice');
    child.kill('SIGTERM');
    await exit;
    expect(events()).toContain('reap reap --yes');
  });

  it('does not wait an interval for the first round', async () => {
    writeFileSync(path.join(directory, 'env'), '');
    const { child, exit } = start({ REAP_INTERVAL_SECONDS: '3600' });
    await until('reap reap --yes');
    // The runner may begin after the reaper, and listens to signals from then on.
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
  });

  it.each(['reap_again_and_again', 'serve_metrics'])('ends %s at a signal, whatever it is just doing', (does) => {
    const text = readFileSync(inDeploy('runner/entrypoint.sh'), 'utf8').split('\ncase ')[0]!;
    const { times, events } = toldBeforeEachCommand(
      `REAP_INTERVAL_SECONDS=1000 METRICS_LISTEN=127.0.0.1:9750 GITLAB_SPOT_ENV_FILE=/\n${text}\n${does}`,
      {
        'gitlab-spot': `[ "$1" = reap ] || { ${SLEEPER}; }`,
        sleep: `[ "$1" = 1000 ] || exec /bin/sleep "$1"; ${SLEEPER}`,
      },
    );
    expect(events).toEqual([]);
    expect(times).toBeGreaterThan(10);
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

  it('does not reap before there is an env file', async () => {
    const { child, exit } = start();
    await until('ready');
    child.kill('SIGTERM');
    await exit;
    expect(events()).not.toContain('reap reap --yes');
  });

  it.each([
    ['config.toml', 'waiting: no runner is registered yet: docker compose exec runner gitlab-spot register'],
    ['stacks/instances.yaml', 'run `chmod -R go+rX stacks deploy/image` in the clone'],
  ])('starts the runner once %s is there, and says once that it waits', async (name, sentence) => {
    rmSync(path.join(directory, name));
    const { child, exit, stderr, said } = start();
    await said(sentence);
    expect(health()).toBe(0);
    // A second look finds it missing, too.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(events()).toEqual([]);
    writeFileSync(path.join(directory, name), '');
    await until('ready');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(
      stderr()
        .split('\n')
        .filter((line) => line.includes('waiting: ')),
    ).toHaveLength(1);
  });

  it('can be stopped while it waits for a runner to be registered', async () => {
    rmSync(path.join(directory, 'config.toml'));
    const { child, exit, said } = start();
    await said('no runner is registered yet');
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(events()).toEqual([]);
  });

  it('goes on when a round of the reaper fails', async () => {
    writeFileSync(path.join(directory, 'env'), '');
    program(
      'gitlab-spot',
      'echo "reap $*" >> $EVENTS\n[ "$(grep -c ^reap $EVENTS)" -lt 3 ] || echo enough >> $EVENTS\nexit 7',
    );
    const { child, exit, stderr } = start();
    await until('enough');
    child.kill('SIGTERM');
    await exit;
    expect(stderr()).toContain('the reaper ended with exit 7');
  });

  it('is healthy while the runner lives', async () => {
    expect(health()).not.toBe(0);
    const { child, exit } = start();
    await until('ready');
    // Its process id is written down just after its start.
    while (health() !== 0) await sleep(20);
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
