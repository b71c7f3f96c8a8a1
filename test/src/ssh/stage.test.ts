import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, installSupervisor } from '../../../src/ssh';
import { beginConnection } from '../../../src/ssh/begin';
import type { MachineUse } from '../../../src/ssh/types';
import { mountTmpfs, withoutMounts } from '../../support/mounts';
import { describeUnless } from '../../support/skip';
import { startFaultProxy } from '../../support/ssh/fault-proxy';
import { BUSYBOX, GNU, SLOW_TO_FOLLOW } from '../../support/ssh/machines';
import { startServer, type TestServer } from '../../support/ssh/servers';
import { describeStage } from '../../support/ssh/stage-cases';
import { startStage, runStage } from '../../support/ssh/stages';

describeStage('ssh2', GNU);

it('tells what it used of its machine, as shares', async () => {
  const server = await startServer('ssh2');
  const told: MachineUse[] = [];
  const stage = startStage(server.target, 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; exit 4', {
    request: { onUse: (use) => void told.push(use) },
  });
  const outcome = await stage.outcome;
  await server.stop();
  expect(outcome).toEqual({ kind: 'exited', exitCode: 4 });
  expect(told).toHaveLength(1);
  const shares = Object.entries(told[0]!).map(([name, share]) => [name, share > 0 && share <= 1]);
  expect(shares).toEqual(['memory', 'cpu', 'disk'].map((name) => [name, true]));
});

it('has the environment of this instance’s login, not of the one that its image was made of', async () => {
  const server = await startServer('ssh2');
  await runStage(server.target, ':');
  const folder = path.join(server.home, '.gitlab-spot');
  writeFileSync(path.join(folder, 'boot'), 'of-another-machine\n');
  writeFileSync(path.join(server.home, '.bash_profile'), 'export JAVA_HOME=/opt/jdk\n');
  const connection = await connect(server.target);
  await installSupervisor(connection);
  connection.close();
  expect((await runStage(server.target, 'echo "$JAVA_HOME"')).log.text).toBe('/opt/jdk\n');
  await server.stop();
});

it('leaves alone who has the number that a session had before a boot, or where its image was made', async () => {
  const server = await startServer('ssh2');
  const other = startStage(server.target, 'echo $$ >~/number; echo begun; until [ -e ~/go ]; do sleep 0.02; done');
  await other.log.contains('begun');
  const old = path.join(server.home, '.gitlab-spot/runs/old');
  mkdirSync(path.join(old, 'claim'), { recursive: true });
  writeFileSync(path.join(old, 'out'), '');
  writeFileSync(path.join(old, 'claim/boot'), 'another\n');
  writeFileSync(path.join(old, 'claim/session'), readFileSync(path.join(server.home, 'number')));
  await runStage(server.target, ':', { request: { beside: other.runId } });
  writeFileSync(path.join(server.home, 'go'), '');
  await expect(other.outcome).resolves.toEqual({ kind: 'exited', exitCode: 0 });
  expect(readdirSync(old)).not.toContain('out');
  await server.stop();
});

it('follows a script that removes all of ours before a slow follower has opened it, and runs it once', async () => {
  const server = await startServer('ssh2', SLOW_TO_FOLLOW);
  const connection = await connect(server.target);
  await installSupervisor(connection);
  connection.close();
  const script = 'rm -rf ~/.gitlab-spot 2>/dev/null; cd; echo run >>times; cat times; exit 5';
  const { outcome, log } = await runStage(server.target, script);
  expect(log.text).toBe('run\n');
  expect(outcome).toEqual({ kind: 'exited', exitCode: 5 });
  await server.stop();
});

it('begins no script before it is known to be followed: one that removes all of ours would begin again', async () => {
  const server = await startServer('ssh2');
  const proxy = await startFaultProxy(server.target);
  const connection = await connect(server.target);
  await installSupervisor(connection);
  connection.close();
  // What the first follower says arrives late, and the connection breaks before.
  writeFileSync(
    path.join(server.home, '.bashrc'),
    `case $BASH_EXECUTION_STRING in *' run '*) [ -e ~/slow ] || { : >~/slow; exec > >(sleep 1; cat); };; esac\n`,
  );
  const stage = startStage(proxy.target, 'cd; rm -rf .gitlab-spot 2>/dev/null; echo run >>times; cat times; exit 5');
  while (!existsSync(path.join(server.home, 'slow'))) await sleep(10);
  await sleep(500);
  proxy.cut();
  await expect(stage.outcome).resolves.toEqual({ kind: 'exited', exitCode: 5 });
  expect(stage.log.text).toBe('run\n');
  await proxy.stop();
  await server.stop();
});

