import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { connect, DEFAULT_INTERPRETER, StageBroken } from '../../../src/ssh';
import { cancelCommand, nonceOf, runCommand } from '../../../src/ssh/supervisor';
import { describeUnless } from '../skip';
import type { Userland } from './machines';
import { startFaultProxy } from './fault-proxy';
import { startServer, withoutServer, type ServerKind, type TestServer } from './servers';
import { runStage, startStage } from './stages';

/** As long as a follower waits for a collector that may be slow. */
const SILENCE_MS = 10_000;

/**
 * The supervisor has noted how often the kernel had ended a process, which it does while the script
 * begins; 5 s, where the kernel does not count.
 */
const COUNTED = 'n=0; until [ -s ~/.gitlab-spot/runs/*/claim/oom ] || [ $n -eq 50 ]; do sleep 0.1; n=$((n + 1)); done';
/** As if it had been one less. */
const COUNT_LESS = `${COUNTED}; echo "oom_kill -1" >~/.gitlab-spot/runs/*/claim/oom`;

/** What a stage does over SSH, on a server of that kind with those programs. */
export function describeStage(kind: ServerKind, userland: Userland): void {
  describeUnless(withoutServer(kind) ?? userland.missing, `a stage over ${kind}, ${userland.name}`, () =>
    stageCases(kind, userland),
  );
}

