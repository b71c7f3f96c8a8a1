import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, ImageUnfit, installSupervisor, waitForSsh } from '../../../src/ssh';
import { COMPATIBILITY, type Setup } from '../../support/ssh/compatibility';
import { mountTmpfs, withoutMounts } from '../../support/mounts';
import { describeUnless } from '../../support/skip';
import { GNU } from '../../support/ssh/machines';
import {
  startServer,
  withoutServer,
  type ServerKind,
  type ServerOptions,
  type TestServer,
} from '../../support/ssh/servers';
import { runStage, startStage } from '../../support/ssh/stages';

/** Each row of docs/compatibility.md, with its three cells. */
describe.each(['ssh2', 'sshd'] as const)('over %s', (kind) => {
  describeUnless(withoutServer(kind), 'an instance', () => {
    for (const row of COMPATIBILITY.filter((one) => one.servers.includes(kind)))
      describeUnless(missing(kind, row), row.name, () => cells(kind, row));
  });
});

function cells(kind: ServerKind, row: Setup): void {
  let server: TestServer;
  let unmount = (): void => undefined;
  let links = '';
  const linkTo = (program: string, name: string): string => {
    links = mkdtempSync(path.join(tmpdir(), 'shells-'));
    symlinkSync(program, path.join(links, name));
    return path.join(links, name);
  };
  beforeAll(async () => {
    const shell = row.applet === undefined ? row.shell : linkTo(row.shell!, row.applet);
    const options: ServerOptions = {
      ...(shell === undefined ? {} : { shell }),
      ...(row.maxSessions === undefined ? {} : { maxSessions: row.maxSessions }),
      ...(row.loginDelayMs === undefined ? {} : { loginDelayMs: row.loginDelayMs }),
      ...(row.home === undefined ? {} : { homeName: row.home }),
      ...(row.sshdConfig === undefined ? {} : { sshdConfig: row.sshdConfig }),
    };
    server = await startServer(kind, row.userland ?? GNU, options);
    if (row.mount !== undefined) unmount = mountTmpfs(server.home, row.mount).unmount;
    for (const [name, text] of Object.entries(row.files ?? {})) writeFileSync(path.join(server.home, name), text);
  });
  afterAll(async () => {
    unmount();
    await server.stop();
    if (links !== '') rmSync(links, { recursive: true });
  });

  if (row.unfit) {
    it('is told as the image’s fault, once', async () => {
      const connection = await connect(server.target);
      await expect(installSupervisor(connection, { timeoutMs: 5_000 })).rejects.toThrow(ImageUnfit);
      connection.close();
    });
    return;
  }

  it('gives outcome and output as they are', async () => {
    const { outcome, log } = await runStage(
      server.target,
      `${row.script ?? ''}\necho "it's out"; echo err >&2; exit 7`,
    );
    expect(log.text).toBe(`${row.output ?? ''}it's out\nerr\n`);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 7 });
  });

  it('answers our own commands, and takes a file', async () => {
    const connection = await connect(server.target);
    await expect(connection.exec(`printf '%s\\n' "it's \\\\ \\$!"; exit 3`)).resolves.toEqual({
      stdout: "it's \\ $!\n",
      stderr: '',
      exitCode: 3,
    });
    await connection.upload(Buffer.from('content'), path.join(server.home, "a 'file'"), 0o600);
    expect(readFileSync(path.join(server.home, "a 'file'"), 'utf8')).toBe('content');
    connection.close();
  });

  if (row.loginDelayMs !== undefined) {
    it('is waited for by prepare, in one try', async () => {
      const log: string[] = [];
      const { signal } = new AbortController();
      const startMs = Date.now();
      (await waitForSsh(server.target, { limitMs: 60_000, log: (line) => log.push(line), signal })).close();
      expect(log).toHaveLength(1);
      // Slow indeed; a second try would have doubled it.
      expect(Date.now() - startMs).toBeGreaterThan(6_000);
    });
  }

  it('can be cancelled', async () => {
    const script = `${row.script ?? ''}\ntrap "echo cleaned; exit 1" TERM; echo started; while :; do /bin/sleep 0.1; done`;
    const stage = startStage(server.target, script, { graceMs: 5_000 });
    await stage.log.contains('started');
    stage.cancel();
    await expect(stage.outcome).resolves.toEqual({ kind: 'cancelled' });
    expect(stage.log.text).toMatch(row.lastWordsLost ? /started\n/ : /cleaned\n$/);
  });

  if (row.name.startsWith('sh is ')) {
    it('tells that its supervisor was killed', async () => {
      const stage = startStage(server.target, 'echo started; sleep 60');
      await stage.log.contains('started');
      const waiter = path.join(server.home, '.gitlab-spot', 'runs', stage.runId, 'claim', 'waiter');
      process.kill(Number(readFileSync(waiter, 'utf8')), 'SIGKILL');
      await expect(stage.outcome).rejects.toThrow(/supervisor of the stage was killed/);
    });
  }

  if (row.waitsMs !== undefined) {
    it('outlasts its limit', async () => {
      const { outcome, log } = await runStage(server.target, `sleep ${row.waitsMs! / 1000}; echo slept`);
      expect(log.text).toBe('slept\n');
      expect(outcome).toEqual({ kind: 'exited', exitCode: 0 });
    });
  }
}

/** The reason against a row. */
function missing(kind: ServerKind, { program, userland, mount, shell }: Setup): string | undefined {
  if (userland?.missing !== undefined) return userland.missing;
  const mounts = mount !== undefined || (shell !== undefined && kind === 'sshd') ? withoutMounts() : undefined;
  if (mounts !== undefined) return mounts;
  if (program === undefined || spawnSync(program, ['-c', 'true']).error === undefined) return undefined;
  return `${program} isn't installed`;
}

it('docs/compatibility.md says in each cell what its row was tried for', () => {
  const page = readFileSync(path.resolve(__dirname, '../../../docs/compatibility.md'), 'utf8');
  const cells = [...page.matchAll(/^\| ([^|]+?) \| (yes|no) \| (yes|no) \|/gm)].map((match) => match.slice(1));
  const said = (holds: boolean) => (holds ? 'yes' : 'no');
  expect(cells).toEqual(
    COMPATIBILITY.map(({ name, unfit, lastWordsLost }) => [name, said(!unfit), said(!unfit && !lastWordsLost)]),
  );
});