describe('where a script has removed all of ours, the next stage', () => {
  let server: TestServer;
  let restored: number;
  const restore = (): Promise<void> => Promise.resolve(void restored++);
  beforeEach(async () => {
    server = await startServer('ssh2');
    restored = 0;
  });
  afterEach(() => server.stop());

  it('restores what an earlier one could not', async () => {
    const failing = runStage(server.target, ':', { request: { restore: () => Promise.reject(new Error('no room')) } });
    await expect(failing).rejects.toThrow('no room');
    await expect(runStage(server.target, 'exit 5', { request: { restore } })).resolves.toMatchObject({
      outcome: { exitCode: 5 },
    });
    await runStage(server.target, ':', { request: { restore } });
    expect(restored).toBe(1);
  });

  it('restores also what the cancel of that script did not', async () => {
    const stage = startStage(server.target, 'rm -rf ~/.gitlab-spot; echo removed; sleep 60');
    await stage.log.contains('removed');
    stage.cancel();
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    await runStage(server.target, ':', { request: { restore } });
    expect(restored).toBe(1);
  });
});

describe('a connection that was begun before', () => {
  it('is the first one, and no other is made', async () => {
    const server = await startServer('ssh2');
    const proxy = await startFaultProxy(server.target);
    const begun = beginConnection(proxy.target);
    // Greeted before anybody listens.
    await once(begun, 'readable');
    const stage = startStage(proxy.target, 'echo begun; sleep 0.3; echo resumed; exit 5', { begun });
    await stage.log.contains('begun');
    expect(proxy.cut()).toBe(1);
    await expect(stage.outcome).resolves.toEqual({ kind: 'exited', exitCode: 5 });
    expect(stage.log.text).toBe('begun\nresumed\n');
    await proxy.stop();
    await server.stop();
  });

  it('is made anew where it has broken', async () => {
    const server = await startServer('ssh2');
    const begun = beginConnection({ ...server.target, port: 1 });
    await new Promise((resolve) => begun.once('close', resolve));
    const { outcome } = await runStage(server.target, 'exit 5', { begun });
    expect(outcome).toEqual({ kind: 'exited', exitCode: 5 });
    await server.stop();
  });
});

describeUnless(withoutMounts(), 'an instance with little space', () => {
  it.each([
    ['and what it writes then is told', '', 'echo; echo after', /^before\n[^]*\nafter\n/],
    ['and no word comes after that', 'sleep 1', ':', /^before\n/],
  ])('goes on with a script that frees the space again, %s', async (_what, pause, rest, text) => {
    const server = await startServer('ssh2');
    await runStage(server.target, 'true');
    const runs = path.join(server.home, '.gitlab-spot', 'runs');
    const { unmount } = mountTmpfs(runs, 'size=1m');
    try {
      const script = [
        'echo before; until [ -s ~/.gitlab-spot/runs/*/out ]; do sleep 0.05; done',
        'head -c 2000000 /dev/zero >~/.gitlab-spot/runs/large 2>/dev/null',
        `head -c 300000 /dev/zero | tr '\\0' x`,
        pause,
        'rm ~/.gitlab-spot/runs/large',
        rest,
        'exit 5',
      ].join('\n');
      const { outcome, log } = await runStage(server.target, script);
      expect(outcome).toEqual({ kind: 'exited', exitCode: 5 });
      expect(log.text).toMatch(text);
      expect(log.text.match(/^WARNING: the instance's disk is full/gm)).toHaveLength(1);
    } finally {
      unmount();
      await server.stop();
    }
  });

  it.each([GNU, BUSYBOX].filter(({ missing }) => missing === undefined))(
    'says that its disk is full, where a stage has filled it, and has that one’s own end: $name',
    async (userland) => {
      const server = await startServer('ssh2', userland);
      await runStage(server.target, 'true');
      const runs = path.join(server.home, '.gitlab-spot', 'runs');
      const { unmount } = mountTmpfs(runs, 'size=1m');
      try {
        spawnSync('sh', ['-c', 'head -c 2000000 /dev/zero >large'], { cwd: runs });
        await expect(runStage(server.target, 'true')).rejects.toThrow(/can't run the stage: its disk is full/);
        rmSync(path.join(runs, 'large'));
        const { outcome, log } = await runStage(server.target, 'echo before; head -c 3000000 /dev/zero; exit 5');
        expect(outcome).toEqual({ kind: 'exited', exitCode: 5 });
        expect(log.text).toMatch(/^before\n[^]*\nWARNING: the instance's disk is full: .* output is missing\n$/);
      } finally {
        unmount();
        await server.stop();
      }
    },
  );
});