function stageCases(kind: ServerKind, userland: Userland): void {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind, userland);
    runs = path.join(server.home, '.gitlab-spot', 'runs');
  });
  afterAll(() => server.stop());
  // What a test tells its script by must not be there when the next one's begins.
  afterEach(() => {
    for (const name of ['go', 'leave', 'finish', 'end']) rmSync(path.join(server.home, name), { force: true });
  });
  let runs: string;

  it.each([
    ['nothing', '', '', 0],
    ['both streams in order', 'echo a; echo b >&2; echo c; exit 3', 'a\nb\nc\n', 3],
    ['an exit status of 255, which ssh uses for its own failures', 'echo x; exit 255', 'x\n', 255],
    ['an exit status of 79, which we use for a missing supervisor', 'exit 79', '', 79],
    ['output without a newline at its end', 'printf "no newline"', 'no newline', 0],
    ['exec', 'echo before; exec sh -c "echo replaced; exit 7"', 'before\nreplaced\n', 7],
    ['reading standard input: it is empty', 'cat; read -r line; echo "read: $?"', 'read: 1\n', 0],
    [
      'a stderr that is opened anew (a file would be truncated)',
      'echo a; echo b >/dev/stderr; echo c >/dev/stdout; echo d',
      'a\nb\nc\nd\n',
      0,
    ],
    ['a closed stdout', 'echo a; exec >&- 2>&-; exit 4', 'a\n', 4],
    ['an output that goes to a file', 'exec 3>&1 >~/file 2>&1; echo a; cat ~/file >&3; exit 4', 'a\n', 4],
    ['an output that goes nowhere', 'echo a; exec >/dev/null 2>&1; echo b; exit 4', 'a\n', 4],
    ['a script that does not end with a newline', 'exit 5', '', 5],
  ])('delivers %s', async (_what, script, output, exitCode) => {
    const { outcome, log } = await runStage(server.target, script);
    expect(log.text).toBe(output);
    expect(outcome).toEqual({ kind: 'exited', exitCode });
  });

  it.each([
    ['TERM', 'SIGTERM', 143],
    ['KILL', 'SIGKILL', 137],
    ['INT', 'SIGINT', 130],
    ['PIPE', 'SIGPIPE', 141],
  ])(
    'a script that kills its shell with %s ends as a signal, not as a broken connection',
    async (signal, name, exitCode) => {
      const { outcome, log } = await runStage(server.target, `echo a; kill -${signal} $$; sleep 5; echo survived`);
      expect(log.text).toBe('a\n');
      expect(outcome).toEqual({ kind: 'signaled', signal: name, exitCode });
    },
  );

  it.each([
    ['failed, where the kernel has counted that', `${COUNT_LESS}; exit 7`, 7, 1],
    ['ended well', COUNT_LESS, 0, 0],
    ['was killed by another', 'kill -KILL $$', 137, 0],
  ])('lack of memory is told of a script that %s', async (_what, script, exitCode, told) => {
    const onOutOfMemory = jest.fn();
    const { outcome } = await runStage(server.target, script, { request: { onOutOfMemory } });
    expect(outcome).toMatchObject({ exitCode });
    expect(onOutOfMemory).toHaveBeenCalledTimes(told);
  });

  it('binary output arrives byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
    writeFileSync(path.join(server.home, 'bytes'), bytes);
    const { log } = await runStage(server.target, 'cd; cat bytes');
    expect(log.bytes.equals(bytes)).toBe(true);
  });

  it('output arrives as it is written, not at the end', async () => {
    const stage = startStage(server.target, 'cd; echo first; until [ -e go ]; do sleep 0.05; done; echo second');
    await stage.log.contains('first');
    writeFileSync(path.join(server.home, 'go'), '');
    await stage.outcome;
    expect(stage.log.text).toBe('first\nsecond\n');
  });

  it('ends with the script although a background process holds its output open', async () => {
    const { outcome, log } = await runStage(server.target, 'cd; sleep 30 & echo "$!" >background; echo done; exit 6');
    process.kill(Number(readFileSync(path.join(server.home, 'background'), 'utf8')), 'SIGKILL');
    expect(outcome).toEqual({ kind: 'exited', exitCode: 6 });
    expect(log.text).toBe('done\n');
  });

  it('ends with the script although a background process goes on writing', async () => {
    const { outcome, log } = await runStage(
      server.target,
      'cd; (while :; do echo noise; done) & echo "$!" >background; sleep 0.2; echo last; exit 8',
    );
    process.kill(Number(readFileSync(path.join(server.home, 'background'), 'utf8')), 'SIGKILL');
    expect(outcome).toEqual({ kind: 'exited', exitCode: 8 });
    expect(log.text).toContain('last\n');
  });

  it('leaves no files behind, and while it runs none that others can read', async () => {
    const stage = startStage(server.target, 'cd; echo started; until [ -e leave ]; do sleep 0.05; done');
    await stage.log.contains('started');
    const folder = path.join(runs, stage.runId);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(folder))
      expect([file, statSync(path.join(folder, file)).mode & 0o077]).toEqual([file, 0]);
    writeFileSync(path.join(server.home, 'leave'), '');
    await stage.outcome;
    // That it was stays, as an empty folder.
    while (filesIn(folder).length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(readdirSync(folder)).toEqual(['claim']);
  });

  it('an order to start it that comes when it is over, over a connection that broke, starts nothing and leaves the next stage alone', async () => {
    const script = 'cd; echo ran >>late';
    const { runId, outcome } = startStage(server.target, script);
    await outcome;
    const next = startStage(server.target, 'cd; echo started; until [ -e go ]; do sleep 0.05; done; echo next');
    await next.log.contains('started');
    const connection = await connect(server.target);
    const order = { runId, nonce: nonceOf(runId), offset: 0, boot: undefined, metadataUrl: '' };
    const { stderr } = await connection.exec(
      runCommand({ ...order, scriptBytes: script.length, interpreter: DEFAULT_INTERPRETER }),
      { stdin: Readable.from(lateOrder(script)) },
    );
    connection.close();
    expect(stderr).toContain('broken the stage did not start');
    writeFileSync(path.join(server.home, 'go'), '');
    await expect(next.outcome).resolves.toMatchObject({ exitCode: 0 });
    expect(next.log.text).toBe('started\nnext\n');
    expect(readFileSync(path.join(server.home, 'late'), 'utf8')).toBe('ran\n');
  });

  it('ends with its status, and not at the limit of a silence, when what collects its output was killed', async () => {
    const stage = startStage(server.target, 'cd; echo started; until [ -e end ]; do sleep 0.05; done; exit 6');
    await stage.log.contains('started');
    const waiter = readFileSync(path.join(runs, stage.runId, 'claim', 'waiter'), 'utf8').trim();
    const [collector] = childrenOf(waiter).filter((pid) => childrenOf(pid).some((child) => nameOf(child) !== 'sleep'));
    const [cat] = childrenOf(collector!);
    for (const pid of [collector!, cat!]) process.kill(Number(pid), 'SIGKILL');
    const killedAt = Date.now();
    writeFileSync(path.join(server.home, 'end'), '');
    await expect(stage.outcome).resolves.toMatchObject({ exitCode: 6 });
    expect(Date.now() - killedAt).toBeLessThan(SILENCE_MS);
  });

  // The quick suite has the first of each.
  const [stopped, signals] =
    kind === 'sshd'
      ? [
          ['cat', 'tail', 'dd'],
          ['TERM', 'HUP', 'INT'],
        ]
      : [['cat'], ['TERM']];
  it.each([
    ...['cat', 'tail', 'sleep', 'dd'].map((name) => ['TERM', name]),
    ...stopped.map((name) => ['STOP', name]),
    ...signals.map((signal) => [signal, 'sh']),
  ])('loses nothing where a script sends %s to every %s of ours', async (signal, name) => {
    // A session of its own is what `killall` doesn't know: here only this instance's own processes
    // are meant.
    const script = [
      'cd; echo before',
      'for p in /proc/[0-9]*; do',
      '  [ "${p#/proc/}" = $$ ] && continue',
      '  { tr "\\0" "\\n" <$p/environ; echo; } 2>/dev/null | grep -qx "HOME=$HOME" || continue',
      `  read -r _ comm _ <$p/stat && [ "$comm" = "(${name})" ] && kill -${signal} "\${p#/proc/}"`,
      'done 2>/dev/null',
      'sleep 0.3; echo after; exit 3',
    ].join('\n');
    const { outcome, log } = await runStage(server.target, script);
    expect(log.text).toBe('before\nafter\n');
    expect(outcome).toEqual({ kind: 'exited', exitCode: 3 });
  });

  it('has no process that `pkill -f supervisor` finds', async () => {
    const stage = startStage(server.target, 'cd; echo started; until [ -e go ]; do sleep 0.05; done');
    await stage.log.contains('started');
    // A machine with processes of its own has other numbers for them. The file is there before its
    // content is.
    const waiter = path.join(runs, stage.runId, 'claim', 'waiter');
    const connection = await connect(server.target);
    const { stdout } = await connection.exec(
      `until [ -s ${waiter} ]; do sleep 0.05; done; cat /proc/$(cat ${waiter})/cmdline`,
    );
    connection.close();
    expect(stdout).toContain('sh');
    expect(stdout).not.toMatch(/supervisor/);
    writeFileSync(path.join(server.home, 'go'), '');
    await stage.outcome;
  });

  it('waits for a filter behind the script, as long as something comes', async () => {
    const script = [
      'mkfifo $HOME/filter 2>/dev/null',
      '(while IFS= read -r l; do sleep 0.02; printf "TS %s\\n" "$l"; done <$HOME/filter) &',
      'exec >$HOME/filter 2>&1',
      'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i"; done; echo LAST; exit 4',
    ].join('\n');
    const { outcome, log } = await runStage(server.target, script);
    expect(log.text.match(/^TS line \d+$/gm)).toHaveLength(60);
    expect(log.text).toMatch(/TS LAST\n$/);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 4 });
  });

  it('has the umask of a login, not the supervisor’s own', async () => {
    const { log } = await runStage(server.target, 'umask');
    expect(log.text).toMatch(/^0?022\n$/);
  });

  it('cancelling ends everything the stage has started in its session, also what ignores TERM', async () => {
    const stage = startStage(
      server.target,
      `cd; echo $$ >pids; (trap '' TERM; echo started; while :; do sleep 0.2; done) & echo $! >>pids; sleep 60 & echo $! >>pids; wait`,
      { graceMs: 1000 },
    );
    await stage.log.contains('started');
    stage.cancel();
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    const pids = readFileSync(path.join(server.home, 'pids'), 'utf8').trim().split('\n').map(Number);
    expect(pids).toHaveLength(3);
    for (const pid of pids) expect([pid, isAlive(pid)]).toEqual([pid, false]);
    await expect(runStage(server.target, 'echo after_script')).resolves.toMatchObject({ outcome: { exitCode: 0 } });
  });

  it('a script that cleans up on TERM is given the time, and its last words are in the log', async () => {
    const stage = startStage(
      server.target,
      `trap 'sleep 0.3; echo cleaned; exit 1' TERM; echo started; while :; do sleep 0.1; done`,
      { graceMs: 10_000 },
    );
    await stage.log.contains('started');
    stage.cancel();
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    expect(stage.log.text).toMatch(/cleaned\n$/);
  });

  it('cancelling ends a script that has removed the supervisor and all that was known of the stage', async () => {
    const stage = startStage(
      server.target,
      `rm -rf ~/.gitlab-spot; trap 'echo cleaned; exit 1' TERM; echo started; while :; do sleep 0.1; done`,
      { graceMs: 10_000 },
    );
    await stage.log.contains('started');
    stage.cancel();
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    expect(stage.log.text).toMatch(/cleaned\n$/);
  });

  it('a script that has removed all that was known of its stage does not run again after a broken connection', async () => {
    const proxy = await startFaultProxy(server.target);
    const stage = startStage(
      proxy.target,
      'cd; echo run >>removed; rm -rf ~/.gitlab-spot; echo started; until [ -e go ]; do sleep 0.05; done',
    );
    await stage.log.contains('started');
    proxy.cut();
    await expect(stage.outcome).rejects.toThrow(/can't run the stage: a script has removed .*\.gitlab-spot/);
    expect(readFileSync(path.join(server.home, 'removed'), 'utf8')).toBe('run\n');
    writeFileSync(path.join(server.home, 'go'), '');
    await proxy.stop();
  });

  it('a stage that is cancelled before it began never begins', async () => {
    const runId = randomUUID();
    const connection = await connect(server.target);
    await connection.exec(cancelCommand(runId, nonceOf(runId), 1));
    connection.close();
    await runStage(server.target, 'cd; touch must-not-exist', { request: { runId } });
    expect(existsSync(path.join(server.home, 'must-not-exist'))).toBe(false);
  });

  it('starting the same run again attaches to it', async () => {
    const runId = randomUUID();
    const script = 'cd; echo run >>times; echo once; until [ -e finish ]; do sleep 0.05; done';
    const first = startStage(server.target, script, { request: { runId } });
    await first.log.contains('once');
    const second = startStage(server.target, script, { request: { runId } });
    await second.log.contains('once');
    writeFileSync(path.join(server.home, 'finish'), '');
    await second.outcome;
    expect(readFileSync(path.join(server.home, 'times'), 'utf8')).toBe('run\n');
    first.cancel();
    await first.outcome.catch(() => {});
  });

  it.each([
    ['', ''],
    [', and lack of memory where the kernel has counted one', ', whose memory has run out'],
  ])('a supervisor that is killed is recognised, not waited for%s', async (_what, outOfMemory) => {
    const stage = startStage(server.target, `cd; echo $$ >script-pid; ${COUNTED}; echo started; sleep 60`);
    await stage.log.contains('started');
    const folder = path.join(runs, stage.runId);
    // The kernel's count at the stage's begin.
    if (outOfMemory !== '') writeFileSync(path.join(folder, 'claim', 'oom'), 'oom_kill -1\n');
    process.kill(Number(readFileSync(path.join(folder, 'claim', 'waiter'), 'utf8')), 'SIGKILL');
    await expect(stage.outcome).rejects.toThrow(StageBroken);
    await expect(stage.outcome).rejects.toMatchObject({
      message: expect.stringMatching(
        new RegExp(`supervisor of the stage was killed on the instance at \\S+?${outOfMemory}$`),
      ) as string,
    });
    expect(isAlive(Number(readFileSync(path.join(server.home, 'script-pid'), 'utf8')))).toBe(false);
  });

  it('a restart of the instance is recognised, and the stage does not run again', async () => {
    const runId = randomUUID();
    const folder = path.join(runs, runId);
    mkdirSync(path.join(folder, 'claim'), { recursive: true });
    writeFileSync(path.join(folder, 'claim', 'boot'), 'a-boot-before-this-one\n');
    const { outcome } = startStage(server.target, 'cd; touch ran-twice', { request: { runId } });
    await expect(outcome).rejects.toThrow(/was restarted while the stage ran/);
    expect(existsSync(path.join(server.home, 'ran-twice'))).toBe(false);
  });

  it('a run beside a stage leaves it alone, has its output in the same log, and is ended by itself', async () => {
    const stage = startStage(server.target, 'cd; echo begun; until [ -e saved ]; do sleep 0.05; done; echo end');
    await stage.log.contains('begun');
    const request = { beside: stage.runId, stdout: stage.log };
    const endless = startStage(server.target, 'echo endless; sleep 60', { request });
    await stage.log.contains('endless');
    endless.cancel();
    await expect(endless.outcome).resolves.toEqual({ kind: 'cancelled' });
    const save = startStage(server.target, 'cd; echo saving; touch saved', { request });
    await expect(save.outcome).resolves.toEqual({ kind: 'exited', exitCode: 0 });
    await expect(stage.outcome).resolves.toEqual({ kind: 'exited', exitCode: 0 });
    expect(stage.log.text).toMatch(/^begun\nendless\n(saving\nend|end\nsaving)\n$/);
    rmSync(path.join(server.home, 'saved'));
  });

  it('a stage whose hook was killed is ended when the next one begins', async () => {
    const orphan = startStage(server.target, 'cd; echo $$ >orphan; echo started; sleep 60');
    await orphan.log.contains('started');
    orphan.outcome.catch(() => {});
    await runStage(server.target, 'echo next');
    expect(isAlive(Number(readFileSync(path.join(server.home, 'orphan'), 'utf8')))).toBe(false);
    orphan.cancel();
  });
}

/** The word by which the script may begin comes once the script was taken; busybox's head reads ahead. */
async function* lateOrder(script: string): AsyncGenerator<string> {
  yield script;
  await sleep(500);
  yield 'go\n';
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name !== 'claim');
}

function childrenOf(pid: string): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
}

function nameOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
